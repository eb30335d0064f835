//! What of the factors beyond the password concerns all of them.

use async_trait::async_trait;
use model::{AccountId, Timestamp};

use crate::error::Result;

/// What an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// How many passkeys.
    pub passkeys: u64,
    /// Whether a TOTP secret.
    pub totp: bool,
    /// How many recovery codes that were not used.
    pub recovery_codes: u64,
}

impl Factors {
    /// Whether a password alone does not let its owner in.
    pub const fn any(&self) -> bool {
        self.passkeys > 0 || self.totp
    }
}

/// All factors of an account at once.
#[async_trait]
pub trait AllFactors {
    /// What an account has.
    async fn factors_of(&self, account: AccountId) -> Result<Factors>;
    /// Takes every factor away and ends every session of the account; gives what it had, if it had anything.
    async fn reset_factors(&self, account: AccountId, now: Timestamp) -> Result<Option<Factors>>;
}
