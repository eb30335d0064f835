//! Who still uses tokens of the time before: counted, so that a day can be named on which they end.

use async_trait::async_trait;
use model::{AccountId, ServerName, Timestamp};

use crate::error::Result;

/// Uses of old tokens by one person, of one kind, at one server, from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldTokenUses {
    /// At which server.
    pub server: ServerName,
    /// Whose.
    pub account: AccountId,
    /// Which token: what the configuration calls it.
    pub token: String,
    /// From which address, or network of IPv6.
    pub place: String,
    /// What the program called itself the last time; may be empty.
    pub user_agent: String,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub uses: i64,
}

/// The `old_token_uses` table.
#[async_trait]
pub trait OldTokens {
    /// Adds uses to those that are counted; uses of accounts that are gone are dropped.
    async fn add_old_token_uses(&self, uses: &[OldTokenUses]) -> Result<()>;
    /// All that are kept, latest first.
    async fn old_token_uses(&self) -> Result<Vec<OldTokenUses>>;
}
