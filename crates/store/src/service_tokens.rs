//! Service tokens: what programs without a browser hold.

use async_trait::async_trait;
use model::{AccountId, ServerName, ServiceTokenId, Timestamp, TokenDigest};
use protocol::Scopes;

use crate::error::Result;

/// A service token as it is kept; the token itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceToken {
    /// Its name in lists and records.
    pub id: ServiceTokenId,
    /// As whom it acts.
    pub account: AccountId,
    /// What its makers call it; may be empty.
    pub name: String,
    /// The servers that it is for, in order.
    pub servers: Vec<ServerName>,
    /// What it was granted beyond `mcp`.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// By which operator.
    pub created_by: String,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// When it was last used, within a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, or its owner disabled.
    pub revoked_at: Option<Timestamp>,
}

/// A service token to be made.
#[derive(Clone, Debug)]
pub struct NewServiceToken {
    /// Its name in lists and records.
    pub id: ServiceTokenId,
    /// Of the token.
    pub digest: TokenDigest,
    /// As whom it acts.
    pub account: AccountId,
    /// What its makers call it.
    pub name: String,
    /// The servers that it is for.
    pub servers: Vec<ServerName>,
    /// What it was granted beyond `mcp`.
    pub scopes: Scopes,
    /// By which operator.
    pub created_by: String,
    /// When it runs out.
    pub expires_at: Timestamp,
}

/// The `service_tokens` table.
#[async_trait]
pub trait ServiceTokens {
    /// Makes one. `false` if the account is unknown or not active.
    async fn add_service_token(&self, token: &NewServiceToken, now: Timestamp) -> Result<bool>;
    /// By digest, also one that has ended.
    async fn service_token_by_digest(&self, digest: &TokenDigest) -> Result<Option<ServiceToken>>;
    /// By id, also one that has ended.
    async fn service_token(&self, id: ServiceTokenId) -> Result<Option<ServiceToken>>;
    /// All that are kept, also those that have ended, newest first.
    async fn service_tokens(&self) -> Result<Vec<ServiceToken>>;
    /// Revokes one. `false` if it is unknown or was revoked.
    async fn revoke_service_token(&self, id: ServiceTokenId, now: Timestamp) -> Result<bool>;
    /// Notes when tokens were last used; written behind the calls.
    async fn touch_service_tokens(&self, uses: &[(ServiceTokenId, Timestamp)]) -> Result<()>;
}
