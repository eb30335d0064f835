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

/// The `groups` and `memberships` tables.
#[async_trait]
pub trait Groups {
    /// Makes a group. `false` if it is there.
    async fn add_group(&self, name: &GroupName, description: &str, now: Timestamp) -> Result<bool>;
    /// Deletes a group and all memberships in it. `false` if it is unknown.
    async fn remove_group(&self, name: &GroupName, now: Timestamp) -> Result<bool>;
    /// All, by name.
    async fn groups(&self) -> Result<Vec<Group>>;
    /// Its members, by username.
    async fn members(&self, name: &GroupName) -> Result<Vec<Username>>;
    /// Puts a person into a group. `false` if they are in it, or the group is unknown.
    async fn add_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Takes a person out of a group. `false` if they are not in it.
    async fn remove_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool>;
}
