//! The rows of `device_authorizations` that somebody allowed and nobody has fetched.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, ClientId, GrantId, Timestamp};
use store::{Approval, DeviceApprovals, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id, parse};

#[async_trait]
impl DeviceApprovals for Engine {
    async fn approvals_of(&self, account: AccountId, now: Timestamp) -> Result<Vec<Approval>> {
        let rows = sqlx::query!(
            r#"SELECT grant_id AS "grant_id!: Uuid", client_id, address, user_agent, server, decided_at AS "decided_at!",
                      expires_at
               FROM device_authorizations
               WHERE account_id = $1 AND grant_id IS NOT NULL AND decided_at IS NOT NULL AND redeemed_at IS NULL
                     AND expires_at > $2
                     AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = session_id AND ended_at IS NULL)
               ORDER BY decided_at DESC, grant_id DESC"#,
            account.uuid(),
            now.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(Approval {
                    grant: id(row.grant_id),
                    client: parse("device_authorizations.client_id", &row.client_id)?,
                    address: row.address,
                    user_agent: row.user_agent,
                    server: row
                        .server
                        .as_deref()
                        .map(|name| parse("device_authorizations.server", name))
                        .transpose()?,
                    approved_at: Timestamp::from_millis(row.decided_at),
                    expires_at: Timestamp::from_millis(row.expires_at),
                })
            })
            .collect()
    }

    async fn take_approval_back(
        &self,
        grant: GrantId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<ClientId>> {
        let mut tx = self.begin().await?;
        let client = sqlx::query_scalar!(
            r#"UPDATE device_authorizations SET grant_id = NULL
             WHERE grant_id = $1 AND account_id = $2 AND redeemed_at IS NULL AND expires_at > $3
             RETURNING client_id AS "client_id!""#,
            grant.uuid(),
            account.uuid(),
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        client
            .map(|client| parse("device_authorizations.client_id", &client))
            .transpose()
    }
}
