//! The `refresh_tokens` table.
//!
//! A token is rotated when the next of its chain is there: one row, which only one can add (`UNIQUE (grant_id,
//! generation)`), so a rotation is a single statement.

use async_trait::async_trait;
use model::id::Id;
use model::{GrantId, Timestamp, TokenDigest};
use store::{AccountView, Grant, NewRefreshToken, RefreshToken, RefreshTokens, Result, Rotation};
use uuid::Uuid;

use crate::accounts::ViewRow;
use crate::db::{Engine, Tx};
use crate::rows::{digest, failed};

/// Begins a chain within a transaction.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    grant: GrantId,
    token: &NewRefreshToken,
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO refresh_tokens (digest, grant_id, generation, created_at, expires_at) VALUES ($1, $2, 0, $3, $4)",
        token.digest.as_bytes(),
        grant.uuid(),
        now.as_millis(),
        token.expires_at.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl RefreshTokens for Engine {
    async fn refresh_token(
        &self,
        digest: &TokenDigest,
    ) -> Result<Option<(RefreshToken, Grant, AccountView)>> {
        let row = sqlx::query!(
            r#"SELECT grants.id AS "id: Uuid", account_id AS "account_id: Uuid", client_id,
                      session_id AS "session_id: Uuid", server, resource, scopes, redirect_host, nonce, auth_time,
                      grants.created_at, last_used_at, grants.expires_at, repeats, replaced_at, ended_at,
                      ended_because, widened, acr, amr, token.generation, token.expires_at AS token_expires_at, token.used_at,
                      next.created_at AS "rotated_at?", next.sealed AS "link?",
                      username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", grants_end_before,
                      (SELECT string_agg(group_name, $2 ORDER BY group_name) FROM
                           (SELECT group_name FROM memberships WHERE account_id = accounts.id
                            UNION SELECT group_name FROM provided_groups WHERE account_id = accounts.id) AS of_both)
                          AS "groups: String"
               FROM refresh_tokens AS token JOIN grants ON grants.id = token.grant_id
                    JOIN accounts ON accounts.id = account_id
                    LEFT JOIN refresh_tokens AS next
                         ON next.grant_id = token.grant_id AND next.generation = token.generation + 1
               WHERE token.digest = $1"#,
            digest.as_bytes(),
            "\n"
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let account = ViewRow {
            id: row.account_id,
            username: row.username,
            display_name: row.display_name,
            email: row.email,
            email_verified: row.email_verified,
            status: row.status,
            administrator: row.administrator,
            grants_end_before: row.grants_end_before,
            groups: row.groups,
        };
        let grant: Grant = crate::grants::Row {
            id: row.id,
            account_id: row.account_id,
            client_id: row.client_id,
            session_id: row.session_id,
            server: row.server,
            resource: row.resource,
            scopes: row.scopes,
            redirect_host: row.redirect_host,
            nonce: row.nonce,
            auth_time: row.auth_time,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            repeats: row.repeats,
            replaced_at: row.replaced_at,
            ended_at: row.ended_at,
            ended_because: row.ended_because,
            widened: row.widened,
            acr: row.acr,
            amr: row.amr,
        }
        .try_into()?;
        let token = RefreshToken {
            digest: *digest,
            grant: grant.id,
            generation: row.generation,
            expires_at: Timestamp::from_millis(row.token_expires_at),
            rotated_at: row.rotated_at.map(Timestamp::from_millis),
            used_at: row.used_at.map(Timestamp::from_millis),
            link: row.link,
        };
        Ok(Some((token, grant, account.try_into()?)))
    }

    async fn refresh_token_at(&self, grant: GrantId, generation: i64) -> Result<Option<RefreshToken>> {
        let row = sqlx::query!(
            r#"SELECT token.digest, token.expires_at, token.used_at, next.created_at AS "rotated_at?",
                      next.sealed AS "link?"
               FROM refresh_tokens AS token LEFT JOIN refresh_tokens AS next
                    ON next.grant_id = token.grant_id AND next.generation = token.generation + 1
               WHERE token.grant_id = $1 AND token.generation = $2"#,
            grant.uuid(),
            generation
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(RefreshToken {
            digest: TokenDigest(digest("refresh_tokens.digest", row.digest)?),
            grant,
            generation,
            expires_at: Timestamp::from_millis(row.expires_at),
            rotated_at: row.rotated_at.map(Timestamp::from_millis),
            used_at: row.used_at.map(Timestamp::from_millis),
            link: row.link,
        }))
    }

    async fn rotate(
        &self,
        head: &RefreshToken,
        successor: &NewRefreshToken,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Rotation> {
        let mut tx = self.single().await?;
        let rotated = sqlx::query!(
            "INSERT INTO refresh_tokens (digest, grant_id, generation, created_at, expires_at, sealed)
             SELECT $1, head.grant_id, head.generation + 1, $2, $3, $4
             FROM refresh_tokens AS head JOIN grants ON grants.id = head.grant_id
             WHERE head.digest = $5 AND head.expires_at > $2 AND ended_at IS NULL AND grants.expires_at > $2
                   AND NOT EXISTS (SELECT 1 FROM refresh_tokens AS later
                                   WHERE later.grant_id = head.grant_id AND later.generation > head.generation)
             ON CONFLICT (grant_id, generation) DO NOTHING",
            successor.digest.as_bytes(),
            now.as_millis(),
            successor.expires_at.as_millis(),
            sealed,
            head.digest.as_bytes()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if rotated.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(Rotation::Lost);
        }
        tx.commit().await?;
        Ok(Rotation::Rotated)
    }

    async fn count_repeat(&self, grant: GrantId) -> Result<i64> {
        let mut tx = self.begin().await?;
        let repeats = sqlx::query_scalar!(
            r#"UPDATE grants SET repeats = repeats + 1 WHERE id = $1 RETURNING repeats AS "repeats!""#,
            grant.uuid()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(repeats.unwrap_or(0))
    }

    async fn mark_used(&self, uses: &[(GrantId, i64)], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        for (grant, generation) in uses {
            sqlx::query!(
                "UPDATE refresh_tokens SET used_at = $3 WHERE grant_id = $1 AND generation = $2 AND used_at IS NULL",
                grant.uuid(),
                *generation,
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await
    }
}
