//! Token exchange (RFC 8693, OS-76 to OS-79): a server behind this door that was called by somebody calls another one for them.
//!
//! Always delegation, never impersonation: the new token says in `act` who acts, and who acted before. It stands on the same
//! grant as the one that was shown, so that whatever ends that ends it; it never lives longer and never has more.

use std::sync::Arc;

use audit::{Issue, Person};
use model::ServerName;
use protocol::jwt::Actor;
use protocol::{ErrorCode, OAuthError, Params, Scopes, scope};
use serde::Serialize;
use store::Client;

use crate::clients::is_confidential;
use crate::code::single;
use crate::issue::{Holder, IssueError, Standpoint, TokenResponse};
use crate::machine::unauthorized;
use crate::server::AuthorizationServer;
use crate::settings::Resource;
use crate::verify::{Access, is_current};

/// The type of what is shown and of what is given (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// A JWT; our access tokens are some.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// So many may stand behind each other; a longer chain is a circle.
const LONGEST_CHAIN: usize = 4;

/// What a client may exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Tokens for these servers.
    pub from: Vec<ServerName>,
    /// For tokens for these.
    pub to: Vec<ServerName>,
    /// With this at most.
    pub scope: Scopes,
}

/// The answer (RFC 8693 section 2.2.1).
#[derive(Clone, Debug, Serialize)]
pub struct ExchangeResponse {
    /// The token.
    #[serde(flatten)]
    pub tokens: TokenResponse,
    /// What it is.
    pub issued_token_type: &'static str,
}

impl AuthorizationServer {
    /// Exchanges an access token of ours for one for another server.
    ///
    /// # Errors
    /// The client may not, or the token does not count: `invalid_request`, as section 2.2.2 says.
    pub async fn token_exchange(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<ExchangeResponse, IssueError> {
        let settings = self.settings();
        let exchange = settings.machines.exchanges.get(&client.id).cloned();
        let exchange = exchange.filter(|_| is_confidential(client));
        drop(settings);
        let exchange = exchange.ok_or_else(|| unauthorized("this client may not exchange tokens"))?;
        let outcome = self.exchange(client, &exchange, form, person).await;
        if let Err(IssueError::Refused(why)) = &outcome {
            self.note_refused_grant(&client.id, None, &why.description, person);
        }
        outcome
    }

    async fn exchange(
        &self,
        client: &Client,
        exchange: &Exchange,
        form: &Params,
        person: &Person,
    ) -> Result<ExchangeResponse, IssueError> {
        let (subject, from) = self.subject(exchange, form)?;
        let account = self.store.account_view(subject.account).await?;
        let account = account.filter(|account| is_current(account, &subject));
        let account = account.ok_or_else(|| invalid("the account of subject_token is gone"))?;
        if !from.programs.still_have(&subject, &account) {
            return Err(invalid("subject_token: token revoked"));
        }
        let resource = self.machine_target(form, &exchange.to)?;
        let actor = Actor {
            sub: client.id.clone(),
            act: match &subject.actor {
                Some(before) => Some(Box::new(before.clone())),
                // Who was given the token acts before whoever it was shown to.
                None => Some(Box::new(Actor {
                    sub: subject.client.clone(),
                    act: None,
                })),
            },
        };
        if actor.chain().count() > LONGEST_CHAIN {
            return Err(invalid("too many act for each other already"));
        }
        // A scope of one server says nothing at another; what is beside `mcp` is for who may have it there.
        let most = exchange.scope.clone();
        let is_elsewhere = subject.audience != resource.uri;
        let most = if is_elsewhere && subject.scopes.contains(scope::MCP) {
            most
        } else {
            most.intersection(&subject.scopes)
        };
        let scopes = Self::machine_scopes(form, &most, &resource, &account)?;
        let standpoint = Standpoint {
            account: subject.account,
            grant: subject.grant,
            server: Some(resource.name.clone()),
            resource: resource.uri.clone(),
            session: None,
            nonce: None,
            auth_time: subject.auth_time,
            assurance: subject.assurance,
            amr: subject.amr.clone(),
            actor: Some(actor),
        };
        let left = subject.expires_at.since(self.world.now());
        let permit = self.permit(standpoint, account, Holder::Client(client));
        // Section 2.2.2 has no `invalid_grant`.
        let permit = permit.map_err(|error| match error {
            IssueError::Refused(why) => invalid(&why.description),
            error => error,
        })?;
        let permit = permit.at_most(left);
        let minted = self.mint(&permit, subject.generation, &scopes)?;
        self.note_issue(&permit, &minted, Issue::TokenExchange, person);
        Ok(ExchangeResponse {
            tokens: self.response(&minted, None),
            issued_token_type: ACCESS_TOKEN,
        })
    }

    /// The token that is shown, if it counts and is for a server that the client stands for (OS-77).
    fn subject(
        &self,
        exchange: &Exchange,
        form: &Params,
    ) -> Result<(Arc<Access>, Arc<Resource>), IssueError> {
        let one = |name: &str| single(form, name);
        let missing = |name: &str| invalid(&format!("{name} is missing"));
        let token = one("subject_token")?.ok_or_else(|| missing("subject_token"))?;
        let is_known = |kind: &str| kind == ACCESS_TOKEN || kind == JWT;
        match one("subject_token_type")? {
            None => return Err(missing("subject_token_type")),
            Some(kind) if is_known(kind) => {}
            Some(_) => return Err(invalid("subject_token_type must be an access token")),
        }
        if one("requested_token_type")?.is_some_and(|kind| !is_known(kind)) {
            return Err(invalid("requested_token_type must be an access token"));
        }
        if one("actor_token")?.is_some() || one("actor_token_type")?.is_some() {
            return Err(invalid("the client itself acts; actor_token is not taken"));
        }
        if one("audience")?.is_some() {
            let text = "say with resource which server the token is for";
            return Err(OAuthError::invalid_target(text).into());
        }
        let access = self.verifier.verify(token);
        let access = access.map_err(|error| invalid(&format!("subject_token: {error}")))?;
        let settings = self.settings();
        let mut from = exchange.from.iter().filter_map(|name| settings.resource(name));
        let from = from.find(|resource| resource.uri == access.audience);
        let from = from
            .cloned()
            .ok_or_else(|| invalid("subject_token is for a server that this client does not stand for"))?;
        Ok((access, from))
    }
}

fn invalid(text: &str) -> IssueError {
    OAuthError::new(ErrorCode::InvalidRequest, text).into()
}
