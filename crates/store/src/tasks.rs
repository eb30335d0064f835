//! Whose a task is: results that a server keeps for later, under an id that names nobody (TP-113, TP-114).

use async_trait::async_trait;
use model::{AccountId, ServerName, Timestamp};

use crate::error::Result;

/// A task and who may ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The server that made it.
    pub server: ServerName,
    /// SHA-256 of its id.
    pub digest: [u8; 32],
    /// Whose it is; nobody's if a server answered two people with its id.
    pub account: Option<AccountId>,
    /// The tool whose call began it; none if nobody can tell.
    pub tool: Option<String>,
    /// What the rules read of that call's arguments; none if nothing, or if nobody can tell.
    pub arguments: Option<String>,
    /// When it was seen first.
    pub created_at: Timestamp,
    /// Until when it is known whose it is.
    pub expires_at: Timestamp,
}

/// The `tasks` table.
#[async_trait]
pub trait Tasks {
    /// Writes down whose a task is, and says whose it is then. While one that has the same id lives, nobody can tell any
    /// more what differs between them: whose it is, the tool, or the arguments. A new one without a tool says nothing of it.
    async fn bind_task(&self, task: &Task) -> Result<Task>;
    /// Whose a task is at this moment.
    async fn task(&self, server: &ServerName, digest: &[u8; 32], now: Timestamp) -> Result<Option<Task>>;
    /// The tasks of one person at a server, newest first; at most `most`.
    async fn tasks_of(
        &self,
        server: &ServerName,
        account: AccountId,
        most: u16,
        now: Timestamp,
    ) -> Result<Vec<Task>>;
}
