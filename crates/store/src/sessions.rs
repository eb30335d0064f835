//! Browser sessions, and the browsers that signed in before.

use async_trait::async_trait;
use model::{AccountId, SessionId, Timestamp, TokenDigest};

use crate::error::Result;

/// A signed-in browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, which is no secret.
    pub id: SessionId,
    /// Who is signed in.
    pub account: AccountId,
    /// When the session began.
    pub created_at: Timestamp,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// Digest of the authorization request that asked for that proof, if one did (`prompt=login`).
    pub fresh_for: Option<[u8; 32]>,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Where it came from.
    pub address: String,
    /// What its owner calls it.
    pub name: Option<String>,
    /// How they proved it.
    pub proved: Proved,
}

/// How somebody proved who they are (OpenID Connect Core section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proved {
    /// What the configuration calls the provider; none if it was here alone.
    pub provider: Option<String>,
    /// The class of the proof: one of ours, or what the provider said.
    pub acr: Option<String>,
    /// The methods (RFC 8176), separated by spaces; none for a session of before they were kept.
    pub amr: Option<String>,
    /// The session at the provider, if it has named one (`sid`, OpenID Connect Back-Channel Logout 1.0 section 2.1).
    pub session: Option<String>,
}

/// Which sessions a provider has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedThere<'a> {
    /// What the configuration calls the provider that began them.
    pub provider: &'a str,
    /// Whose; anybody's if the session is named.
    pub account: Option<AccountId>,
    /// Its name there; all of the account if none.
    pub session: Option<&'a str>,
    /// What began later is not meant.
    pub until: Timestamp,
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Of its cookie.
    pub digest: TokenDigest,
    /// The session of the same browser that this one replaces: sessions rotate at sign-in.
    pub replaces: Option<SessionId>,
    /// Whether it stands on that one, which must be alive then.
    pub raises: bool,
    /// Of the cookie by which the browser is known again.
    pub browser: TokenDigest,
    /// Who signs in.
    pub account: AccountId,
    /// When the person proved who they are; at a provider that may have been before.
    pub authenticated_at: Timestamp,
    /// Digest of the authorization request that asked for it.
    pub fresh_for: Option<[u8; 32]>,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Where it comes from.
    pub address: String,
    /// How they proved it.
    pub proved: Proved,
}

/// The `sessions` and `browsers` tables.
#[async_trait]
pub trait Sessions {
    /// Begins a session of an active account; it has the name that the one before in this browser had. `false` if the account
    /// is not active, or what the session stands on has ended.
    async fn add_session(&self, session: &NewSession, now: Timestamp) -> Result<bool>;
    /// The live session of this cookie: not ended, not too old, seen after `seen_after`, account active.
    async fn session(
        &self,
        digest: &TokenDigest,
        seen_after: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>>;
    /// Notes that it was seen.
    async fn touch_session(&self, id: SessionId, now: Timestamp) -> Result<()>;
    /// The live sessions of an account, latest first.
    async fn sessions_of(
        &self,
        account: AccountId,
        seen_after: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Session>>;
    /// The live sessions of everybody, latest first, at most so many.
    async fn sessions(&self, most: i64, seen_after: Timestamp, now: Timestamp) -> Result<Vec<Session>>;
    /// A session that has not ended, whether it is still live or too old.
    async fn session_by_id(&self, id: SessionId) -> Result<Option<Session>>;
    /// Gives a live session of this account a name, or takes it away; later ones in the same browser have it too.
    /// `false` if there is no such session.
    async fn name_session(
        &self,
        id: SessionId,
        account: AccountId,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool>;
    /// Ends a session of this account. `false` if there is no such live one.
    async fn end_session(&self, id: SessionId, account: AccountId, now: Timestamp) -> Result<bool>;
    /// Ends those that a provider has ended; gives which, and whose. None if neither account nor session is named.
    async fn end_sessions_of_provider(
        &self,
        ended: &EndedThere<'_>,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, AccountId)>>;
    /// Whether this browser signed in to this account before.
    async fn knows_browser(&self, browser: &TokenDigest, account: AccountId) -> Result<bool>;
}
