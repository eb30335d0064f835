//! Passkeys (Web Authentication Level 3): the public half of what a person's devices hold.

use async_trait::async_trait;
use model::{AccountId, PasskeyId, SessionId, Timestamp};

use crate::error::Result;

/// A passkey.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// Its id here.
    pub id: PasskeyId,
    /// Whose it is.
    pub account: AccountId,
    /// The id by which the device knows it.
    pub credential: Vec<u8>,
    /// Public key, counter and backup state, as JSON.
    pub passkey: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last let its owner in.
    pub last_used_at: Option<Timestamp>,
    /// How often it did.
    pub uses: i64,
}

/// The `passkeys` table.
#[async_trait]
pub trait Passkeys {
    /// Adds a passkey to an active account that has fewer than `most`. `false` if it has as many, or the credential is
    /// known, or the session that adds it has ended. The account's other sessions end: they began without it.
    async fn add_passkey(&self, passkey: &Passkey, most: u32, session: SessionId) -> Result<bool>;
    /// The passkeys of an account, oldest first.
    async fn passkeys_of(&self, account: AccountId) -> Result<Vec<Passkey>>;
    /// Notes that a passkey was used that had been used `before` times, with what it says of itself now. `false` if it was
    /// used in between, or is gone.
    async fn passkey_used(&self, id: PasskeyId, before: i64, passkey: &str, now: Timestamp) -> Result<bool>;
    /// Calls it something else. `false` if this account has no such passkey.
    async fn name_passkey(&self, id: PasskeyId, account: AccountId, name: &str) -> Result<bool>;
    /// Takes a passkey away and ends the sessions of the account except one. `false` if this account has no such passkey.
    async fn remove_passkey(
        &self,
        id: PasskeyId,
        account: AccountId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool>;
}
