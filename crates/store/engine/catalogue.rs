//! The `catalogue` table.

use async_trait::async_trait;
use model::{Change, ServerName, Timestamp};
use store::{Catalogue, CatalogueEntry, CatalogueKey, CredentialClass, Listed, Result};

use crate::db::Engine;
use crate::rows::{digest, failed};

#[async_trait]
impl Catalogue for Engine {
    async fn catalogue(
        &self,
        server: &ServerName,
        credential: CredentialClass,
    ) -> Result<Vec<CatalogueEntry>> {
        let rows = sqlx::query!(
            "SELECT list, name, definition, fingerprint, accepted_definition, accepted, first_seen_at, changed_at
             FROM catalogue WHERE server = $1 AND credential = $2 ORDER BY list, name",
            server.as_str(),
            credential.as_str()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(CatalogueEntry {
                    key: CatalogueKey {
                        server: server.clone(),
                        credential,
                        list: row.list,
                        name: row.name,
                    },
                    definition: row.definition,
                    fingerprint: digest("catalogue.fingerprint", row.fingerprint)?,
                    accepted_definition: row.accepted_definition,
                    accepted: digest("catalogue.accepted", row.accepted)?,
                    first_seen_at: Timestamp::from_millis(row.first_seen_at),
                    changed_at: Timestamp::from_millis(row.changed_at),
                })
            })
            .collect()
    }

    async fn keep_listed(&self, listed: &[Listed], now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let mut servers: Vec<&ServerName> = Vec::new();
        for entry in listed {
            let kept = sqlx::query!(
                "INSERT INTO catalogue (server, credential, list, name, definition, fingerprint, accepted_definition,
                                        accepted, first_seen_at, changed_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $5, $6, $7, $7)
                 ON CONFLICT (server, credential, list, name) DO UPDATE
                 SET definition = excluded.definition, fingerprint = excluded.fingerprint,
                     changed_at = excluded.changed_at
                 WHERE catalogue.fingerprint <> excluded.fingerprint",
                entry.key.server.as_str(),
                entry.key.credential.as_str(),
                entry.key.list,
                entry.key.name,
                entry.definition,
                &entry.fingerprint[..],
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            if kept.rows_affected() > 0 && !servers.contains(&&entry.key.server) {
                servers.push(&entry.key.server);
            }
        }
        for server in &servers {
            let server = (*server).clone();
            tx.change(Change::CatalogueChanged { server }, now).await?;
        }
        tx.commit().await?;
        Ok(!servers.is_empty())
    }

    async fn accept_definition(
        &self,
        key: &CatalogueKey,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let accepted = sqlx::query!(
            "UPDATE catalogue SET accepted = fingerprint, accepted_definition = definition
             WHERE server = $1 AND credential = $2 AND list = $3 AND name = $4 AND fingerprint = $5",
            key.server.as_str(),
            key.credential.as_str(),
            key.list,
            key.name,
            &fingerprint[..]
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if accepted.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        let server = key.server.clone();
        tx.change(Change::CatalogueChanged { server }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn forget_catalogue(&self, server: &ServerName, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let forgotten = sqlx::query!("DELETE FROM catalogue WHERE server = $1", server.as_str())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        if forgotten.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        let server = server.clone();
        tx.change(Change::CatalogueChanged { server }, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
