//! The one place where tokens are issued.
//!
//! Whatever the grant type, it comes here with a [`Standpoint`]; [`AuthorizationServer::permit`] asks
//! whether the account is active, the client usable, the server there and the person allowed, and only a
//! [`Permit`] can be turned into tokens. A grant type cannot forget a check (class 7 of the known attacks).

use std::sync::Arc;
use std::time::Duration;

use audit::{Issue, Person, What};
use keys::digest::at_hash;
use keys::{Algorithm, jws};
use model::{
    AccountId, AccountStatus, Assurance, ClientId, GrantId, ServerName, SessionId, Timestamp, TokenId,
};
use protocol::jwt::{ACCESS_TOKEN, AccessClaims, Actor, ID_TOKEN, IdClaims, PersonClaims};
use protocol::{OAuthError, Scopes, scope};
use serde::{Deserialize, Serialize};
use store::{AccountView, Allowed, Client, Code, Grant, StoreError};
use thiserror::Error;

use crate::key_ring::KeyRingError;
use crate::server::AuthorizationServer;
use crate::settings::{LONGEST_ACCESS, Resource, Target};

/// The registered methods have at most nine letters (RFC 8176 section 2).
const LONGEST_METHOD: usize = 16;
const MOST_METHODS: usize = 6;

/// Said where a grant does not stand on as much as is demanded by now.
const UNMET: &str = "this needs a newer or a stronger sign-in; sign in again";

/// An access token that would live for less is of no use: it would have run out before its first call.
pub(crate) const LEAST_ACCESS: Duration = Duration::from_secs(10);

/// The answer of the token endpoint (RFC 6749 section 5.1). Nothing in it is null (CC-61).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token runs out.
    pub expires_in: i64,
    /// What was granted, always said.
    pub scope: String,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token, with `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// Why no tokens were issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// An OAuth error for the client: 400.
    #[error("{0}")]
    Refused(OAuthError),
    /// Too many codes from one network that were none, or too many requests: 429 (OS-141).
    #[error("too many requests")]
    TooMany(Duration),
    /// A fault of ours that will pass: 503, and clients keep what they have (CC-61).
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<KeyRingError> for IssueError {
    fn from(error: KeyRingError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<OAuthError> for IssueError {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

/// What tokens are wanted for, whatever the grant type.
#[derive(Clone, Debug)]
pub(crate) struct Standpoint {
    pub(crate) account: AccountId,
    pub(crate) grant: GrantId,
    pub(crate) server: Option<ServerName>,
    pub(crate) resource: String,
    /// The browser session in which somebody allowed it.
    pub(crate) session: Option<SessionId>,
    pub(crate) nonce: Option<String>,
    /// When somebody signed in for it, if anybody did.
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) assurance: Assurance,
    pub(crate) amr: Vec<String>,
    /// Who acts for the person, and who before.
    pub(crate) actor: Option<Actor>,
}

/// Who is given tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder<'a> {
    /// A client.
    Client(&'a Client),
    /// A workload, by the id under which it is known.
    Workload(&'a ClientId),
}

impl<'a> Holder<'a> {
    /// Under which id rules and records know it.
    pub(crate) fn id(self) -> &'a ClientId {
        match self {
            Self::Client(client) => &client.id,
            Self::Workload(id) => id,
        }
    }
}

impl From<&Code> for Standpoint {
    fn from(code: &Code) -> Self {
        Self {
            account: code.account,
            grant: code.grant,
            server: code.server.clone(),
            resource: code.resource.clone(),
            session: Some(code.session),
            nonce: code.nonce.clone(),
            auth_time: Some(code.auth_time),
            assurance: code.assurance,
            amr: methods(code.amr.as_deref()),
            actor: None,
        }
    }
}

impl From<&Allowed> for Standpoint {
    fn from(allowed: &Allowed) -> Self {
        Self {
            account: allowed.account,
            grant: allowed.grant,
            server: allowed.server.clone(),
            resource: allowed.resource.clone(),
            session: Some(allowed.session),
            nonce: None,
            auth_time: Some(allowed.auth_time),
            assurance: allowed.assurance,
            amr: methods(allowed.amr.as_deref()),
            actor: None,
        }
    }
}

impl From<&Grant> for Standpoint {
    fn from(grant: &Grant) -> Self {
        Self {
            account: grant.account,
            grant: grant.id,
            server: grant.server.clone(),
            resource: grant.resource.clone(),
            session: Some(grant.session),
            nonce: grant.nonce.clone(),
            auth_time: Some(grant.auth_time),
            assurance: grant.assurance,
            amr: methods(grant.amr.as_deref()),
            actor: None,
        }
    }
}

/// The methods of a proof as tokens carry them: so many that a token stays short, whatever a provider says.
fn methods(amr: Option<&str>) -> Vec<String> {
    let words = amr.unwrap_or_default().split_ascii_whitespace();
    let short = words.filter(|word| word.len() <= LONGEST_METHOD);
    short.take(MOST_METHODS).map(str::to_owned).collect()
}

/// Everything that may be asked of an issue was asked and answered with yes.
#[derive(Debug)]
pub(crate) struct Permit {
    standpoint: Standpoint,
    account: Arc<AccountView>,
    client: ClientId,
    algorithm: Algorithm,
    access: Duration,
}

impl Permit {
    /// The same, for so long at most.
    pub(crate) fn at_most(mut self, most: Duration) -> Self {
        self.access = self.access.min(most);
        self
    }
}

/// Tokens that were minted but not given out yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Minted {
    pub(crate) token: TokenId,
    pub(crate) access_token: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) scope: String,
    pub(crate) id_token: Option<String>,
}

impl AuthorizationServer {
    /// Asks everything. The account is as the database had it with the code or token that is presented, and not as memory
    /// has it: what is issued outlives this moment.
    pub(crate) fn permit(
        &self,
        standpoint: Standpoint,
        account: AccountView,
        holder: Holder<'_>,
    ) -> Result<Permit, IssueError> {
        let refused = |text: &str| IssueError::Refused(OAuthError::invalid_grant(text));
        if account.status != AccountStatus::Active {
            return Err(refused("the account is disabled"));
        }
        let mut known = None;
        if let Holder::Client(client) = holder {
            if client.disabled_at.is_some() || !self.is_allowed(client) {
                return Err(refused("this client may not be used any more"));
            }
            // Under this name the tokens are used.
            self.verifier.names().note(client);
            known = self.known_client(client).and_then(|known| known.access_token());
        }
        let resource = self.permitted_resource(&standpoint, &account)?;
        let target = standpoint.server.clone().map_or(Target::UserInfo, Target::Server);
        let is_of_a_sign_in = standpoint.auth_time.is_some();
        let demand = self.settings().demand(&target, &account, is_of_a_sign_in);
        let (auth_time, now) = (standpoint.auth_time.unwrap_or(Timestamp::EPOCH), self.world.now());
        if !demand.is_met(standpoint.assurance, auth_time, now + LEAST_ACCESS) {
            // With what a program has it would be refused for ever: it has to begin anew, and this is how it is told.
            return Err(refused(UNMET));
        }
        let algorithm = resource.map_or(Algorithm::Es256, |resource| resource.algorithm);
        let access = known
            .unwrap_or(self.settings().lifetimes.access)
            .min(LONGEST_ACCESS);
        // No longer than it is new enough.
        let new_enough = demand.max_age.map(|most| (auth_time + most).since(now));
        let access = new_enough.map_or(access, |left| access.min(left));
        Ok(Permit {
            standpoint,
            account: Arc::new(account),
            client: holder.id().clone(),
            algorithm,
            access,
        })
    }

    fn permitted_resource(
        &self,
        standpoint: &Standpoint,
        account: &AccountView,
    ) -> Result<Option<Arc<Resource>>, IssueError> {
        let refused = |text: &str| IssueError::Refused(OAuthError::invalid_grant(text));
        let Some(server) = &standpoint.server else {
            return Ok(None);
        };
        let settings = self.settings();
        let resource = settings
            .resource(server)
            .filter(|resource| resource.uri == standpoint.resource);
        let resource = resource.ok_or_else(|| refused("the server is gone"))?;
        if resource.allows(account) {
            Ok(Some(Arc::clone(resource)))
        } else {
            Err(refused("this person may not use this server any more"))
        }
    }

    /// Signs an access token, and an ID token with `openid`.
    pub(crate) fn mint(
        &self,
        permit: &Permit,
        generation: i64,
        scopes: &Scopes,
    ) -> Result<Minted, IssueError> {
        let now = self.world.now();
        let settings = self.settings();
        let standpoint = &permit.standpoint;
        let expires_at = Timestamp::from_seconds((now + permit.access).as_seconds());
        let claims = AccessClaims {
            iss: settings.issuer.clone(),
            sub: standpoint.account,
            aud: standpoint.resource.clone(),
            client_id: permit.client.clone(),
            scope: scopes.clone(),
            iat: now.as_seconds(),
            exp: expires_at.as_seconds(),
            jti: self.world.new_id(),
            grant: standpoint.grant,
            generation,
            auth_time: standpoint.auth_time.map(Timestamp::as_seconds),
            acr: standpoint.assurance.acr().map(str::to_owned),
            amr: standpoint.amr.clone(),
            act: standpoint.actor.clone(),
        };
        let signer = self.key_ring.signer(permit.algorithm)?;
        let access_token = jws::sign(&signer, ACCESS_TOKEN, &claims).map_err(KeyRingError::from)?;
        let id_token = if scopes.contains(scope::OPENID) {
            let id_claims = IdClaims {
                iss: settings.issuer.clone(),
                sub: standpoint.account,
                aud: permit.client.clone(),
                exp: (now + settings.lifetimes.id_token).as_seconds(),
                iat: now.as_seconds(),
                auth_time: standpoint.auth_time.unwrap_or(now).as_seconds(),
                acr: standpoint.assurance.acr().map(str::to_owned),
                amr: standpoint.amr.clone(),
                nonce: standpoint.nonce.clone(),
                at_hash: Some(at_hash(&access_token)),
                sid: standpoint.session.map(|session| session.to_string()),
                person: person_claims(&permit.account, scopes),
            };
            let signer = self.key_ring.signer(Algorithm::Rs256)?;
            Some(jws::sign(&signer, ID_TOKEN, &id_claims).map_err(KeyRingError::from)?)
        } else {
            None
        };
        Ok(Minted {
            token: claims.jti,
            access_token,
            expires_at,
            scope: scopes.to_string(),
            id_token,
        })
    }

    /// The answer that gives tokens out.
    pub(crate) fn response(&self, minted: &Minted, refresh_token: Option<String>) -> TokenResponse {
        TokenResponse {
            access_token: minted.access_token.clone(),
            token_type: "Bearer",
            expires_in: minted.expires_at.as_seconds() - self.world.now().as_seconds(),
            scope: minted.scope.clone(),
            refresh_token,
            id_token: minted.id_token.clone(),
        }
    }

    /// Records an issue.
    pub(crate) fn note_issue(&self, permit: &Permit, minted: &Minted, by: Issue, person: &Person) {
        let what = What::TokensIssued {
            account: permit.standpoint.account,
            client: permit.client.clone(),
            server: permit.standpoint.server.clone(),
            grant: permit.standpoint.grant,
            token: minted.token,
            scopes: minted.scope.clone(),
            by,
            act: permit
                .standpoint
                .actor
                .iter()
                .flat_map(Actor::chain)
                .cloned()
                .collect(),
        };
        let person = Person {
            username: Some(permit.account.username.to_string()),
            ..person.clone()
        };
        self.recorder.record(what, person);
    }
}

/// Claims about the person, each only with its scope (OpenID Connect Core section 5.4).
pub(crate) fn person_claims(account: &AccountView, scopes: &Scopes) -> PersonClaims {
    let mut claims = PersonClaims::default();
    if scopes.contains(scope::PROFILE) {
        claims.name = Some(account.display_name.clone());
        claims.preferred_username = Some(account.username.to_string());
    }
    if let Some((email, verified)) = account.email.as_ref().filter(|_| scopes.contains(scope::EMAIL)) {
        claims.email = Some(email.clone());
        claims.email_verified = Some(*verified);
    }
    if scopes.contains(scope::GROUPS) {
        claims.groups = Some(account.groups.iter().map(ToString::to_string).collect());
    }
    claims
}
