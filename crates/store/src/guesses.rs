//! Counters of wrong guesses; the rule is in `model::slowdown`.

use async_trait::async_trait;
use model::slowdown::Guesses;

use crate::error::Result;

/// The `guesses` table. A counter is named by a digest of what it counts for.
#[async_trait]
pub trait GuessCounters {
    /// Where a counter stands.
    async fn guesses(&self, counter: &[u8; 32]) -> Result<Guesses>;
    /// Moves a counter from `before` to `after`. `false` if it no longer stood at `before`: somebody else
    /// guessed at the same moment.
    async fn count_guess(&self, counter: &[u8; 32], before: Guesses, after: Guesses) -> Result<bool>;
    /// Takes one attempt back.
    async fn uncount_guess(&self, counter: &[u8; 32]) -> Result<()>;
    /// Forgets a counter after a success.
    async fn forget_guesses(&self, counter: &[u8; 32]) -> Result<()>;
}
