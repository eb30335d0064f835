//! The `connections` table.

use async_trait::async_trait;
use model::id::Id as _;
use model::{AccountId, Change, EventId, ServerName, Timestamp};
use store::{Connection, ConnectionUse, Connections, LastUse, NewConnection, Renewed, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

/// A row, as the queries of both engines give it.
struct Row {
    account_id: Uuid,
    connector: String,
    kind: String,
    sealed: Vec<u8>,
    version: Uuid,
    upstream_id: String,
    upstream_name: Option<String>,
    expires_at: Option<i64>,
    renew_at: Option<i64>,
    created_at: i64,
    ended_at: Option<i64>,
    ended_because: Option<String>,
    last_used_at: Option<i64>,
    last_client: Option<String>,
    last_server: Option<String>,
    last_tool: Option<String>,
}

impl Row {
    fn read(self) -> Result<Connection> {
        let ended = self.ended_at.map(Timestamp::from_millis);
        Ok(Connection {
            account: id(self.account_id),
            connector: parse("connections.connector", &self.connector)?,
            kind: parse("connections.kind", &self.kind)?,
            sealed: self.sealed,
            version: id(self.version),
            upstream_id: self.upstream_id,
            upstream_name: self.upstream_name,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            renew_at: self.renew_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            ended: ended.map(|at| (at, self.ended_because.unwrap_or_default())),
            last_use: self.last_used_at.map(|at| LastUse {
                at: Timestamp::from_millis(at),
                client: self.last_client,
                server: self.last_server,
                tool: self.last_tool,
            }),
        })
    }
}

#[async_trait]
impl Connections for Engine {
    async fn connection(&self, account: AccountId, connector: &ServerName) -> Result<Option<Connection>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT account_id AS "account_id: Uuid", connector, kind, sealed, version AS "version: Uuid", upstream_id,
                      upstream_name, expires_at, renew_at, created_at, ended_at, ended_because, last_used_at, last_client, last_server, last_tool
               FROM connections WHERE account_id = $1 AND connector = $2"#,
            account.uuid(),
            connector.as_str()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(Row::read).transpose()
    }

    async fn connections_of(&self, account: AccountId) -> Result<Vec<Connection>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT account_id AS "account_id: Uuid", connector, kind, sealed, version AS "version: Uuid", upstream_id,
                      upstream_name, expires_at, renew_at, created_at, ended_at, ended_because, last_used_at, last_client, last_server, last_tool
               FROM connections WHERE account_id = $1 ORDER BY connector"#,
            account.uuid()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(Row::read).collect()
    }

    async fn connections(&self) -> Result<Vec<Connection>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT account_id AS "account_id: Uuid", connector, kind, sealed, version AS "version: Uuid", upstream_id,
                      upstream_name, expires_at, renew_at, created_at, ended_at, ended_because, last_used_at, last_client, last_server, last_tool
               FROM connections ORDER BY connector, account_id"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(Row::read).collect()
    }

    async fn connect(&self, connection: &NewConnection, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let made = sqlx::query!(
            "INSERT INTO connections (account_id, connector, kind, sealed, version, upstream_id, upstream_name, created_at,
                                      expires_at, renew_at)
             SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM accounts WHERE id = $1 AND status = 'active'
             ON CONFLICT (account_id, connector) DO UPDATE
             SET kind = excluded.kind, sealed = excluded.sealed, version = excluded.version,
                 upstream_id = excluded.upstream_id, upstream_name = excluded.upstream_name,
                 created_at = excluded.created_at, expires_at = excluded.expires_at, renew_at = excluded.renew_at,
                 ended_at = NULL, ended_because = NULL, renewing = NULL, renewing_until = NULL",
            connection.account.uuid(),
            connection.connector.as_str(),
            connection.kind.as_str(),
            connection.sealed,
            connection.version.uuid(),
            connection.upstream_id,
            connection.upstream_name,
            now.as_millis(),
            connection.expires_at.map(Timestamp::as_millis),
            connection.renew_at.map(Timestamp::as_millis)
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if made.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(changed(connection.account, &connection.connector), now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn end_connection(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        because: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query!(
            "UPDATE connections SET ended_at = $4, ended_because = $5
             WHERE account_id = $1 AND connector = $2 AND version = $3 AND ended_at IS NULL",
            account.uuid(),
            connector.as_str(),
            version.uuid(),
            now.as_millis(),
            because
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if ended.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(changed(account, connector), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn claim_renewal(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let claimed = sqlx::query!(
            "UPDATE connections SET renewing = $4, renewing_until = $5
             WHERE account_id = $1 AND connector = $2 AND version = $3 AND ended_at IS NULL
                   AND (renewing_until IS NULL OR renewing_until <= $6)",
            account.uuid(),
            connector.as_str(),
            version.uuid(),
            holder.uuid(),
            until.as_millis(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn finish_renewal(&self, renewed: &Renewed, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let finished = sqlx::query!(
            "UPDATE connections SET sealed = $5, version = $6, expires_at = $7, renew_at = $8, renewing = NULL,
                    renewing_until = NULL
             WHERE account_id = $1 AND connector = $2 AND version = $3 AND renewing = $4 AND ended_at IS NULL",
            renewed.account.uuid(),
            renewed.connector.as_str(),
            renewed.before.uuid(),
            renewed.holder.uuid(),
            renewed.sealed,
            renewed.version.uuid(),
            renewed.expires_at.map(Timestamp::as_millis),
            renewed.renew_at.map(Timestamp::as_millis)
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if finished.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(changed(renewed.account, &renewed.connector), now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn give_up_renewal(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        holder: EventId,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE connections SET renewing = NULL, renewing_until = NULL
             WHERE account_id = $1 AND connector = $2 AND version = $3 AND renewing = $4",
            account.uuid(),
            connector.as_str(),
            version.uuid(),
            holder.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn disconnect(&self, account: AccountId, connector: &ServerName, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query!(
            "DELETE FROM connections WHERE account_id = $1 AND connector = $2",
            account.uuid(),
            connector.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if gone.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(changed(account, connector), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn reseal_connection(
        &self,
        account: AccountId,
        connector: &ServerName,
        before: &[u8],
        after: &[u8],
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE connections SET sealed = $4 WHERE account_id = $1 AND connector = $2 AND sealed = $3",
            account.uuid(),
            connector.as_str(),
            before,
            after
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(resealed.rows_affected() == 1)
    }

    async fn touch_connections(&self, uses: &[ConnectionUse]) -> Result<()> {
        let mut tx = self.begin().await?;
        for used in uses {
            sqlx::query!(
                "UPDATE connections SET last_used_at = $3, last_client = $4, last_server = $5, last_tool = $6
                 WHERE account_id = $1 AND connector = $2 AND (last_used_at IS NULL OR last_used_at <= $3)",
                used.account.uuid(),
                used.connector.as_str(),
                used.last.at.as_millis(),
                used.last.client,
                used.last.server,
                used.last.tool
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await
    }
}

fn changed(account: AccountId, connector: &ServerName) -> Change {
    Change::ConnectionChanged {
        account,
        connector: connector.clone(),
    }
}
