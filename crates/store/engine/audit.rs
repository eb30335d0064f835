//! The `audit_blocks` table, and the key that signs its rows.

use async_trait::async_trait;
use model::Timestamp;
use store::{
    AuditBlock, AuditBlocks, AuditChain, AuditCursor, AuditKeyRecord, AuditKeys, AuditSignature, Result,
};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{digest, failed};

struct Row {
    chain: Uuid,
    number: i64,
    first_at: i64,
    last_at: i64,
    events: i64,
    sequence: i64,
    reserved: i64,
    previous: Vec<u8>,
    hash: Vec<u8>,
    signed_by: Option<String>,
    signature: Option<Vec<u8>>,
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
            sequence: row.sequence,
            reserved: row.reserved,
            previous: digest("audit_blocks.previous", row.previous)?,
            hash: digest("audit_blocks.hash", row.hash)?,
            signature: row
                .signed_by
                .zip(row.signature)
                .map(|(kid, bytes)| AuditSignature { kid, bytes }),
            body: row.body,
            personal: row.personal,
        })
    }
}

#[async_trait]
impl AuditBlocks for Engine {
    async fn append_audit_block(&self, block: &AuditBlock) -> Result<bool> {
        let mut tx = self.begin().await?;
        let signature = block.signature.as_ref();
        let appended = sqlx::query!(
            "INSERT INTO audit_blocks (chain, number, first_at, last_at, events, sequence, reserved, previous, hash,
                                       signed_by, signature, body, personal)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (chain, number) DO NOTHING",
            block.chain,
            block.number,
            block.first_at.as_millis(),
            block.last_at.as_millis(),
            block.events,
            block.sequence,
            block.reserved,
            block.previous.as_slice(),
            block.hash.as_slice(),
            signature.map(|signature| signature.kid.as_str()),
            signature.map(|signature| signature.bytes.as_slice()),
            block.body,
            block.personal
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(appended.rows_affected() == 1)
    }

    async fn audit_block(&self, chain: Uuid, number: i64) -> Result<Option<AuditBlock>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, sequence, reserved,
                      previous, hash, signed_by, signature, body, personal
               FROM audit_blocks WHERE chain = $1 AND number = $2"#,
            chain,
            number
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn last_audit_block(&self, chain: Uuid) -> Result<Option<AuditBlock>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, sequence, reserved,
                      previous, hash, signed_by, signature, body, personal
               FROM audit_blocks WHERE chain = $1 ORDER BY number DESC LIMIT 1"#,
            chain
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn audit_blocks(&self, cursor: AuditCursor, limit: i64) -> Result<Vec<AuditBlock>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, sequence, reserved,
                      previous, hash, signed_by, signature, body, personal
               FROM audit_blocks WHERE (last_at, chain, number) < ($1, $2, $3)
               ORDER BY last_at DESC, chain DESC, number DESC LIMIT $4"#,
            cursor.last_at.as_millis(),
            cursor.chain,
            cursor.number,
            limit
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn audit_chain_blocks(
        &self,
        chain: Uuid,
        first: i64,
        last: i64,
        limit: i64,
    ) -> Result<Vec<AuditBlock>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT chain AS "chain: Uuid", number, first_at, last_at, events, sequence, reserved,
                      previous, hash, signed_by, signature, body, personal
               FROM audit_blocks WHERE chain = $1 AND number >= $2 AND number <= $3 ORDER BY number LIMIT $4"#,
            chain,
            first,
            last,
            limit
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn audit_chains(&self) -> Result<Vec<AuditChain>> {
        // From chain to chain by the index, since one may hold millions of blocks.
        let rows = sqlx::query!(
            r#"WITH RECURSIVE chains (chain) AS (
                   SELECT (SELECT chain FROM audit_blocks ORDER BY chain LIMIT 1)
                   UNION ALL
                   SELECT (SELECT b.chain FROM audit_blocks b WHERE b.chain > chains.chain ORDER BY b.chain LIMIT 1)
                   FROM chains WHERE chains.chain IS NOT NULL)
               SELECT chains.chain AS "chain!: Uuid",
                      (SELECT MIN(b.number) FROM audit_blocks b WHERE b.chain = chains.chain) AS "first!: i64",
                      (SELECT MAX(b.number) FROM audit_blocks b WHERE b.chain = chains.chain) AS "last!: i64"
               FROM chains WHERE chains.chain IS NOT NULL"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| AuditChain {
                chain: row.chain,
                first: row.first,
                last: row.last,
            })
            .collect())
    }

    async fn first_audit_block_after(&self, chain: Uuid, time: Timestamp) -> Result<Option<i64>> {
        sqlx::query_scalar!(
            "SELECT number FROM audit_blocks WHERE chain = $1 AND last_at > $2 ORDER BY number LIMIT 1",
            chain,
            time.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)
    }

    async fn delete_audit_blocks(&self, chain: Uuid, through: i64) -> Result<u64> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query!(
            "DELETE FROM audit_blocks WHERE chain = $1 AND number <= $2",
            chain,
            through
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }

    async fn replace_audit_personal(
        &self,
        chain: Uuid,
        number: i64,
        before: &str,
        after: &str,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let replaced = sqlx::query!(
            "UPDATE audit_blocks SET personal = $4 WHERE chain = $1 AND number = $2 AND personal = $3",
            chain,
            number,
            before,
            after
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(replaced.rows_affected() == 1)
    }
}

#[async_trait]
impl AuditKeys for Engine {
    async fn audit_key(&self) -> Result<Option<AuditKeyRecord>> {
        let row = sqlx::query!("SELECT kid, private, public, created_at FROM audit_key")
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        Ok(row.map(|row| AuditKeyRecord {
            kid: row.kid,
            private: row.private,
            public: row.public,
            created_at: Timestamp::from_millis(row.created_at),
        }))
    }

    async fn add_audit_key(&self, key: &AuditKeyRecord) -> Result<bool> {
        let mut tx = self.begin().await?;
        let added = sqlx::query!(
            "INSERT INTO audit_key (place, kid, private, public, created_at) VALUES (1, $1, $2, $3, $4)
             ON CONFLICT (place) DO NOTHING",
            key.kid,
            key.private,
            key.public,
            key.created_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(added.rows_affected() == 1)
    }

    async fn reseal_audit_key(&self, kid: &str, before: &[u8], after: &[u8]) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE audit_key SET private = $3 WHERE kid = $1 AND private = $2",
            kid,
            before,
            after
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(resealed.rows_affected() == 1)
    }

    async fn remove_audit_key(&self) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!("DELETE FROM audit_key")
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(removed.rows_affected() > 0)
    }
}
