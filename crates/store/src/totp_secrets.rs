//! The secrets of authenticator apps (RFC 6238).

use async_trait::async_trait;
use model::{AccountId, SessionId, Timestamp};

use crate::error::Result;

/// The secret of an account.
#[derive(Clone, Debug)]
pub struct TotpSecret {
    /// Whose it is.
    pub account: AccountId,
    /// Sealed.
    pub sealed: Vec<u8>,
    /// The last time step whose code was taken.
    pub last_step: i64,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When a code last let its owner in.
    pub last_used_at: Option<Timestamp>,
}

/// The `totp_secrets` table.
#[async_trait]
pub trait TotpSecrets {
    /// Keeps the secret of an active account that has none. `false` if it has one, or the session that adds it has
    /// ended. The account's other sessions end: they began without it.
    async fn add_totp(&self, secret: &TotpSecret, session: SessionId) -> Result<bool>;
    /// The secret of an account.
    async fn totp_of(&self, account: AccountId) -> Result<Option<TotpSecret>>;
    /// Takes the code of a time step, once, and none of before it: `false` if it was taken, or a later one, or the secret is
    /// another by now.
    async fn use_totp(
        &self,
        account: AccountId,
        created_at: Timestamp,
        step: i64,
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes the secret away and ends the sessions of the account except one. `false` if there is none.
    async fn remove_totp(&self, account: AccountId, session: SessionId, now: Timestamp) -> Result<bool>;
    /// All of them, to be sealed again.
    async fn totp_secrets(&self) -> Result<Vec<TotpSecret>>;
    /// Puts the same secret under another master key in place of this one.
    async fn reseal_totp(&self, account: AccountId, before: &[u8], after: &[u8]) -> Result<bool>;
}
