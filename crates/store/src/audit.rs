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
    /// How many signed events its chain has before it.
    pub sequence: i64,
    /// How many events there may be, at most, that come after it and were never written, should it stay the last.
    pub reserved: i64,
    /// Hash of the block before.
    pub previous: [u8; 32],
    /// Hash of this block.
    pub hash: [u8; 32],
    /// Who signed the hash; blocks of the first format are not signed.
    pub signature: Option<AuditSignature>,
    /// The events, one JSON object a line.
    pub body: String,
    /// What of them is about people, one JSON object a line; erased apart.
    pub personal: String,
}

/// The signature of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSignature {
    /// The key that made it.
    pub kid: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A chain, as far as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// Which.
    pub chain: Uuid,
    /// Number of its first block.
    pub first: i64,
    /// Number of its last block.
    pub last: i64,
}

/// Where reading backwards in time goes on; blocks before it come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCursor {
    /// When the last event of the block was.
    pub last_at: Timestamp,
    /// Its chain.
    pub chain: Uuid,
    /// Its number.
    pub number: i64,
}

impl AuditCursor {
    /// Before everything that ended before `time`.
    pub fn before(time: Timestamp) -> Self {
        Self {
            last_at: time,
            chain: Uuid::nil(),
            number: 0,
        }
    }
}

/// The key that signs blocks, as it lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKeyRecord {
    /// Its name.
    pub kid: String,
    /// The private key, sealed.
    pub private: Vec<u8>,
    /// The public key as a JWK.
    pub public: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The `audit_blocks` table.
#[async_trait]
pub trait AuditBlocks {
    /// Appends a block. `false` if its place in the chain is taken.
    async fn append_audit_block(&self, block: &AuditBlock) -> Result<bool>;
    /// One block.
    async fn audit_block(&self, chain: Uuid, number: i64) -> Result<Option<AuditBlock>>;
    /// The last block of a chain.
    async fn last_audit_block(&self, chain: Uuid) -> Result<Option<AuditBlock>>;
    /// Blocks before `cursor`, latest first.
    async fn audit_blocks(&self, cursor: AuditCursor, limit: i64) -> Result<Vec<AuditBlock>>;
    /// Blocks of one chain from `first` to `last`, in order.
    async fn audit_chain_blocks(
        &self,
        chain: Uuid,
        first: i64,
        last: i64,
        limit: i64,
    ) -> Result<Vec<AuditBlock>>;
    /// All chains, as they were at one moment.
    async fn audit_chains(&self) -> Result<Vec<AuditChain>>;
    /// The first block of a chain whose last event was after `time`.
    async fn first_audit_block_after(&self, chain: Uuid, time: Timestamp) -> Result<Option<i64>>;
    /// Deletes the blocks of a chain up to and with `through`. Gives how many there were.
    async fn delete_audit_blocks(&self, chain: Uuid, through: i64) -> Result<u64>;
    /// Replaces what a block says about people. `false` if it no longer is `before`.
    async fn replace_audit_personal(
        &self,
        chain: Uuid,
        number: i64,
        before: &str,
        after: &str,
    ) -> Result<bool>;
}

/// The `audit_key` table, which has one row at most.
#[async_trait]
pub trait AuditKeys {
    /// The key.
    async fn audit_key(&self) -> Result<Option<AuditKeyRecord>>;
    /// Keeps a new key. `false` if there is one.
    async fn add_audit_key(&self, key: &AuditKeyRecord) -> Result<bool>;
    /// Replaces the sealed form, after the master key was rotated.
    async fn reseal_audit_key(&self, kid: &str, before: &[u8], after: &[u8]) -> Result<bool>;
    /// Deletes the key. `false` if there was none.
    async fn remove_audit_key(&self) -> Result<bool>;
}
