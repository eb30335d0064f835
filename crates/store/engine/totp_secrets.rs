//! The `totp_secrets` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, SessionId, Timestamp};
use store::{Result, TotpSecret, TotpSecrets};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id};

struct Row {
    account_id: Uuid,
    sealed: Vec<u8>,
    last_step: i64,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl From<Row> for TotpSecret {
    fn from(row: Row) -> Self {
        Self {
            account: id(row.account_id),
            sealed: row.sealed,
            last_step: row.last_step,
            created_at: Timestamp::from_millis(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
        }
    }
}

#[async_trait]
impl TotpSecrets for Engine {
    async fn add_totp(&self, secret: &TotpSecret, session: SessionId) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Changes of an account's factors come one after the other: each looks at what the others left.
        tx.serialize().await?;
        let added = sqlx::query!(
            "INSERT INTO totp_secrets (account_id, sealed, last_step, created_at)
             SELECT id, $2, $3, $4 FROM accounts WHERE id = $1 AND status = 'active'
                    AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = $5 AND account_id = $1 AND ended_at IS NULL)
             ON CONFLICT (account_id) DO NOTHING",
            secret.account.uuid(),
            secret.sealed,
            secret.last_step,
            secret.created_at.as_millis(),
            session.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::sessions::end_all(&mut tx, secret.account, Some(session), secret.created_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn totp_of(&self, account: AccountId) -> Result<Option<TotpSecret>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT account_id AS "account_id: Uuid", sealed, last_step, created_at, last_used_at
               FROM totp_secrets WHERE account_id = $1"#,
            account.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(Into::into))
    }

    async fn use_totp(
        &self,
        account: AccountId,
        created_at: Timestamp,
        step: i64,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let used = sqlx::query!(
            "UPDATE totp_secrets SET last_step = $3, last_used_at = $4
             WHERE account_id = $1 AND created_at = $2 AND last_step < $3",
            account.uuid(),
            created_at.as_millis(),
            step,
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(used.rows_affected() == 1)
    }

    async fn remove_totp(&self, account: AccountId, session: SessionId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Changes of an account's factors come one after the other: each looks at what the others left.
        tx.serialize().await?;
        let removed = sqlx::query!("DELETE FROM totp_secrets WHERE account_id = $1", account.uuid())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        if removed.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::factors::lost_one(&mut tx, account, Some(session), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn totp_secrets(&self) -> Result<Vec<TotpSecret>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT account_id AS "account_id: Uuid", sealed, last_step, created_at, last_used_at FROM totp_secrets"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn reseal_totp(&self, account: AccountId, before: &[u8], after: &[u8]) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE totp_secrets SET sealed = $3 WHERE account_id = $1 AND sealed = $2",
            account.uuid(),
            before,
            after
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(resealed.rows_affected() == 1)
    }
}
