//! Grants: one person, one client, one server, one approval (DEC-2).

use async_trait::async_trait;
use model::{AccountId, Assurance, ClientId, GrantId, ServerName, SessionId, Timestamp, TokenId};
use protocol::Scopes;
use std::str::FromStr;

use crate::error::Result;

/// A grant.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who gave it.
    pub account: AccountId,
    /// To whom.
    pub client: ClientId,
    /// In which browser session.
    pub session: SessionId,
    /// For which server; none for a sign-in that is for no MCP server.
    pub server: Option<ServerName>,
    /// The audience of its tokens.
    pub resource: String,
    /// What was granted.
    pub scopes: Scopes,
    /// Those of them that the person added later on.
    pub widened: Scopes,
    /// Host or scheme of the client's redirect.
    pub redirect_host: String,
    /// The nonce of the authorization request.
    pub nonce: Option<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How sure that is.
    pub assurance: Assurance,
    /// By which methods (RFC 8176), separated by spaces.
    pub amr: Option<String>,
    /// When it was given.
    pub created_at: Timestamp,
    /// When an access token of it was last accepted, within a minute.
    pub last_used_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// How often a rotated refresh token came again while its successor was in use.
    pub repeats: i64,
    /// When a newer grant took its place.
    pub replaced_at: Option<Timestamp>,
    /// When and why it ended.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// What a person added to a grant after it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widening {
    /// The scopes, earlier ones too.
    pub added: Scopes,
    /// When the last of them.
    pub at: Timestamp,
}

/// Why a grant has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The person or an operator revoked it.
    Revoked,
    /// The client revoked its refresh token (RFC 7009).
    ClientRevoked,
    /// Its code was redeemed twice (OS-57).
    CodeReplayed,
    /// A rotated refresh token came back too late (DEC-1).
    RefreshReplayed,
    /// The account was disabled.
    AccountDisabled,
    /// The client was removed or disabled.
    ClientRemoved,
    /// The person signed out with an OpenID sign-out that ends it.
    SignedOut,
    /// Unused for too long, or too old, or replaced and unused.
    Expired,
}

impl EndReason {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Revoked,
        Self::ClientRevoked,
        Self::CodeReplayed,
        Self::RefreshReplayed,
        Self::AccountDisabled,
        Self::ClientRemoved,
        Self::SignedOut,
        Self::Expired,
    ];

    /// The word kept in the database and shown to operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::ClientRevoked => "client_revoked",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReplayed => "refresh_replayed",
            Self::AccountDisabled => "account_disabled",
            Self::ClientRemoved => "client_removed",
            Self::SignedOut => "signed_out",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for EndReason {
    type Err = String;
    fn from_str(word: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .ok_or_else(|| format!("unknown reason {word:?}"))
    }
}

/// The `grants` table.
#[async_trait]
pub trait Grants {
    /// By id.
    async fn grant(&self, id: GrantId) -> Result<Option<Grant>>;
    /// The live grants of an account, latest used first.
    async fn grants_of(&self, account: AccountId, now: Timestamp) -> Result<Vec<Grant>>;
    /// The live grants of everybody, latest used first, at most `limit`.
    async fn grants(&self, limit: i64, now: Timestamp) -> Result<Vec<Grant>>;
    /// Ends a grant. `false` if it has ended or is unknown.
    async fn end_grant(&self, id: GrantId, reason: EndReason, now: Timestamp) -> Result<bool>;
    /// Adds scopes to a living grant that still has those of `grant`. `false` if it has others by now, or ended.
    async fn widen_grant(&self, grant: &Grant, added: &Scopes, now: Timestamp) -> Result<bool>;
    /// Grants to which something was added after `since`: what `standing` must know after a start.
    async fn widened_grants(&self, since: Timestamp) -> Result<Vec<(GrantId, Widening)>>;
    /// Notes when grants were last used; written behind the calls.
    async fn touch_grants(&self, uses: &[(GrantId, Timestamp)]) -> Result<()>;
    /// Grants that ended after `since`, with when: what `standing` must know after a start.
    async fn ended_grants(&self, since: Timestamp) -> Result<Vec<(GrantId, Timestamp)>>;
}

/// The `revoked_tokens` table: access tokens that were revoked alone.
#[async_trait]
pub trait RevokedTokens {
    /// Revokes one access token.
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp) -> Result<()>;
    /// Those that have not run out yet, with when they will.
    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(TokenId, Timestamp)>>;
}
