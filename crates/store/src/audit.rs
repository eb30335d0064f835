//! Blocks of the audit record; the format is the `audit` crate's business.

use async_trait::async_trait;
use model::Timestamp;
use uuid::Uuid;

use crate::error::Result;

/// A block: some events that were written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBlock {
    /// The chain of one writing replica.
    pub chain: Uuid,
    /// Its place in the chain, from 0.
    pub number: i64,
    /// When its first event was.
    pub first_at: Timestamp,
    /// When its last event was.
    pub last_at: Timestamp,
    /// How many events it holds.
    pub events: i64,
    /// Hash of the block before.
    pub previous: [u8; 32],
    /// Hash of this block.
    pub hash: [u8; 32],
    /// The events, one JSON object a line.
    pub body: String,
    /// What of them is about people, one JSON object a line; erased apart.
    pub personal: String,
}

/// The `audit_blocks` table.
#[async_trait]
pub trait AuditBlocks {
    /// Appends a block. `false` if its place in the chain is taken.
    async fn append_audit_block(&self, block: &AuditBlock) -> Result<bool>;
    /// The last block of a chain.
    async fn last_audit_block(&self, chain: Uuid) -> Result<Option<AuditBlock>>;
    /// Blocks with events before `before`, latest first.
    async fn audit_blocks(&self, before: Timestamp, limit: i64) -> Result<Vec<AuditBlock>>;
}
