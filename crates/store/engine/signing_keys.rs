//! The `signing_keys` table.

use async_trait::async_trait;
use model::{Change, Timestamp};
use store::{Result, SigningKeyRecord, SigningKeys};

use crate::db::{Conn, Engine};
use crate::rows::failed;

#[async_trait]
impl SigningKeys for Engine {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>> {
        let rows = sqlx::query!(
            "SELECT kid, algorithm, private, public, created_at, signs_from, published_until
             FROM signing_keys ORDER BY created_at, kid"
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| SigningKeyRecord {
                kid: row.kid,
                algorithm: row.algorithm,
                private: row.private,
                public: row.public,
                created_at: Timestamp::from_millis(row.created_at),
                signs_from: Timestamp::from_millis(row.signs_from),
                published_until: row.published_until.map(Timestamp::from_millis),
            })
            .collect())
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        newest: Option<&str>,
        others_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        tx.serialize().await?;
        let added = sqlx::query!(
            "INSERT INTO signing_keys (kid, algorithm, private, public, created_at, signs_from)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE COALESCE((SELECT kid FROM signing_keys WHERE algorithm = $2 ORDER BY created_at DESC, kid DESC LIMIT 1),
                            '') = $7",
            key.kid,
            key.algorithm,
            key.private,
            key.public,
            key.created_at.as_millis(),
            key.signs_from.as_millis(),
            newest.unwrap_or_default()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE signing_keys SET published_until = $3
             WHERE algorithm = $1 AND kid <> $2 AND (published_until IS NULL OR published_until > $3)",
            key.algorithm,
            key.kid,
            others_until.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.change(Change::KeysChanged, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn remove_signing_key(&self, kid: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!("DELETE FROM signing_keys WHERE kid = $1", kid)
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        if removed.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::KeysChanged, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn reseal_signing_key(&self, kid: &str, before: &[u8], after: &[u8]) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE signing_keys SET private = $3 WHERE kid = $1 AND private = $2",
            kid,
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

/// The sealed private keys, on a connection of whoever only looks.
pub(crate) async fn sealed(conn: &mut Conn) -> Result<Vec<Vec<u8>>> {
    let rows = sqlx::query!("SELECT private FROM signing_keys ORDER BY kid")
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    Ok(rows.into_iter().map(|row| row.private).collect())
}
