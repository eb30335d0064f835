//! The `service_tokens` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, ServiceTokenId, Timestamp, TokenDigest};
use protocol::Scopes;
use store::{NewServiceToken, Result, ServiceToken, ServiceTokens};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id, parse};

struct Row {
    id: Uuid,
    account_id: Uuid,
    name: String,
    servers: String,
    scopes: String,
    created_at: i64,
    created_by: String,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for ServiceToken {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let servers = row.servers.split_ascii_whitespace();
        Ok(Self {
            id: id(row.id),
            account: id(row.account_id),
            name: row.name,
            servers: servers
                .map(|name| parse("service_tokens.servers", name))
                .collect::<Result<_>>()?,
            scopes: Scopes::parse(&row.scopes),
            created_at: Timestamp::from_millis(row.created_at),
            created_by: row.created_by,
            expires_at: Timestamp::from_millis(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        })
    }
}

/// Revokes all of an account within a transaction. Nobody is told: that they stop counting follows from
/// `grants_end_before`.
pub(crate) async fn end_all(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE service_tokens SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL",
        account.uuid(),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl ServiceTokens for Engine {
    async fn add_service_token(&self, token: &NewServiceToken, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Takes the account's row, so that a disabling at the same moment comes before or after, not between.
        let usable = sqlx::query!(
            "UPDATE accounts SET updated_at = $2 WHERE id = $1 AND status = 'active'",
            token.account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if usable.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        let servers: Vec<_> = token.servers.iter().map(AsRef::<str>::as_ref).collect();
        sqlx::query!(
            "INSERT INTO service_tokens (id, digest, account_id, name, servers, scopes, created_at, created_by,
                                         expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            token.id.uuid(),
            token.digest.as_bytes(),
            token.account.uuid(),
            token.name,
            servers.join(" "),
            token.scopes.to_string(),
            now.as_millis(),
            token.created_by,
            token.expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(true)
    }

    async fn service_token_by_digest(&self, digest: &TokenDigest) -> Result<Option<ServiceToken>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", name, servers, scopes, created_at, created_by,
                      expires_at, last_used_at, revoked_at
               FROM service_tokens WHERE digest = $1"#,
            digest.as_bytes()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn service_token(&self, id: ServiceTokenId) -> Result<Option<ServiceToken>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", name, servers, scopes, created_at, created_by,
                      expires_at, last_used_at, revoked_at
               FROM service_tokens WHERE id = $1"#,
            id.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn service_tokens(&self) -> Result<Vec<ServiceToken>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", name, servers, scopes, created_at, created_by,
                      expires_at, last_used_at, revoked_at
               FROM service_tokens ORDER BY created_at DESC, id DESC"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn revoke_service_token(&self, id: ServiceTokenId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let until = sqlx::query_scalar!(
            "UPDATE service_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING expires_at",
            id.uuid(),
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(until) = until.map(Timestamp::from_millis) else {
            tx.give_up().await?;
            return Ok(false);
        };
        tx.change(Change::ServiceTokenRevoked { token: id, until }, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn touch_service_tokens(&self, uses: &[(ServiceTokenId, Timestamp)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (token, at) in uses {
            sqlx::query!(
                "UPDATE service_tokens SET last_used_at = $2
                 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                token.uuid(),
                at.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await
    }
}
