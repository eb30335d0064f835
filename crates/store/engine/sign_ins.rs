//! The `sign_ins` table.

use std::time::Duration;

use async_trait::async_trait;
use model::Timestamp;
use store::{NewSignIn, Result, SignIns, UnderWay};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id};

#[async_trait]
impl SignIns for Engine {
    async fn begin_sign_in(&self, sign_in: &NewSignIn) -> Result<()> {
        let mut tx = self.begin().await?;
        let kept = &sign_in.kept;
        let max_age = kept
            .max_age
            .map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        sqlx::query!(
            "INSERT INTO sign_ins (state, browser, provider, onward, query, session_id, max_age, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            sign_in.state.as_slice(),
            sign_in.browser.as_slice(),
            sign_in.provider,
            kept.onward,
            kept.query,
            kept.session.map(model::id::Id::uuid),
            max_age,
            kept.begun_at.as_millis(),
            sign_in.expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn take_sign_in(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        provider: &str,
        now: Timestamp,
    ) -> Result<Option<UnderWay>> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query!(
            r#"DELETE FROM sign_ins WHERE state = $1 AND browser = $2 AND provider = $3 AND expires_at > $4
               RETURNING onward AS "onward!", query AS "query!", session_id AS "session_id: Uuid", max_age,
                         created_at AS "created_at!""#,
            state.as_slice(),
            browser.as_slice(),
            provider,
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(row) = taken else {
            tx.give_up().await?;
            return Ok(None);
        };
        tx.commit().await?;
        Ok(Some(UnderWay {
            onward: row.onward,
            query: row.query,
            session: row.session_id.map(id),
            max_age: row
                .max_age
                .map(|age| Duration::from_secs(u64::try_from(age).unwrap_or(0))),
            begun_at: Timestamp::from_millis(row.created_at),
        }))
    }
}
