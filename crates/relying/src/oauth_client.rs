//! An OAuth client of the operator's at somebody else's authorization server: authorization code with PKCE, refresh,
//! revocation (RFC 6749, RFC 7636, RFC 7009).
//!
//! Providers differ in how they refuse: a status of the 400s with `error`, 200 with `error` (GitHub), 200 with
//! `ok: false` (Slack, CC-111). Only a refusal of the grant itself ends a connection; whatever else is wrong may pass.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, StatusCode};
use model::{SecretString, Timestamp, World};
use net::Body;
use serde_json::Value;
use thiserror::Error;
use url::Url;

pub use crate::client_authentication::Authentication;
use crate::client_authentication::Proving;
use crate::discovery;
pub use crate::endpoints::{Endpoints, Place};
use crate::outward::Way;
use crate::protected_resource::authorization_server;
use crate::token_request::ask;

/// So long metadata is taken without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// What providers call a code or a refresh token that does not count.
const OF_THE_GRANT: [&str; 6] = [
    "invalid_grant",
    "bad_refresh_token",
    "invalid_refresh_token",
    "bad_verification_code",
    "invalid_code",
    "token_revoked",
];

/// Who we are at a provider.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What the provider calls us.
    pub client_id: String,
    /// How we prove ourselves.
    pub authentication: Authentication,
}

/// What the operator says of a provider.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What is asked for, as the provider wants it written.
    pub scope: String,
    /// Whether codes are bound to a verifier (RFC 7636).
    pub pkce: bool,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// The resource that tokens are for (RFC 8707), where the provider takes one.
    pub resource: Option<String>,
    /// Where in an answer the tokens are: a JSON pointer, empty for the answer itself.
    pub tokens_at: String,
}

/// What the token endpoint gave.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: SecretString,
    /// The refresh token, if there is one or a new one.
    pub refresh_token: Option<SecretString>,
    /// How long the access token lives.
    pub lives: Option<Duration>,
    /// What it is good for, if that is not what was asked for (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// Who signed in, where that was asked for (OpenID Connect Core section 3.1.3.3).
    pub id_token: Option<SecretString>,
}

/// Why there are no tokens.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// The code or the refresh token does not count.
    #[error("the provider does not take it: {0}")]
    Refused(String),
    /// We are not its client, or did not prove it.
    #[error("the provider does not know this client: {0}")]
    Client(String),
    /// Something that passes, or that the operator has to mend.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(String),
    /// The answer names another issuer, or none where it must: a mix-up (RFC 9207 section 2.4).
    #[error("the answer is of another issuer")]
    Issuer,
}

/// A client at one provider.
#[derive(Debug)]
pub struct OAuthClient {
    /// What the operator says.
    pub registration: Registration,
    place: Place,
    pub(crate) client: Way,
    found: ArcSwapOption<(Endpoints, Timestamp)>,
}

impl OAuthClient {
    /// Asks nobody yet.
    pub fn new(registration: Registration, place: Place, client: impl Into<Way>) -> Self {
        Self {
            registration,
            place,
            client: client.into(),
            found: ArcSwapOption::empty(),
        }
    }

    /// The endpoints, named or found.
    pub async fn endpoints(&self, now: Timestamp) -> Result<Endpoints, ClientError> {
        if let Some(found) = &*self.found.load()
            && now.since(found.1) < FRESH
        {
            return Ok(found.0.clone());
        }
        let endpoints = match &self.place {
            Place::Named(endpoints) => return Ok(Endpoints::clone(endpoints)),
            Place::Issuer(issuer) => {
                let document = discovery::document(&self.client, issuer).await;
                Endpoints::read(&document.map_err(unavailable)?, issuer)?
            }
            Place::Guards { server, issuer } => {
                let document = authorization_server(&self.client, server, issuer).await;
                Endpoints::read(&document.map_err(unavailable)?, issuer)?
            }
        };
        self.found.store(Some(Arc::new((endpoints.clone(), now))));
        Ok(endpoints)
    }

    /// Takes endpoints that somebody read a moment ago.
    pub fn knows(&self, endpoints: Endpoints, now: Timestamp) {
        self.found.store(Some(Arc::new((endpoints, now))));
    }

    /// Where the browser goes.
    pub async fn authorization_url(
        &self,
        identity: &Identity,
        redirect_uri: &str,
        state: &str,
        code_challenge: &str,
        now: Timestamp,
    ) -> Result<Url, ClientError> {
        let mut url = self.endpoints(now).await?.authorization;
        let registration = &self.registration;
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs([
                ("response_type", "code"),
                ("client_id", &identity.client_id),
                ("redirect_uri", redirect_uri),
                ("state", state),
            ]);
            if !registration.scope.is_empty() {
                query.append_pair("scope", &registration.scope);
            }
            if registration.pkce {
                query.append_pair("code_challenge", code_challenge);
                query.append_pair("code_challenge_method", "S256");
            }
            if let Some(resource) = &registration.resource {
                query.append_pair("resource", resource);
            }
            query.extend_pairs(&registration.parameters);
        }
        Ok(url)
    }

    /// Checks whose answer it is, before anything else of it is looked at.
    pub async fn check_issuer(&self, iss: Option<&str>, now: Timestamp) -> Result<(), ClientError> {
        let Some(issuer) = self.place.issuer() else {
            // Nothing is known to compare it with; each provider has an address of its own to come back to.
            return Ok(());
        };
        match iss {
            Some(iss) if iss == issuer => Ok(()),
            Some(_) => Err(ClientError::Issuer),
            None if self.endpoints(now).await?.names_issuer => Err(ClientError::Issuer),
            None => Ok(()),
        }
    }

    /// Redeems a code.
    pub async fn redeem(
        &self,
        identity: &Identity,
        code: &str,
        redirect_uri: &str,
        code_verifier: &str,
        world: &World,
    ) -> Result<Tokens, ClientError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
        ];
        if self.registration.pkce {
            fields.push(("code_verifier", code_verifier));
        }
        if let Some(resource) = &self.registration.resource {
            fields.push(("resource", resource));
        }
        let (status, answer) = self.answer(identity, fields, world).await?;
        read(status, &answer, self.registration.tokens_at.as_str())
    }

    /// Redeems a refresh token.
    pub async fn refresh(
        &self,
        identity: &Identity,
        refresh_token: &str,
        world: &World,
    ) -> Result<Tokens, ClientError> {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        if let Some(resource) = &self.registration.resource {
            fields.push(("resource", resource));
        }
        let (status, answer) = self.answer(identity, fields, world).await?;
        // A refresh token is of one token alone, and Slack then answers with that one, at the top.
        let tokens_at = self.registration.tokens_at.as_str();
        let is_there = answer.pointer(tokens_at).is_some();
        read(status, &answer, if is_there { tokens_at } else { "" })
    }

    /// Revokes a token. Gives whether the provider has an endpoint for that and took it.
    pub async fn revoke(&self, identity: &Identity, token: &str, world: &World) -> Result<bool, ClientError> {
        let endpoints = self.endpoints(world.now()).await?;
        let Some(url) = &endpoints.revocation else {
            return Ok(false);
        };
        let request = self.request(identity, url, vec![("token", token)], (&endpoints, world))?;
        let (status, _) = ask(&self.client, request).await.map_err(unavailable)?;
        if status.is_success() {
            Ok(true)
        } else {
            Err(ClientError::Unavailable(format!("it answered {status}")))
        }
    }

    pub(crate) async fn answer<'a>(
        &'a self,
        identity: &'a Identity,
        fields: Vec<(&'a str, &'a str)>,
        world: &World,
    ) -> Result<(StatusCode, Value), ClientError> {
        let endpoints = self.endpoints(world.now()).await?;
        let request = self.request(identity, &endpoints.token, fields, (&endpoints, world))?;
        ask(&self.client, request).await.map_err(unavailable)
    }

    /// With the proof that it is us who ask.
    pub(crate) fn request<'a>(
        &'a self,
        identity: &'a Identity,
        url: &Url,
        fields: Vec<(&'a str, &'a str)>,
        (endpoints, world): (&'a Endpoints, &World),
    ) -> Result<Request<Body>, ClientError> {
        let proving = Proving {
            client_id: &identity.client_id,
            authentication: &identity.authentication,
            audience: self.audience(endpoints),
        };
        proving.request(url, fields, world).map_err(unavailable)
    }

    /// Whom an assertion is for: the issuer where it is known, so that nobody else can use it; else the token endpoint
    /// (RFC 7523 section 3).
    fn audience<'a>(&'a self, endpoints: &'a Endpoints) -> &'a str {
        let known = Some(endpoints.issuer.as_str()).filter(|issuer| !issuer.is_empty());
        self.place.issuer().or(known).unwrap_or(endpoints.token.as_str())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(error: impl ToString) -> ClientError {
    ClientError::Unavailable(error.to_string())
}

/// Makes sense of an answer. Errors hold the provider's word for it and nothing else.
pub(crate) fn read(status: StatusCode, answer: &Value, tokens_at: &str) -> Result<Tokens, ClientError> {
    let error = answer["error"].as_str().filter(|error| !error.is_empty());
    if let Some(error) = error {
        let word: String = error.chars().take(80).collect();
        return Err(if OF_THE_GRANT.contains(&error) {
            ClientError::Refused(word)
        } else if error == "invalid_client" {
            ClientError::Client(word)
        } else {
            ClientError::Unavailable(format!("it answered {word}"))
        });
    }
    if !status.is_success() {
        return Err(ClientError::Unavailable(format!("it answered {status}")));
    }
    let tokens = answer.pointer(tokens_at).unwrap_or(&Value::Null);
    let text = |member: &str| {
        let text = tokens[member].as_str().filter(|text| !text.is_empty());
        text.map(|text| SecretString::from(text.to_owned()))
    };
    let lives = match &tokens["expires_in"] {
        Value::Number(seconds) => seconds.as_u64(),
        // Some write numbers as texts.
        Value::String(seconds) => seconds.parse().ok(),
        _ => None,
    };
    Ok(Tokens {
        access_token: text("access_token")
            .ok_or_else(|| ClientError::Unavailable("it answered without a token".to_owned()))?,
        refresh_token: text("refresh_token"),
        lives: lives.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        scope: tokens["scope"].as_str().map(str::to_owned),
        id_token: text("id_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ExposeSecret as _;
    use serde_json::json;

    /// CC-111: each provider's way to refuse is understood, and only a refusal of the grant ends anything.
    #[test]
    fn refusals_are_told_from_trouble() {
        let of = |status: u16, answer: Value| {
            let read = read(StatusCode::from_u16(status).unwrap(), &answer, "");
            match read.map(|_| ()) {
                Ok(()) => "tokens",
                Err(ClientError::Refused(_)) => "refused",
                Err(_) => "trouble",
            }
        };
        assert_eq!(of(400, json!({ "error": "invalid_grant" })), "refused");
        assert_eq!(of(200, json!({ "error": "bad_refresh_token" })), "refused");
        assert_eq!(
            of(200, json!({ "ok": false, "error": "invalid_refresh_token" })),
            "refused"
        );
        assert_eq!(of(401, json!({ "error": "invalid_client" })), "trouble");
        assert_eq!(of(500, json!(null)), "trouble");
        assert_eq!(of(400, json!(null)), "trouble");
        assert_eq!(of(200, json!({ "token_type": "bearer" })), "trouble");
        assert_eq!(
            of(200, json!({ "access_token": "a", "expires_in": "3600" })),
            "tokens"
        );
    }

    #[test]
    fn tokens_are_found_where_the_provider_puts_them() {
        let answer = json!({ "ok": true, "access_token": "bot", "authed_user": { "access_token": "user", "expires_in": 43200 } });
        let tokens = read(StatusCode::OK, &answer, "/authed_user").unwrap();
        assert_eq!(tokens.access_token.expose_secret(), "user");
        assert_eq!(tokens.lives, Some(Duration::from_hours(12)));
    }
}
