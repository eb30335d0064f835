//! The `leases` table.

use async_trait::async_trait;
use model::Timestamp;
use store::{Leases, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::failed;

#[async_trait]
impl Leases for Engine {
    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query!(
            "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
             WHERE leases.holder = excluded.holder OR leases.expires_at <= $4",
            name,
            holder,
            expires_at.as_millis(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(taken.rows_affected() == 1)
    }
}
