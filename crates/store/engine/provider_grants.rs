//! The `provider_grants` table.

use async_trait::async_trait;
use model::id::Id as _;
use model::{EventId, Timestamp};
use store::{Asked, ForeignName, ProviderGrant, ProviderGrants, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id};

/// A row, as the queries of both engines give it.
struct Row {
    issuer: String,
    subject: String,
    account_id: Uuid,
    sealed: Vec<u8>,
    version: Uuid,
}

impl Row {
    fn read(self) -> ProviderGrant {
        ProviderGrant {
            name: ForeignName {
                issuer: self.issuer,
                subject: self.subject,
            },
            account: id(self.account_id),
            sealed: self.sealed,
            version: id(self.version),
        }
    }
}

#[async_trait]
impl ProviderGrants for Engine {
    async fn provider_grant(&self, name: &ForeignName) -> Result<Option<ProviderGrant>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT grants.issuer, grants.subject, account_id AS "account_id: Uuid", sealed, version AS "version: Uuid"
               FROM provider_grants AS grants JOIN identities AS known
                    ON known.issuer = grants.issuer AND known.subject = grants.subject
               WHERE grants.issuer = $1 AND grants.subject = $2"#,
            name.issuer,
            name.subject
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(Row::read))
    }

    async fn provider_grants(&self) -> Result<Vec<ProviderGrant>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT grants.issuer, grants.subject, account_id AS "account_id: Uuid", sealed, version AS "version: Uuid"
               FROM provider_grants AS grants JOIN identities AS known
                    ON known.issuer = grants.issuer AND known.subject = grants.subject
               ORDER BY grants.issuer, grants.subject"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    async fn keep_provider_grant(&self, grant: &ProviderGrant) -> Result<bool> {
        let mut tx = self.begin().await?;
        let kept = sqlx::query!(
            "INSERT INTO provider_grants (issuer, subject, sealed, version)
             SELECT issuer, subject, $4, $5 FROM identities WHERE issuer = $1 AND subject = $2 AND account_id = $3
             ON CONFLICT (issuer, subject) DO UPDATE
             SET sealed = excluded.sealed, version = excluded.version, renewing = NULL, renewing_until = NULL",
            grant.name.issuer,
            grant.name.subject,
            grant.account.uuid(),
            grant.sealed,
            grant.version.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(kept.rows_affected() == 1)
    }

    async fn claim_provider_grant(
        &self,
        grant: &ProviderGrant,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Asked>> {
        let mut tx = self.begin().await?;
        let free = sqlx::query!(
            "UPDATE provider_grants SET renewing = $4, renewing_until = $5
             WHERE issuer = $1 AND subject = $2 AND version = $3 AND renewing IS NULL",
            grant.name.issuer,
            grant.name.subject,
            grant.version.uuid(),
            holder.uuid(),
            until.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if free.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Some(Asked::Known));
        }
        let left = sqlx::query!(
            "UPDATE provider_grants SET renewing = $4, renewing_until = $5
             WHERE issuer = $1 AND subject = $2 AND version = $3 AND renewing IS NOT NULL AND renewing_until <= $6",
            grant.name.issuer,
            grant.name.subject,
            grant.version.uuid(),
            holder.uuid(),
            until.as_millis(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok((left.rows_affected() == 1).then_some(Asked::Unknown))
    }

    async fn replace_provider_grant(
        &self,
        before: &ProviderGrant,
        holder: EventId,
        after: &ProviderGrant,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let replaced = sqlx::query!(
            "UPDATE provider_grants SET sealed = $5, version = $6, renewing = NULL, renewing_until = NULL
             WHERE issuer = $1 AND subject = $2 AND version = $3 AND renewing = $4",
            before.name.issuer,
            before.name.subject,
            before.version.uuid(),
            holder.uuid(),
            after.sealed,
            after.version.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(replaced.rows_affected() == 1)
    }

    async fn release_provider_grant(
        &self,
        grant: &ProviderGrant,
        holder: EventId,
        asked: Asked,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        // Where nobody knows what became of it, it is as if nobody had given it back.
        let (left, until) = match asked {
            Asked::Known => (None, None),
            Asked::Unknown => (Some(holder.uuid()), Some(0)),
        };
        sqlx::query!(
            "UPDATE provider_grants SET renewing = $5, renewing_until = $6
             WHERE issuer = $1 AND subject = $2 AND version = $3 AND renewing = $4",
            grant.name.issuer,
            grant.name.subject,
            grant.version.uuid(),
            holder.uuid(),
            left,
            until
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn end_provider_grant(&self, grant: &ProviderGrant) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query!(
            "DELETE FROM provider_grants WHERE issuer = $1 AND subject = $2 AND version = $3",
            grant.name.issuer,
            grant.name.subject,
            grant.version.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn reseal_provider_grant(&self, grant: &ProviderGrant, after: &[u8]) -> Result<bool> {
        let mut tx = self.begin().await?;
        let resealed = sqlx::query!(
            "UPDATE provider_grants SET sealed = $4 WHERE issuer = $1 AND subject = $2 AND sealed = $3",
            grant.name.issuer,
            grant.name.subject,
            grant.sealed,
            after
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(resealed.rows_affected() == 1)
    }
}
