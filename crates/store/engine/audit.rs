//! The `audit_blocks` table.

use async_trait::async_trait;
use model::Timestamp;
use store::{AuditBlock, AuditBlocks, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{digest, failed};

struct Row {
    chain: Uuid,
    number: i64,
    first_at: i64,
    last_at: i64,
    events: i64,
    previous: Vec<u8>,
    hash: Vec<u8>,
    body: String,
    personal: String,
}

impl TryFrom<Row> for AuditBlock {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            chain: row.chain,
            number: row.number,
            first_at: Timestamp::from_millis(row.first_at),
            last_at: Timestamp::from_millis(row.last_at),
            events: row.events,
            previous: digest("audit_blocks.previous", row.previous)?,
            hash: digest("audit_blocks.hash", row.hash)?,
            body: row.body,
            personal: row.personal,
        })
    }
}

#[async_trait]
impl AuditBlocks for Engine {
    async fn append_audit_block(&self, block: &AuditBlock) -> Result<bool> {
        let mut tx = self.begin().await?;
        let appended = sqlx::query!(
            "INSERT INTO audit_blocks (chain, number, first_at, last_at, events, previous, hash, body, personal)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (chain, number) DO NOTHING",
            block.chain,
            block.number,
            block.first_at.as_millis(),
            block.last_at.as_millis(),
            block.events,
            block.previous.as_slice(),
            block.hash.as_slice(),
            block.body,
            block.personal
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(appended.rows_affected() == 1)
    }

    async fn last_audit_block(&self, chain: Uuid) -> Result<Option<AuditBlock>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, previous, hash, body, personal
               FROM audit_blocks WHERE chain = $1 ORDER BY number DESC LIMIT 1"#,
            chain
        )
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn audit_blocks(&self, before: Timestamp, limit: i64) -> Result<Vec<AuditBlock>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, previous, hash, body, personal
               FROM audit_blocks WHERE last_at < $1 ORDER BY last_at DESC, number DESC LIMIT $2"#,
            before.as_millis(),
            limit
        )
        .fetch_all(self.reader())
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}
