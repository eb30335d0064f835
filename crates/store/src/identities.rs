//! Identities at other issuers: who there is which account here.

use async_trait::async_trait;
use model::{AccountId, Timestamp};

use crate::accounts::NewAccount;
use crate::error::Result;

/// A person as another issuer knows them: its identifier and its `sub`, which it never gives to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForeignName {
    /// The issuer identifier, byte for byte.
    pub issuer: String,
    /// The `sub` of its tokens.
    pub subject: String,
}

/// An identity that is linked to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who there.
    pub name: ForeignName,
    /// Who here.
    pub account: AccountId,
    /// Since when.
    pub created_at: Timestamp,
}

/// How making an account for an identity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkedAccount {
    /// It was made and linked.
    Made,
    /// Its username is somebody's; nothing was made.
    NameTaken,
    /// The identity has an account; nothing was made.
    Linked,
}

/// The `identities` table.
#[async_trait]
pub trait Identities {
    /// The account of an identity.
    async fn identity(&self, name: &ForeignName) -> Result<Option<AccountId>>;
    /// All of them, by issuer.
    async fn identities(&self) -> Result<Vec<Identity>>;
    /// Links an identity to an account; one that waited for its first sign-in is active from then on. `false` if the
    /// identity is linked already or there is no such account.
    async fn link_identity(&self, name: &ForeignName, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Takes a link away. `false` if there is none.
    async fn unlink_identity(&self, name: &ForeignName, now: Timestamp) -> Result<bool>;
    /// Makes an active account without a password, and its link.
    async fn add_linked_account(
        &self,
        name: &ForeignName,
        account: &NewAccount,
        now: Timestamp,
    ) -> Result<LinkedAccount>;
}
