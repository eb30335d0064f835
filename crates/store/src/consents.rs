//! Remembered consent: one person, one client, one redirect URI, one audience (OS-42).

use async_trait::async_trait;
use model::{AccountId, ClientId};
use protocol::Scopes;

use crate::error::Result;

/// What was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who approved.
    pub account: AccountId,
    /// Whom.
    pub client: ClientId,
    /// With which redirect URI.
    pub redirect_uri: String,
    /// For which audience.
    pub resource: String,
    /// What.
    pub scopes: Scopes,
    /// The client's document as it was then; a changed one is asked about again (MA-95).
    pub document_digest: Option<[u8; 32]>,
}

/// The `consents` table.
#[async_trait]
pub trait Consents {
    /// What this person approved for exactly this.
    async fn consent(
        &self,
        account: AccountId,
        client: &ClientId,
        redirect_uri: &str,
        resource: &str,
    ) -> Result<Option<Consent>>;
    /// Forgets all that this person approved for this client.
    async fn forget_consents(&self, account: AccountId, client: &ClientId) -> Result<()>;
}
