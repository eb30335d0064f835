//! What people allowed programs without a browser (RFC 8628), from the answer until the program fetches it. Until then it can be
//! taken back without a trace of a token.

use async_trait::async_trait;
use model::{AccountId, ClientId, GrantId, ServerName, Timestamp};

use crate::error::Result;

/// What a person allowed and the program has not fetched yet.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The grant that fetching it makes.
    pub grant: GrantId,
    /// Who asked.
    pub client: ClientId,
    /// From where.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// The server it is for; none for a sign-in that is for no MCP server.
    pub server: Option<ServerName>,
    /// When it was allowed.
    pub approved_at: Timestamp,
    /// Until when it can be fetched.
    pub expires_at: Timestamp,
}

/// The rows of the `device_authorizations` table that were allowed and not redeemed.
#[async_trait]
pub trait DeviceApprovals {
    /// What somebody allowed and nobody has fetched, as long as it can be fetched; the latest first.
    async fn approvals_of(&self, account: AccountId, now: Timestamp) -> Result<Vec<Approval>>;
    /// Makes a no of a yes that its program has not fetched; gives the program. Nothing if it was fetched, is somebody else's,
    /// or has run out.
    async fn take_approval_back(
        &self,
        grant: GrantId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<ClientId>>;
}
