//! Local groups.

use async_trait::async_trait;
use model::{AccountId, GroupName, Timestamp, Username};

use crate::error::Result;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// What it is for.
    pub description: String,
    /// How many members it has.
    pub members: i64,
}

/// A group in which a provider says that somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvidedGroup {
    /// The provider, by its issuer identifier.
    pub issuer: String,
    /// The group.
    pub group: GroupName,
}

/// What became other when a provider's groups were replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regrouped {
    /// New ones.
    pub joined: Vec<GroupName>,
    /// Those that are gone.
    pub left: Vec<GroupName>,
}

/// The `groups`, `provided_groups` and `memberships` tables.
#[async_trait]
pub trait Groups {
    /// Makes a group. `false` if it is there.
    async fn add_group(&self, name: &GroupName, description: &str, now: Timestamp) -> Result<bool>;
    /// Deletes a group and all memberships in it. `false` if it is unknown.
    async fn remove_group(&self, name: &GroupName, now: Timestamp) -> Result<bool>;
    /// All, by name.
    async fn groups(&self) -> Result<Vec<Group>>;
    /// Its members, by username, whoever says so.
    async fn members(&self, name: &GroupName) -> Result<Vec<Username>>;
    /// Puts a person into a group. `false` if they are in it, or the group is unknown.
    async fn add_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Takes a person out of a group. `false` if they are not in it.
    async fn remove_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Puts these in place of the groups that an issuer gave to somebody before, and notes that it confirmed them; unless
    /// it was asked later than `asked` already.
    async fn replace_provided_groups(
        &self,
        account: AccountId,
        issuer: &str,
        groups: &[GroupName],
        asked: Timestamp,
        now: Timestamp,
    ) -> Result<Regrouped>;
    /// Takes away what an issuer gave to somebody who may not come in any more, and the sessions that this provider began;
    /// unless it was asked later than `asked` already.
    async fn withdraw_provided_groups(
        &self,
        account: AccountId,
        issuer: &str,
        sessions_of: Option<&str>,
        asked: Timestamp,
        now: Timestamp,
    ) -> Result<Regrouped>;
    /// The groups that providers gave to somebody.
    async fn provided_groups(&self, account: AccountId) -> Result<Vec<ProvidedGroup>>;
}
