//! The `clients`, `client_secrets` and `client_assertions` tables.

use async_trait::async_trait;
use model::{Change, ClientId, Timestamp, TokenDigest};
use protocol::ClientMetadata;
use store::{Client, Clients, NewClient, Result};

use crate::db::{Engine, Tx};
use crate::rows::{digest, digest_option, failed, json, parse, to_json};

struct Row {
    id: String,
    source: String,
    metadata: String,
    registration_digest: Option<Vec<u8>>,
    document_digest: Option<Vec<u8>>,
    fresh_until: Option<i64>,
    created_at: i64,
    updated_at: i64,
    completed_at: Option<i64>,
    last_used_at: i64,
    disabled_at: Option<i64>,
}

impl TryFrom<Row> for Client {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let registration = digest_option("clients.registration_digest", row.registration_digest)?;
        Ok(Self {
            id: parse("clients.id", &row.id)?,
            source: parse("clients.source", &row.source)?,
            metadata: json("clients.metadata", &row.metadata)?,
            registration: registration.map(TokenDigest),
            document_digest: digest_option("clients.document_digest", row.document_digest)?,
            fresh_until: row.fresh_until.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            completed_at: row.completed_at.map(Timestamp::from_millis),
            last_used_at: Timestamp::from_millis(row.last_used_at),
            disabled_at: row.disabled_at.map(Timestamp::from_millis),
            secrets: Vec::new(),
        })
    }
}

#[async_trait]
impl Clients for Engine {
    async fn add_client(&self, client: &NewClient, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let added = insert(&mut tx, client, now).await?;
        if added {
            add_secrets(&mut tx, &client.id, &client.secrets, now).await?;
        } else {
            sqlx::query!(
                "UPDATE clients SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2",
                client.id.as_str(),
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await?;
        Ok(added)
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Client>> {
        let mut conn = self.read().await?;
        let row = sqlx::query_as!(
            Row,
            "SELECT id, source, metadata, registration_digest, document_digest, fresh_until, created_at, updated_at,
                    completed_at, last_used_at, disabled_at
             FROM clients WHERE id = $1",
            id.as_str()
        )
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let mut client = Client::try_from(row)?;
        if !client.metadata.auth_method.is_shared_secret() {
            return Ok(Some(client));
        }
        let secrets = sqlx::query_scalar!(
            "SELECT digest FROM client_secrets WHERE client_id = $1 ORDER BY created_at DESC",
            id.as_str()
        )
        .fetch_all(&mut *conn)
        .await
        .map_err(failed)?;
        for secret in secrets {
            client
                .secrets
                .push(TokenDigest(digest("client_secrets.digest", secret)?));
        }
        Ok(Some(client))
    }

    async fn clients(&self) -> Result<Vec<Client>> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, source, metadata, registration_digest, document_digest, fresh_until, created_at, updated_at,
                    completed_at, last_used_at, disabled_at
             FROM clients ORDER BY last_used_at DESC"
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn configure_clients(&self, clients: &[NewClient], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let known = sqlx::query!("SELECT id, disabled_at FROM clients WHERE source = 'configuration'")
            .fetch_all(tx.conn())
            .await
            .map_err(failed)?;
        for row in known.iter().filter(|row| row.disabled_at.is_none()) {
            let id: ClientId = parse("clients.id", &row.id)?;
            if !clients.iter().any(|client| client.id == id) && disable(&mut tx, &id, now).await? {
                sqlx::query!(
                    "UPDATE clients SET left_configuration = $2 WHERE id = $1",
                    id.as_str(),
                    now.as_millis()
                )
                .execute(tx.conn())
                .await
                .map_err(failed)?;
            }
        }
        for client in clients {
            if !insert(&mut tx, client, now).await? {
                sqlx::query!(
                    "UPDATE clients SET source = 'configuration', metadata = $2, updated_at = $3, left_configuration = NULL,
                            disabled_at = CASE WHEN left_configuration IS NULL THEN disabled_at END
                     WHERE id = $1",
                    client.id.as_str(),
                    to_json("clients.metadata", &client.metadata)?,
                    now.as_millis()
                )
                .execute(tx.conn())
                .await
                .map_err(failed)?;
            }
            sqlx::query!(
                "DELETE FROM client_secrets WHERE client_id = $1",
                client.id.as_str()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            add_secrets(&mut tx, &client.id, &client.secrets, now).await?;
        }
        tx.commit().await
    }

    async fn put_document(
        &self,
        id: &ClientId,
        metadata: &ClientMetadata,
        digest: &[u8; 32],
        fresh_until: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO clients (id, source, metadata, document_digest, fresh_until, created_at, updated_at, last_used_at)
             VALUES ($1, 'document', $2, $3, $4, $5, $5, $5)
             ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, document_digest = excluded.document_digest,
                 fresh_until = excluded.fresh_until, updated_at = excluded.updated_at,
                 last_used_at = excluded.last_used_at
             WHERE clients.source = 'document'",
            id.as_str(),
            to_json("clients.metadata", metadata)?,
            digest.as_slice(),
            fresh_until.as_millis(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn update_registration(
        &self,
        id: &ClientId,
        registration: &TokenDigest,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let updated = sqlx::query!(
            "UPDATE clients SET metadata = $3, updated_at = $4
             WHERE id = $1 AND registration_digest = $2 AND disabled_at IS NULL",
            id.as_str(),
            registration.as_bytes(),
            to_json("clients.metadata", metadata)?,
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(updated.rows_affected() == 1)
    }

    async fn rotate_secret(
        &self,
        id: &ClientId,
        secret: &TokenDigest,
        overlap: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let known = sqlx::query!(
            "UPDATE clients SET updated_at = $2 WHERE id = $1 AND disabled_at IS NULL",
            id.as_str(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if known.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        if overlap {
            sqlx::query!(
                "DELETE FROM client_secrets WHERE client_id = $1 AND created_at <
                     (SELECT MAX(created_at) FROM client_secrets WHERE client_id = $1)",
                id.as_str()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        } else {
            sqlx::query!("DELETE FROM client_secrets WHERE client_id = $1", id.as_str())
                .execute(tx.conn())
                .await
                .map_err(failed)?;
        }
        add_secrets(&mut tx, id, &[*secret], now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn set_client_disabled(&self, id: &ClientId, disabled: bool, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let changed = if disabled {
            disable(&mut tx, id, now).await?
        } else {
            let enabled = sqlx::query!(
                "UPDATE clients SET disabled_at = NULL, left_configuration = NULL, updated_at = $2
                 WHERE id = $1 AND disabled_at IS NOT NULL",
                id.as_str(),
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            enabled.rows_affected() == 1
        };
        tx.commit().await?;
        Ok(changed)
    }

    async fn remove_client(&self, id: &ClientId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!("DELETE FROM clients WHERE id = $1", id.as_str())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        if removed.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        end_grants(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn use_assertion(&self, digest: &[u8; 32], expires_at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let first = sqlx::query!(
            "INSERT INTO client_assertions (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
            digest.as_slice(),
            expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(first.rows_affected() == 1)
    }

    async fn ended_clients(&self, since: Timestamp) -> Result<Vec<(ClientId, Timestamp)>> {
        let rows = sqlx::query!(
            r#"SELECT id, ended_before AS "at!" FROM clients WHERE ended_before > $1"#,
            since.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| Ok((parse("clients.id", &row.id)?, Timestamp::from_millis(row.at))))
            .collect()
    }
}

async fn insert(tx: &mut Tx<'_>, client: &NewClient, now: Timestamp) -> Result<bool> {
    let added = sqlx::query!(
        "INSERT INTO clients (id, source, metadata, registration_digest, created_at, updated_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $5, $5)
         ON CONFLICT (id) DO NOTHING",
        client.id.as_str(),
        client.source.as_str(),
        to_json("clients.metadata", &client.metadata)?,
        client.registration.as_ref().map(TokenDigest::as_bytes),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(added.rows_affected() == 1)
}

async fn add_secrets(tx: &mut Tx<'_>, id: &ClientId, secrets: &[TokenDigest], now: Timestamp) -> Result<()> {
    for secret in secrets {
        sqlx::query!(
            "INSERT INTO client_secrets (digest, client_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (client_id, digest) DO NOTHING",
            secret.as_bytes(),
            id.as_str(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn disable(tx: &mut Tx<'_>, id: &ClientId, now: Timestamp) -> Result<bool> {
    let disabled = sqlx::query!(
        "UPDATE clients SET disabled_at = $2, ended_before = $2, updated_at = $2, left_configuration = NULL
         WHERE id = $1 AND (disabled_at IS NULL OR left_configuration IS NOT NULL)",
        id.as_str(),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    if disabled.rows_affected() == 0 {
        return Ok(false);
    }
    end_grants(tx, id, now).await?;
    Ok(true)
}

/// A client may have a grant of every person: one change ends them all (`standing` compares the moment).
async fn end_grants(tx: &mut Tx<'_>, id: &ClientId, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE grants SET ended_at = $2, ended_because = 'client_removed' WHERE client_id = $1 AND ended_at IS NULL",
        id.as_str(),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!(
        "DELETE FROM codes WHERE client_id = $1 AND redeemed_at IS NULL",
        id.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!(
        "DELETE FROM device_authorizations WHERE client_id = $1 AND redeemed_at IS NULL",
        id.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    tx.change(
        Change::ClientEnded {
            client: id.clone(),
            at: now,
        },
        now,
    )
    .await
}
