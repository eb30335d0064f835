//! The change log.

use std::sync::Arc;

use async_trait::async_trait;
use model::Change;

use crate::error::Result;

/// Somebody who must know of changes before the answer is sent; must be quick and must not block.
pub type Listener = Arc<dyn Fn(&Change) + Send + Sync>;

/// The `changes` table.
#[async_trait]
pub trait Changes {
    /// Tells `listener` of every change, those of other replicas within a second of their making.
    fn listen(&self, listener: Listener);
    /// Brings in what other replicas changed since the last call; on an engine with one writer there is
    /// nothing to bring. Gives how many there were.
    async fn follow_changes(&self) -> Result<usize>;
    /// Waits until another replica says that it changed something; may also return without cause.
    async fn await_change(&self);
    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;
}
