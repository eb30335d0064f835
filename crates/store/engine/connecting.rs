//! The `connecting` table.

use async_trait::async_trait;
use model::id::Id as _;
use model::{ServerName, Timestamp};
use store::{Connecting, NewConnecting, Result, TakenConnecting};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id};

#[async_trait]
impl Connecting for Engine {
    async fn begin_connecting(&self, connecting: &NewConnecting) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO connecting (state, browser, connector, session_id, approved, found, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            connecting.state.as_slice(),
            connecting.browser.as_slice(),
            connecting.connector.as_str(),
            connecting.session.uuid(),
            connecting.approved.as_deref(),
            connecting.found.as_deref(),
            connecting.expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn take_connecting(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        connector: &ServerName,
        now: Timestamp,
    ) -> Result<Option<TakenConnecting>> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query!(
            r#"DELETE FROM connecting WHERE state = $1 AND browser = $2 AND connector = $3 AND expires_at > $4
               RETURNING session_id AS "session_id!: Uuid", approved, found"#,
            state.as_slice(),
            browser.as_slice(),
            connector.as_str(),
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        if taken.is_none() {
            tx.give_up().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(taken.map(|row| TakenConnecting {
            session: id(row.session_id),
            approved: row.approved,
            found: row.found,
        }))
    }
}
