//! The `upstream_clients` table.

use async_trait::async_trait;
use model::id::Id;
use model::{EventId, Timestamp};
use store::{Result, UpstreamClient, UpstreamClients, UpstreamPlace};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

#[async_trait]
impl UpstreamClients for Engine {
    async fn upstream_client(&self, place: &UpstreamPlace) -> Result<Option<UpstreamClient>> {
        let row = sqlx::query!(
            r#"SELECT version AS "version: Uuid", client_id AS "client_id!", sealed AS "sealed!", expires_at
               FROM upstream_clients
               WHERE connector = $1 AND issuer = $2 AND redirect_uri = $3 AND client_id IS NOT NULL
                     AND sealed IS NOT NULL"#,
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(|row| UpstreamClient {
            version: id(row.version),
            client_id: row.client_id,
            sealed: row.sealed,
            expires_at: row.expires_at.map(Timestamp::from_millis),
        }))
    }

    async fn upstream_clients(&self) -> Result<Vec<(UpstreamPlace, UpstreamClient)>> {
        let rows = sqlx::query!(
            r#"SELECT connector, issuer, redirect_uri, version AS "version: Uuid", client_id AS "client_id!",
                      sealed AS "sealed!", expires_at
               FROM upstream_clients WHERE client_id IS NOT NULL AND sealed IS NOT NULL"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let place = UpstreamPlace {
                    connector: parse("upstream_clients.connector", &row.connector)?,
                    issuer: row.issuer,
                    redirect_uri: row.redirect_uri,
                };
                let client = UpstreamClient {
                    version: id(row.version),
                    client_id: row.client_id,
                    sealed: row.sealed,
                    expires_at: row.expires_at.map(Timestamp::from_millis),
                };
                Ok((place, client))
            })
            .collect()
    }

    async fn claim_upstream_client(
        &self,
        place: &UpstreamPlace,
        before: Option<EventId>,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let before = before.map_or(Uuid::nil(), Id::uuid);
        let mut tx = self.begin().await?;
        let claimed = sqlx::query!(
            "INSERT INTO upstream_clients (connector, issuer, redirect_uri, version, holder, leased_until)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (connector, issuer, redirect_uri) DO UPDATE
             SET holder = excluded.holder, leased_until = excluded.leased_until
             WHERE upstream_clients.version = excluded.version
                   AND (upstream_clients.leased_until IS NULL OR upstream_clients.leased_until <= $7)",
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri,
            before,
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

    async fn finish_upstream_client(
        &self,
        place: &UpstreamPlace,
        holder: EventId,
        client: &UpstreamClient,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let finished = sqlx::query!(
            "UPDATE upstream_clients SET version = $5, client_id = $6, sealed = $7, expires_at = $8,
                    registered_at = $9, holder = NULL, leased_until = NULL
             WHERE connector = $1 AND issuer = $2 AND redirect_uri = $3 AND holder = $4",
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri,
            holder.uuid(),
            client.version.uuid(),
            client.client_id,
            client.sealed,
            client.expires_at.map(Timestamp::as_millis),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(finished.rows_affected() == 1)
    }

    async fn give_up_upstream_client(&self, place: &UpstreamPlace, holder: EventId) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE upstream_clients SET holder = NULL, leased_until = NULL
             WHERE connector = $1 AND issuer = $2 AND redirect_uri = $3 AND holder = $4",
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri,
            holder.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn end_upstream_client(
        &self,
        place: &UpstreamPlace,
        version: EventId,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query!(
            "UPDATE upstream_clients SET expires_at = $5
             WHERE connector = $1 AND issuer = $2 AND redirect_uri = $3 AND version = $4
                   AND (expires_at IS NULL OR expires_at > $5)",
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri,
            version.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn reseal_upstream_client(
        &self,
        place: &UpstreamPlace,
        before: &[u8],
        after: &[u8],
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE upstream_clients SET sealed = $5
             WHERE connector = $1 AND issuer = $2 AND redirect_uri = $3 AND sealed = $4",
            place.connector.as_str(),
            place.issuer,
            place.redirect_uri,
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
