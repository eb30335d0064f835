//! The `old_token_uses` table.

use async_trait::async_trait;
use model::Timestamp;
use model::id::Id;
use store::{OldTokenUses, OldTokens, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

#[async_trait]
impl OldTokens for Engine {
    async fn add_old_token_uses(&self, uses: &[OldTokenUses]) -> Result<()> {
        let mut tx = self.begin().await?;
        for one in uses {
            sqlx::query!(
                "INSERT INTO old_token_uses (server, account_id, token, place, user_agent, first_at, last_at, uses)
                 SELECT CAST($1 AS TEXT), accounts.id, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT),
                        CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT)
                 FROM accounts WHERE accounts.id = $2
                 ON CONFLICT (server, account_id, token, place) DO UPDATE
                 SET user_agent = excluded.user_agent, last_at = excluded.last_at,
                     uses = old_token_uses.uses + excluded.uses",
                one.server.as_str(),
                one.account.uuid(),
                one.token,
                one.place,
                one.user_agent,
                one.first_at.as_millis(),
                one.last_at.as_millis(),
                one.uses
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await
    }

    async fn old_token_uses(&self) -> Result<Vec<OldTokenUses>> {
        let rows = sqlx::query!(
            r#"SELECT server, account_id AS "account_id: Uuid", token, place, user_agent, first_at, last_at, uses
               FROM old_token_uses ORDER BY last_at DESC, server, place"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(OldTokenUses {
                    server: parse("old_token_uses.server", &row.server)?,
                    account: id(row.account_id),
                    token: row.token,
                    place: row.place,
                    user_agent: row.user_agent,
                    first_at: Timestamp::from_millis(row.first_at),
                    last_at: Timestamp::from_millis(row.last_at),
                    uses: row.uses,
                })
            })
            .collect()
    }
}
