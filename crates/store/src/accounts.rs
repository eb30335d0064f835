//! Accounts: people who can sign in.

use async_trait::async_trait;
use model::{AccountId, AccountStatus, GroupName, SecretString, SessionId, Timestamp, Username};

use crate::error::Result;
use crate::invitations::NewInvitation;

/// An account with what only sign-in needs.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, the `sub` of tokens.
    pub id: AccountId,
    /// What the person types.
    pub username: Username,
    /// What others read.
    pub display_name: String,
    /// Address.
    pub email: Option<String>,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// Where it stands.
    pub status: AccountStatus,
    /// Whether it may use the operator's commands and pages.
    pub administrator: bool,
    /// PHC string; none until the invitation was opened.
    pub password_hash: Option<SecretString>,
    /// Whether it is a program's, as which nobody can sign in.
    pub service: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

/// What a token's check needs to know of a person; kept in memory and renewed by the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// What the person types.
    pub username: Username,
    /// What others read.
    pub display_name: String,
    /// Address, with whether it was proved.
    pub email: Option<(String, bool)>,
    /// Where it stands.
    pub status: AccountStatus,
    /// Whether it may use the operator's pages.
    pub administrator: bool,
    /// Its groups, in order.
    pub groups: Vec<GroupName>,
    /// Grants made up to this moment count no longer: the account was disabled then.
    pub grants_end_before: Timestamp,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// What the person will type.
    pub username: Username,
    /// What others read.
    pub display_name: String,
    /// Address.
    pub email: Option<String>,
    /// Whether a provider says that it is theirs.
    pub email_verified: bool,
    /// Whether it may use the operator's commands and pages.
    pub administrator: bool,
    /// PHC string; none if somebody is invited to choose a password, or nobody will ever have one.
    pub password_hash: Option<SecretString>,
    /// Whether it is a program's.
    pub service: bool,
    /// Its groups, which must exist.
    pub groups: Vec<GroupName>,
}

/// The `accounts` table.
#[async_trait]
pub trait Accounts {
    /// Makes an account, active at once unless somebody is invited to open it. `false` if the username is taken.
    async fn add_account(
        &self,
        account: &NewAccount,
        invitation: Option<&NewInvitation>,
        now: Timestamp,
    ) -> Result<bool>;
    /// By id.
    async fn account(&self, id: AccountId) -> Result<Option<Account>>;
    /// By username.
    async fn account_by_username(&self, username: &Username) -> Result<Option<Account>>;
    /// All, by username.
    async fn accounts(&self) -> Result<Vec<Account>>;
    /// What a token's check needs.
    async fn account_view(&self, id: AccountId) -> Result<Option<AccountView>>;
    /// Sets the password of an active account and ends its other sessions. `false` if it is not active.
    async fn set_password(
        &self,
        id: AccountId,
        hash: &SecretString,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool>;
    /// Ends everything it has, at once and for good. `false` if it was disabled or is unknown.
    async fn disable_account(&self, id: AccountId, now: Timestamp) -> Result<bool>;
    /// Lets it sign in again; what it had stays ended. `false` if it was not disabled.
    async fn enable_account(&self, id: AccountId, now: Timestamp) -> Result<bool>;
    /// Gives or takes the operator's rights. `false` if nothing changed.
    async fn set_administrator(&self, id: AccountId, administrator: bool, now: Timestamp) -> Result<bool>;
    /// Deletes the account and all it has. `false` if it is unknown.
    async fn remove_account(&self, id: AccountId, now: Timestamp) -> Result<bool>;
}
