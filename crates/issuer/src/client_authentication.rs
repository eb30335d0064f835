//! Client authentication at the token, revocation and introspection endpoints (OS-48 to OS-51, OS-130,
//! CC-59, CC-60, DEC-6).
//!
//! Nothing but the client is looked at here: a failed authentication consumes no code and no refresh token.
//! No document is fetched; a client's copy in the database is the one that counts (CC-37).

use std::time::Duration;

use audit::{Person, What};
use keys::{PublicKeys, same, sha256};
use model::{ExposeSecret as _, SecretString, Timestamp};
use protocol::basic::BasicCredentials;
use protocol::client_metadata::ClientKeys;
use protocol::client_metadata::document::DocumentUrl;
use protocol::jwt::{AssertionClaims, Compact};
use protocol::metadata::{ASSERTION_ALGORITHMS, paths};
use protocol::{AuthMethod, OAuthError, Params};
use store::{Client, ClientSource, StoreError};
use thiserror::Error;
use tracing::info;

use crate::clients::Resolution;
use crate::server::AuthorizationServer;

/// The `client_assertion_type` of RFC 7523 section 2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion may be valid for so long at most.
const LONGEST_ASSERTION: Duration = Duration::from_hours(1);
/// How far a client's clock may be off (OS-12).
const SKEW: Duration = Duration::from_mins(1);

/// What a request brings to prove which client sends it.
#[derive(Debug, Default)]
pub struct Presented {
    /// The readings of an `Authorization: Basic` header; empty if there is none.
    pub basic: Vec<BasicCredentials>,
    /// `client_id` of the body.
    pub client_id: Option<String>,
    /// `client_secret` of the body.
    pub client_secret: Option<SecretString>,
    /// `client_assertion` of the body.
    pub assertion: Option<String>,
    /// `client_assertion_type` of the body.
    pub assertion_type: Option<String>,
}

/// A client that has proved who it is, as far as its kind can.
#[derive(Debug)]
pub struct Authenticated {
    /// The client.
    pub client: Client,
    /// How it did.
    pub method: AuthMethod,
}

/// Why a client is refused.
#[derive(Debug, Error)]
pub enum ClientError {
    /// `invalid_client`: 401, naming the Basic scheme if that was used.
    #[error("{error}")]
    Invalid {
        /// What to say.
        error: OAuthError,
        /// Whether `Authorization: Basic` was used.
        basic: bool,
    },
    /// `invalid_request`: credentials that contradict each other.
    #[error("{0}")]
    Request(OAuthError),
    /// Too many failures from one network.
    #[error("too many failed client authentications")]
    TooMany(Duration),
    /// The client's keys cannot be had at this moment, or the database does not answer; clients keep their
    /// tokens.
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Presented {
    /// Reads the credentials of a form body; `basic` is the header's reading.
    pub fn from_form(form: &Params, basic: Vec<BasicCredentials>) -> Result<Self, OAuthError> {
        let one = |name: &str| match form.one(name) {
            Ok(value) => Ok(value.map(str::to_owned)),
            Err(error) => Err(OAuthError::invalid_request(error.to_string())),
        };
        Ok(Self {
            basic,
            client_id: one("client_id")?,
            client_secret: one("client_secret")?.map(Into::into),
            assertion: one("client_assertion")?,
            assertion_type: one("client_assertion_type")?,
        })
    }

    /// The secrets to try; an empty one counts as none (CC-59).
    fn secrets(&self) -> Vec<&SecretString> {
        let all = self
            .basic
            .iter()
            .map(|basic| &basic.secret)
            .chain(&self.client_secret);
        all.filter(|secret| !secret.expose_secret().is_empty()).collect()
    }

    /// The one client id that all parts name.
    fn named(&self) -> Result<Option<&str>, OAuthError> {
        let body = self.client_id.as_deref();
        let fits = |id: &str| self.basic.is_empty() || self.basic.iter().any(|basic| basic.client_id == id);
        match (body, self.basic.first()) {
            (Some(id), _) if fits(id) => Ok(Some(id)),
            (Some(_), _) => Err(OAuthError::invalid_request(
                "client_id and the Authorization header name two clients",
            )),
            (None, basic) => Ok(basic.map(|basic| basic.client_id.as_str())),
        }
    }
}

impl AuthorizationServer {
    /// Authenticates the client of a request.
    pub async fn authenticate_client(
        &self,
        presented: &Presented,
        person: &Person,
    ) -> Result<Authenticated, ClientError> {
        let outcome = self.try_authenticate(presented).await;
        if let Err(ClientError::Invalid { error, .. }) = &outcome {
            let network = person.address.map(net::address::network_of);
            let client = presented
                .named()
                .ok()
                .flatten()
                .unwrap_or("-")
                .chars()
                .take(200)
                .collect();
            self.recorder.record(
                What::ClientRefused {
                    client,
                    reason: error.description.clone(),
                },
                person.clone(),
            );
            if let Some(network) = network
                && let Err(wait) = self.client_failures.take(&network)
            {
                return Err(ClientError::TooMany(wait));
            }
        }
        outcome
    }

    async fn try_authenticate(&self, presented: &Presented) -> Result<Authenticated, ClientError> {
        let invalid = |text: &str| ClientError::Invalid {
            error: OAuthError::invalid_client(text),
            basic: !presented.basic.is_empty(),
        };
        if presented.assertion.is_some() && !presented.secrets().is_empty() {
            let error = OAuthError::invalid_request("more than one way of client authentication");
            return Err(ClientError::Request(error));
        }
        if let Some(assertion) = &presented.assertion {
            return self.by_assertion(presented, assertion).await;
        }
        let named = presented.named().map_err(ClientError::Request)?;
        let id = named.ok_or_else(|| invalid("client_id is missing"))?;
        let client = self
            .known_to_us(id)
            .await?
            .ok_or_else(|| invalid("unknown client; register again"))?;
        let secrets = presented.secrets();
        match client.metadata.auth_method {
            AuthMethod::None if secrets.is_empty() => Ok(Authenticated {
                client,
                method: AuthMethod::None,
            }),
            AuthMethod::None => Err(invalid("this client is public and has no secret")),
            AuthMethod::PrivateKeyJwt => Err(invalid("this client authenticates with private_key_jwt")),
            method @ (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost) => {
                if secrets.is_empty() {
                    return Err(invalid("this client authenticates with its secret"));
                }
                // Which of the readings fits is not revealed by time: every pair is compared.
                let fits = secrets.iter().fold(false, |fits, secret| {
                    let digest = sha256(secret.expose_secret().as_bytes());
                    client
                        .secrets
                        .iter()
                        .fold(fits, |fits, known| same(known.as_bytes(), &digest) | fits)
                });
                if fits {
                    Ok(Authenticated { client, method })
                } else {
                    Err(invalid("the client secret is wrong"))
                }
            }
        }
    }

    /// The client as we know it. A vendor's client that the database has lost is known from its shipped
    /// document; nothing is fetched here.
    async fn known_to_us(&self, id: &str) -> Result<Option<Client>, ClientError> {
        Ok(match self.resolve_client(id, None).await? {
            Resolution::Known(client) => Some(*client),
            Resolution::NeedsPerson => self.shipped_client(id),
            _ => None,
        })
    }

    fn shipped_client(&self, id: &str) -> Option<Client> {
        use protocol::ClientMetadata;
        let url = DocumentUrl::parse(id).ok()?;
        let known_clients = self.known_clients();
        let document = known_clients.by_document(&url)?.1.to_string();
        let known = |scheme: &str| known_clients.knows_scheme(scheme);
        let metadata = ClientMetadata::from_document(&url, document.as_bytes(), known)
            .ok()?
            .metadata;
        let never = Timestamp::EPOCH;
        Some(Client {
            id: id.parse().ok()?,
            source: ClientSource::Document,
            metadata,
            registration: None,
            document_digest: None,
            fresh_until: None,
            created_at: never,
            updated_at: never,
            completed_at: None,
            last_used_at: never,
            disabled_at: None,
            secrets: Vec::new(),
        })
    }

    async fn by_assertion(
        &self,
        presented: &Presented,
        assertion: &str,
    ) -> Result<Authenticated, ClientError> {
        let invalid = |text: &str| ClientError::Invalid {
            error: OAuthError::invalid_client(text),
            basic: false,
        };
        if presented.assertion_type.as_deref() != Some(JWT_BEARER) {
            let text = format!("client_assertion_type must be {JWT_BEARER}");
            return Err(ClientError::Request(OAuthError::invalid_request(text)));
        }
        let token = Compact::parse(assertion).map_err(|error| invalid(&error.to_string()))?;
        // Not an access token, ID token or anything else that was signed for another use (OS-122).
        if !matches!(
            token.header.media_type().as_str(),
            "" | "jwt" | "client-authentication+jwt"
        ) {
            return Err(invalid("the assertion is of another type"));
        }
        let claims: AssertionClaims =
            keys::jws::claims(&token).ok_or_else(|| invalid("the assertion lacks iss, sub, aud or exp"))?;
        if claims.iss != claims.sub {
            return Err(invalid("iss and sub of the assertion differ"));
        }
        match presented.named() {
            Ok(None) => {}
            Ok(Some(id)) if id == claims.sub => {}
            _ => return Err(invalid("client_id is not the assertion's sub")),
        }
        let client = self
            .known_to_us(&claims.sub)
            .await?
            .ok_or_else(|| invalid("unknown client; register again"))?;
        let keys = match self.keys_of(&client, token.header.kid.as_deref()).await {
            // It might as well have sent no assertion: its document says so.
            Err(ClientError::Unavailable(why)) if client.metadata.auth_method == AuthMethod::None => {
                info!(client = %client.id, why, "an assertion of a public client could not be checked");
                return Ok(Authenticated {
                    client,
                    method: AuthMethod::None,
                });
            }
            keys => keys?.ok_or_else(|| invalid("this client has no keys"))?,
        };
        keys.verify(&token, &ASSERTION_ALGORITHMS)
            .map_err(|error| invalid(&error.to_string()))?;
        self.check_assertion_claims(&claims, assertion, &client).await?;
        Ok(Authenticated {
            client,
            method: AuthMethod::PrivateKeyJwt,
        })
    }

    async fn keys_of(&self, client: &Client, kid: Option<&str>) -> Result<Option<PublicKeys>, ClientError> {
        match &client.metadata.keys {
            Some(ClientKeys::Inline(jwks)) => Ok(Some(PublicKeys::from_jwks(jwks))),
            Some(ClientKeys::Uri(uri)) => match self.keys_at(uri, kid).await {
                Ok(keys) => Ok(Some(keys)),
                Err(why) => Err(ClientError::Unavailable(format!(
                    "the client's jwks_uri cannot be read: {why}"
                ))),
            },
            None => Ok(None),
        }
    }

    /// The signature is good; now its claims, and its single use last (RFC 7523 section 3).
    async fn check_assertion_claims(
        &self,
        claims: &AssertionClaims,
        assertion: &str,
        client: &Client,
    ) -> Result<(), ClientError> {
        let invalid = |text: &str| ClientError::Invalid {
            error: OAuthError::invalid_client(text),
            basic: false,
        };
        let now = self.world.now();
        let expires_at = Timestamp::from_seconds(claims.exp);
        if !self.is_ours(claims.aud.sole(), client) {
            return Err(invalid(
                "aud of the assertion must be the issuer and nothing else",
            ));
        }
        if expires_at <= now {
            return Err(invalid("the assertion has expired"));
        }
        if expires_at > now + LONGEST_ASSERTION {
            return Err(invalid("the assertion is valid for too long"));
        }
        let early = |at: Option<i64>| at.is_some_and(|at| Timestamp::from_seconds(at) > now + SKEW);
        if early(claims.nbf) || early(claims.iat) {
            return Err(invalid("the assertion is not valid yet"));
        }
        // Without a jti the assertion itself is the thing that is used once.
        let once = claims.jti.as_deref().unwrap_or(assertion);
        let id = client.id.as_str();
        let digest = sha256(format!("{}\0{id}\0{once}", id.len()).as_bytes());
        if !self.store.use_assertion(&digest, expires_at).await? {
            return Err(invalid("the assertion was used before"));
        }
        Ok(())
    }

    /// Whether an assertion's only audience is this server: its issuer, or, of a client that is known to do
    /// so and whose document says who it is, the token endpoint (DEC-6, OS-130).
    fn is_ours(&self, audience: Option<&str>, client: &Client) -> bool {
        let settings = self.settings();
        let exempt = || {
            let known = self.known_client(client);
            client.source == ClientSource::Document
                && known.is_some_and(|known| known.may_name_token_endpoint())
        };
        audience.is_some_and(|audience| {
            audience == settings.issuer.as_str()
                || audience == settings.issuer.endpoint(paths::TOKEN).as_str() && exempt()
        })
    }
}

#[cfg(test)]
mod tests;
