//! The `grants` and `revoked_tokens` tables.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Assurance, Change, GrantId, Timestamp, TokenId};
use protocol::Scopes;
use store::{EndReason, Grant, Grants, Result, RevokedTokens, Widening};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

/// A grant's columns.
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) client_id: String,
    pub(crate) session_id: Uuid,
    pub(crate) server: Option<String>,
    pub(crate) resource: String,
    pub(crate) scopes: String,
    pub(crate) redirect_host: String,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: i64,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) repeats: i64,
    pub(crate) replaced_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_because: Option<String>,
    pub(crate) widened: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Option<String>,
}

impl TryFrom<Row> for Grant {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let ended = match (row.ended_at, row.ended_because) {
            (Some(at), Some(why)) => Some((
                Timestamp::from_millis(at),
                parse::<EndReason>("grants.ended_because", &why)?,
            )),
            (Some(at), None) => Some((Timestamp::from_millis(at), EndReason::Revoked)),
            (None, _) => None,
        };
        Ok(Self {
            id: id(row.id),
            account: id(row.account_id),
            client: parse("grants.client_id", &row.client_id)?,
            session: id(row.session_id),
            server: row
                .server
                .as_deref()
                .map(|name| parse("grants.server", name))
                .transpose()?,
            resource: row.resource,
            scopes: Scopes::parse(&row.scopes),
            widened: Scopes::parse(row.widened.as_deref().unwrap_or_default()),
            redirect_host: row.redirect_host,
            nonce: row.nonce,
            auth_time: Timestamp::from_millis(row.auth_time),
            assurance: Assurance::of_acr(row.acr.as_deref()),
            amr: row.amr,
            created_at: Timestamp::from_millis(row.created_at),
            last_used_at: Timestamp::from_millis(row.last_used_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            repeats: row.repeats,
            replaced_at: row.replaced_at.map(Timestamp::from_millis),
            ended,
        })
    }
}

#[async_trait]
impl Grants for Engine {
    async fn grant(&self, id: GrantId) -> Result<Option<Grant>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", client_id, session_id AS "session_id: Uuid",
                      server, resource, scopes, redirect_host, nonce, auth_time, created_at, last_used_at, expires_at,
                      repeats, replaced_at, ended_at, ended_because, widened, acr, amr
               FROM grants WHERE id = $1"#,
            id.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn grants_of(&self, account: AccountId, now: Timestamp) -> Result<Vec<Grant>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", client_id, session_id AS "session_id: Uuid",
                      server, resource, scopes, redirect_host, nonce, auth_time, created_at, last_used_at, expires_at,
                      repeats, replaced_at, ended_at, ended_because, widened, acr, amr
               FROM grants WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2
               ORDER BY last_used_at DESC"#,
            account.uuid(),
            now.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn grants(&self, limit: i64, now: Timestamp) -> Result<Vec<Grant>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", client_id, session_id AS "session_id: Uuid",
                      server, resource, scopes, redirect_host, nonce, auth_time, created_at, last_used_at, expires_at,
                      repeats, replaced_at, ended_at, ended_because, widened, acr, amr
               FROM grants WHERE ended_at IS NULL AND expires_at > $1
               ORDER BY last_used_at DESC LIMIT $2"#,
            now.as_millis(),
            limit
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn end_grant(&self, id: GrantId, reason: EndReason, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query!(
            "UPDATE grants SET ended_at = $2, ended_because = $3 WHERE id = $1 AND ended_at IS NULL",
            id.uuid(),
            now.as_millis(),
            reason.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if ended.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::GrantEnded { grant: id, at: now }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn widen_grant(&self, grant: &Grant, added: &Scopes, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let (before, added) = (grant.scopes.to_string(), added.to_string());
        let all = sqlx::query_scalar!(
            r#"UPDATE grants SET scopes = scopes || ' ' || $3, widened = COALESCE(widened || ' ', '') || $3, widened_at = $4
               WHERE id = $1 AND scopes = $2 AND ended_at IS NULL AND expires_at > $4 RETURNING widened AS "widened!""#,
            grant.id.uuid(),
            before,
            added,
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(added) = all else {
            tx.give_up().await?;
            return Ok(false);
        };
        let change = Change::GrantWidened {
            grant: grant.id,
            added,
            at: now,
        };
        tx.change(change, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn widened_grants(&self, since: Timestamp) -> Result<Vec<(GrantId, Widening)>> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id: Uuid", widened AS "added!", widened_at AS "at!" FROM grants
               WHERE widened_at > $1 AND widened IS NOT NULL AND ended_at IS NULL"#,
            since.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let widening = |added: &str, at| Widening {
            added: Scopes::parse(added),
            at: Timestamp::from_millis(at),
        };
        Ok(rows
            .into_iter()
            .map(|row| (id(row.id), widening(&row.added, row.at)))
            .collect())
    }

    async fn touch_grants(&self, uses: &[(GrantId, Timestamp)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (grant, at) in uses {
            sqlx::query!(
                "UPDATE grants SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2",
                grant.uuid(),
                at.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await
    }

    async fn ended_grants(&self, since: Timestamp) -> Result<Vec<(GrantId, Timestamp)>> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id: Uuid", ended_at AS "at!" FROM grants WHERE ended_at > $1"#,
            since.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| (id(row.id), Timestamp::from_millis(row.at)))
            .collect())
    }
}

#[async_trait]
impl RevokedTokens for Engine {
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO revoked_tokens (id, revoked_at, expires_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            id.uuid(),
            now.as_millis(),
            expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.change(
            Change::TokenRevoked {
                token: id,
                until: expires_at,
            },
            now,
        )
        .await?;
        tx.commit().await
    }

    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(TokenId, Timestamp)>> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id: Uuid", expires_at FROM revoked_tokens WHERE expires_at > $1"#,
            now.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| (id(row.id), Timestamp::from_millis(row.expires_at)))
            .collect())
    }
}
