//! Identities at other issuers: who there is which account here.

use async_trait::async_trait;
use model::{AccountId, SessionId, Timestamp};

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
    /// When it was last asked there, or said by itself, whether they may come in. `None` if not yet.
    pub asked_at: Option<Timestamp>,
    /// The same, if they may. `None` if not yet, or if they may not.
    pub confirmed_at: Option<Timestamp>,
}

impl Identity {
    /// Whether they were turned away when it was last asked.
    pub fn is_turned_away(&self) -> bool {
        self.asked_at.is_some() && self.confirmed_at.is_none()
    }
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

/// How linking by address ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByAddress {
    /// The one account with the address is theirs from now on.
    Linked(AccountId),
    /// Nobody has the address.
    Nobody,
    /// Several accounts have it; or the one that has it is disabled, or is somebody's at this issuer or with an address
    /// that nobody proved; or the identity was linked meanwhile.
    Refused,
}

/// What lets somebody in who takes an identity away from their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherWay<'a> {
    /// Their password.
    Password,
    /// Who they are at this issuer.
    Identity(&'a str),
}

/// The `identities` table.
#[async_trait]
pub trait Identities {
    /// The account of an identity.
    async fn identity(&self, name: &ForeignName) -> Result<Option<AccountId>>;
    /// All of them, by issuer.
    async fn identities(&self) -> Result<Vec<Identity>>;
    /// Those of an account.
    async fn identities_of(&self, account: AccountId) -> Result<Vec<Identity>>;
    /// Links an identity to the one account that has this address, whatever its case, if it is not disabled, has nobody
    /// at that issuer yet, and did not get an address that nobody proved from somebody elsewhere: whoever can choose
    /// their address there would wait in an account of theirs for its owner. The address is proved from then on, and an
    /// account that waited for its first sign-in is active.
    async fn link_identity_by_address(
        &self,
        name: &ForeignName,
        address: &str,
        now: Timestamp,
    ) -> Result<ByAddress>;
    /// Links an identity to an active account that has none at that issuer, as its owner wants. `false` if not so, or
    /// if the identity is linked already.
    async fn link_own_identity(&self, name: &ForeignName, account: AccountId, now: Timestamp)
    -> Result<bool>;
    /// Takes what an account has at an issuer away from it, and the groups from there, as its owner wants; the sessions
    /// that this provider began end, except one. `false` if there is nothing, or if the other way in is not there.
    async fn unlink_own_identity(
        &self,
        issuer: &str,
        account: AccountId,
        other: OtherWay<'_>,
        provider: &str,
        keep: SessionId,
        now: Timestamp,
    ) -> Result<bool>;
    /// Links an identity to an account; one that waited for its first sign-in is active from then on, and its invitations
    /// are withdrawn. `false` if the
    /// identity is linked already or there is no such account.
    async fn link_identity(&self, name: &ForeignName, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Takes a link away, and the groups from there; sessions of the account that a provider began end. `false` if there
    /// is none.
    async fn unlink_identity(&self, name: &ForeignName, now: Timestamp) -> Result<bool>;
    /// Makes an active account without a password, and its link.
    async fn add_linked_account(
        &self,
        name: &ForeignName,
        account: &NewAccount,
        now: Timestamp,
    ) -> Result<LinkedAccount>;
}
