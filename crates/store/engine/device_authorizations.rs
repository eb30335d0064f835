//! The `device_authorizations` table.

use std::time::Duration;

use async_trait::async_trait;
use model::id::Id;
use model::{Assurance, Change, DeviceId, ServerName, Timestamp, TokenDigest};
use protocol::Scopes;
use store::{
    Added, Allowed, Client, DeviceAuthorization, DeviceAuthorizations, DeviceDecision, MostWaiting,
    NewDeviceAuthorization, NewGrant, Redemption, Result, Verdict,
};
use uuid::Uuid;

use crate::codes::{Given, redeemed};
use crate::db::{Engine, Tx};
use crate::rows::{failed, id, parse};

struct Row {
    id: Uuid,
    client_id: String,
    request: String,
    address: String,
    user_agent: String,
    created_at: i64,
    expires_at: i64,
    poll_every: i64,
    decided_at: Option<i64>,
    grant_id: Option<Uuid>,
    account_id: Option<Uuid>,
    session_id: Option<Uuid>,
    server: Option<String>,
    resource: Option<String>,
    scopes: Option<String>,
    auth_time: Option<i64>,
    acr: Option<String>,
    amr: Option<String>,
    redeemed_at: Option<i64>,
}

impl TryFrom<Row> for DeviceAuthorization {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let allowed = match (row.grant_id, row.account_id, row.session_id, row.resource) {
            (Some(grant), Some(account), Some(session), Some(resource)) => Some(Allowed {
                grant: id(grant),
                account: id(account),
                session: id(session),
                server: row
                    .server
                    .as_deref()
                    .map(|name| parse("device_authorizations.server", name))
                    .transpose()?,
                resource,
                scopes: Scopes::parse(row.scopes.as_deref().unwrap_or_default()),
                auth_time: Timestamp::from_millis(row.auth_time.unwrap_or_default()),
                assurance: Assurance::of_acr(row.acr.as_deref()),
                amr: row.amr,
            }),
            _ => None,
        };
        let verdict = allowed.map_or(Verdict::Denied, |allowed| Verdict::Allowed(Box::new(allowed)));
        Ok(Self {
            id: id(row.id),
            client: parse("device_authorizations.client_id", &row.client_id)?,
            request: row.request,
            address: row.address,
            user_agent: row.user_agent,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            poll_every: Duration::from_millis(row.poll_every.unsigned_abs()),
            verdict: row.decided_at.map(|_| verdict),
            redeemed_at: row.redeemed_at.map(Timestamp::from_millis),
        })
    }
}

/// Milliseconds for the database.
fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Answers a request within a transaction. `false` if it is answered already or has run out.
pub(crate) async fn decide(tx: &mut Tx<'_>, decision: &DeviceDecision, now: Timestamp) -> Result<bool> {
    let given = decision.allowed.as_deref();
    let decided = sqlx::query!(
        "UPDATE device_authorizations SET decided_at = $2, grant_id = $3, account_id = $4, session_id = $5, server = $6,
             resource = $7, scopes = $8, auth_time = $9, acr = $10, amr = $11
         WHERE id = $1 AND decided_at IS NULL AND expires_at > $2",
        decision.device.uuid(),
        now.as_millis(),
        given.map(|given| given.grant.uuid()),
        given.map(|given| given.account.uuid()),
        given.map(|given| given.session.uuid()),
        given.and_then(|given| given.server.as_ref().map(ServerName::as_str)),
        given.map(|given| given.resource.as_str()),
        given.map(|given| given.scopes.to_string()),
        given.map(|given| given.auth_time.as_millis()),
        given.and_then(|given| given.assurance.acr()),
        given.and_then(|given| given.amr.as_deref())
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    if decided.rows_affected() == 0 {
        return Ok(false);
    }
    let device = decision.device;
    tx.change(Change::DeviceDecided { device }, now).await?;
    Ok(true)
}

#[async_trait]
impl DeviceAuthorizations for Engine {
    async fn add_device_authorization(
        &self,
        new: &NewDeviceAuthorization,
        most: MostWaiting,
        now: Timestamp,
    ) -> Result<Added> {
        let mut tx = self.begin().await?;
        let added = sqlx::query!(
            "INSERT INTO device_authorizations (id, digest, user_digest, client_id, request, address, user_agent, network,
                 created_at, expires_at, poll_every)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
             WHERE (SELECT COUNT(*) FROM device_authorizations
                    WHERE network = $8 AND expires_at > $9 AND decided_at IS NULL) < $12
                   AND (SELECT COUNT(*) FROM device_authorizations
                        WHERE client_id = $4 AND expires_at > $9 AND decided_at IS NULL) < $13
             ON CONFLICT (user_digest) DO NOTHING",
            new.id.uuid(),
            new.digest.as_bytes(),
            new.user_digest.as_slice(),
            new.client.as_str(),
            new.request,
            new.address,
            new.user_agent,
            new.network,
            now.as_millis(),
            new.expires_at.as_millis(),
            millis(new.poll_every),
            most.of_network,
            most.of_client
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Added::Kept);
        }
        let taken = sqlx::query_scalar!(
            r#"SELECT id AS "id: Uuid" FROM device_authorizations WHERE user_digest = $1"#,
            new.user_digest.as_slice()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        tx.give_up().await?;
        Ok(if taken.is_some() {
            Added::Taken
        } else {
            Added::Full
        })
    }

    async fn device_authorization(&self, digest: &TokenDigest) -> Result<Option<DeviceAuthorization>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", client_id, request, address, user_agent, created_at, expires_at, poll_every,
                      decided_at, grant_id AS "grant_id: Uuid", account_id AS "account_id: Uuid",
                      session_id AS "session_id: Uuid", server, resource, scopes, auth_time, acr, amr, redeemed_at
               FROM device_authorizations WHERE digest = $1"#,
            digest.as_bytes()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn waiting_device(
        &self,
        user_digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<DeviceAuthorization>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", client_id, request, address, user_agent, created_at, expires_at, poll_every,
                      decided_at, grant_id AS "grant_id: Uuid", account_id AS "account_id: Uuid",
                      session_id AS "session_id: Uuid", server, resource, scopes, auth_time, acr, amr, redeemed_at
               FROM device_authorizations WHERE user_digest = $1 AND decided_at IS NULL AND expires_at > $2"#,
            user_digest.as_slice(),
            now.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn waiting_device_by_id(
        &self,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<Option<DeviceAuthorization>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", client_id, request, address, user_agent, created_at, expires_at, poll_every,
                      decided_at, grant_id AS "grant_id: Uuid", account_id AS "account_id: Uuid",
                      session_id AS "session_id: Uuid", server, resource, scopes, auth_time, acr, amr, redeemed_at
               FROM device_authorizations WHERE id = $1 AND decided_at IS NULL AND expires_at > $2"#,
            device.uuid(),
            now.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn slow_device_down(&self, device: DeviceId, from: Duration, to: Duration) -> Result<bool> {
        let mut tx = self.begin().await?;
        let slowed = sqlx::query!(
            "UPDATE device_authorizations SET poll_every = $3 WHERE id = $1 AND poll_every = $2 AND decided_at IS NULL",
            device.uuid(),
            millis(from),
            millis(to)
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(slowed.rows_affected() == 1)
    }

    async fn redeem_device(
        &self,
        device: DeviceId,
        allowed: &Allowed,
        client: &Client,
        grant: &NewGrant,
        now: Timestamp,
    ) -> Result<Redemption> {
        let (mut tx, given) = (self.begin().await?, Given::from((allowed, client)));
        tx.hold_account(given.account).await?;
        let done = sqlx::query!(
            "UPDATE device_authorizations SET redeemed_at = $3
             WHERE id = $1 AND grant_id = $2 AND redeemed_at IS NULL AND expires_at > $3
                   AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = account_id AND status = 'active')
                   AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = session_id AND ended_at IS NULL)
                   AND EXISTS (SELECT 1 FROM clients WHERE clients.id = client_id AND disabled_at IS NULL)",
            device.uuid(),
            given.grant.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if done.rows_affected() == 0 {
            let used = sqlx::query_scalar!(
                "SELECT redeemed_at FROM device_authorizations WHERE id = $1 AND redeemed_at IS NOT NULL",
                device.uuid()
            )
            .fetch_optional(tx.conn())
            .await
            .map_err(failed)?;
            tx.give_up().await?;
            return Ok(if used.is_some() {
                Redemption::AlreadyRedeemed
            } else {
                Redemption::Refused
            });
        }
        redeemed(&mut tx, &given, client, grant, now).await?;
        tx.commit().await?;
        Ok(Redemption::Redeemed)
    }
}
