//! The `transactions` table.

use async_trait::async_trait;
use model::id::Id;
use model::{SessionId, Timestamp, TransactionId};
use store::{Code, Decision, NewTransaction, Result, Transaction, Transactions};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

struct Row {
    id: Uuid,
    session_id: Uuid,
    account_id: Uuid,
    client_id: String,
    request: String,
    expires_at: i64,
    decided_at: Option<i64>,
    outcome: Option<Vec<u8>>,
}

impl TryFrom<Row> for Transaction {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: id(row.id),
            session: id(row.session_id),
            account: id(row.account_id),
            client: parse("transactions.client_id", &row.client_id)?,
            request: row.request,
            expires_at: Timestamp::from_millis(row.expires_at),
            decided_at: row.decided_at.map(Timestamp::from_millis),
            outcome: row.outcome,
        })
    }
}

#[async_trait]
impl Transactions for Engine {
    async fn begin_transaction(
        &self,
        transaction: &NewTransaction,
        renew_before: Timestamp,
        now: Timestamp,
    ) -> Result<Transaction> {
        let mut tx = self.begin().await?;
        // A waiting one stays as it is, so that a form that was loaded earlier still fits; its request is
        // renewed, because the configuration may have changed.
        sqlx::query!(
            "INSERT INTO transactions (id, session_id, query_digest, account_id, client_id, request, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (session_id, query_digest) DO UPDATE SET
                 request = excluded.request,
                 id = CASE WHEN transactions.decided_at <= $9 OR transactions.expires_at <= $7
                      THEN excluded.id ELSE transactions.id END,
                 created_at = CASE WHEN transactions.decided_at <= $9 OR transactions.expires_at <= $7
                      THEN excluded.created_at ELSE transactions.created_at END,
                 expires_at = CASE WHEN transactions.decided_at <= $9 OR transactions.expires_at <= $7
                      THEN excluded.expires_at ELSE transactions.expires_at END,
                 outcome = CASE WHEN transactions.decided_at <= $9 OR transactions.expires_at <= $7
                      THEN NULL ELSE transactions.outcome END,
                 decided_at = CASE WHEN transactions.decided_at <= $9 OR transactions.expires_at <= $7
                      THEN NULL ELSE transactions.decided_at END",
            transaction.id.uuid(),
            transaction.session.uuid(),
            transaction.query_digest.as_slice(),
            transaction.account.uuid(),
            transaction.client.as_str(),
            transaction.request,
            now.as_millis(),
            transaction.expires_at.as_millis(),
            renew_before.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", session_id AS "session_id: Uuid", account_id AS "account_id: Uuid", client_id,
                      request, expires_at, decided_at, outcome
               FROM transactions WHERE session_id = $1 AND query_digest = $2"#,
            transaction.session.uuid(),
            transaction.query_digest.as_slice()
        )
        .fetch_one(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        row.try_into()
    }

    async fn transaction(&self, id: TransactionId, session: SessionId) -> Result<Option<Transaction>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", session_id AS "session_id: Uuid", account_id AS "account_id: Uuid", client_id,
                      request, expires_at, decided_at, outcome
               FROM transactions WHERE id = $1 AND session_id = $2"#,
            id.uuid(),
            session.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn decide(&self, id: TransactionId, decision: &Decision, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let decided = sqlx::query!(
            "UPDATE transactions SET decided_at = $2, outcome = $3
             WHERE id = $1 AND decided_at IS NULL AND expires_at > $2",
            id.uuid(),
            now.as_millis(),
            decision.outcome
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if decided.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        if let Some(device) = &decision.device
            && !crate::device_authorizations::decide(&mut tx, device, now).await?
        {
            tx.give_up().await?;
            return Ok(false);
        }
        if let Some(code) = &decision.code {
            crate::codes::add(&mut tx, code, now).await?;
        }
        if let Some(consent) = &decision.consent {
            crate::consents::add(&mut tx, consent, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn add_code(&self, code: &Code, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        crate::codes::add(&mut tx, code, now).await?;
        tx.commit().await
    }
}
