//! Requests of programs without a browser (RFC 8628): kept as digests, decided once, redeemed once.

use std::time::Duration;

use async_trait::async_trait;
use model::{
    AccountId, Assurance, ClientId, DeviceId, GrantId, ServerName, SessionId, Timestamp, TokenDigest,
};
use protocol::Scopes;

use crate::clients::Client;
use crate::codes::{NewGrant, Redemption};
use crate::error::Result;

/// A request, and its answer if there is one.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// Its id.
    pub id: DeviceId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked, as the issuer wrote it.
    pub request: String,
    /// From where.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// When.
    pub created_at: Timestamp,
    /// Until when it can be answered and redeemed.
    pub expires_at: Timestamp,
    /// How long the program has to wait between two questions.
    pub poll_every: Duration,
    /// What the person said.
    pub verdict: Option<Verdict>,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
}

/// What a person said.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Yes, to this.
    Allowed(Box<Allowed>),
    /// No.
    Denied,
}

/// What a person allowed.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The grant that redeeming it makes.
    pub grant: GrantId,
    /// Who allowed it.
    pub account: AccountId,
    /// In which browser session.
    pub session: SessionId,
    /// The server it is for; none for a sign-in that is for no MCP server.
    pub server: Option<ServerName>,
    /// The audience of its tokens.
    pub resource: String,
    /// What was granted.
    pub scopes: Scopes,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How sure that is.
    pub assurance: Assurance,
    /// By which methods (RFC 8176), separated by spaces.
    pub amr: Option<String>,
}

/// A request to be kept.
#[derive(Clone, Debug)]
pub struct NewDeviceAuthorization {
    /// Its id.
    pub id: DeviceId,
    /// Of the device code.
    pub digest: TokenDigest,
    /// Of the user code.
    pub user_digest: [u8; 32],
    /// Who asks.
    pub client: ClientId,
    /// What is asked.
    pub request: String,
    /// From where.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// The network it is counted in.
    pub network: String,
    /// Until when it can be answered and redeemed.
    pub expires_at: Timestamp,
    /// How long the program has to wait between two questions.
    pub poll_every: Duration,
}

/// How many may wait for an answer at once (OS-142).
#[derive(Clone, Copy, Debug)]
pub struct MostWaiting {
    /// Of one network.
    pub of_network: i64,
    /// Of one client.
    pub of_client: i64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    Kept,
    /// Another one has its user code.
    Taken,
    /// Too many wait already.
    Full,
}

/// The `device_authorizations` table.
#[async_trait]
pub trait DeviceAuthorizations {
    /// Keeps a request, unless too many wait.
    async fn add_device_authorization(
        &self,
        new: &NewDeviceAuthorization,
        most: MostWaiting,
        now: Timestamp,
    ) -> Result<Added>;
    /// By the digest of its device code, whatever became of it.
    async fn device_authorization(&self, digest: &TokenDigest) -> Result<Option<DeviceAuthorization>>;
    /// By the digest of its user code, if it still waits for an answer.
    async fn waiting_device(
        &self,
        user_digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<DeviceAuthorization>>;
    /// By id, if it still waits for an answer.
    async fn waiting_device_by_id(&self, id: DeviceId, now: Timestamp)
    -> Result<Option<DeviceAuthorization>>;
    /// Has a program wait longer between two questions. `false` if somebody else has seen to it, or it does not wait any more.
    async fn slow_device_down(&self, id: DeviceId, from: Duration, to: Duration) -> Result<bool>;
    /// Redeems what was allowed, once, while its account is active and its client not disabled: makes the grant as
    /// [`redeem_code`](crate::Codes::redeem_code) does.
    async fn redeem_device(
        &self,
        device: DeviceId,
        allowed: &Allowed,
        client: &Client,
        grant: &NewGrant,
        now: Timestamp,
    ) -> Result<Redemption>;
}
