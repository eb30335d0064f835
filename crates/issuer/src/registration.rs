//! Dynamic client registration (RFC 7591) and its management (RFC 7592), as DEC-7 and CC-29 to CC-36 say.
//!
//! A public registration is content-addressed: the same program registering the same thing again gets the
//! same id and the same row, so registrations do not pile up and a lost one comes back by itself. A
//! confidential registration is unique, has a secret or keys, and can be managed with its token.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use audit::{Person, What};
use data_encoding::BASE64URL_NOPAD;
use keys::{digest_of, sha256};
use model::{ClientId, OpaqueToken, TokenKind};
use net::address::site_of;
use protocol::client_metadata::{ClientKeys, ClientMetadata, MetadataError, Parsed};
use protocol::metadata::{grants, paths};
use protocol::{AuthMethod, ErrorCode, OAuthError};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Client, ClientSource, NewClient, StoreError};
use thiserror::Error;
use tracing::info;

use crate::clients::redirect_is_allowed;
use crate::server::AuthorizationServer;
use crate::settings::Registration;

/// How many new registrations one network may make (CC-36).
pub(crate) const PER_NETWORK: (u32, Duration) = (120, Duration::from_mins(10));

/// The answer to a registration (RFC 7591 section 3.2.1). Nothing in it is null or empty (CC-31).
#[derive(Debug, Serialize)]
pub struct Registered {
    client_id: String,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redirect_uris: Vec<String>,
    grant_types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_types: Vec<&'static str>,
    token_endpoint_auth_method: &'static str,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    post_logout_redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
}

/// Why a registration was refused.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// Nobody may register here (CC-30): 403.
    #[error("{0}")]
    Closed(OAuthError),
    /// Something in the body cannot be used: 400.
    #[error("{0}")]
    Refused(OAuthError),
    /// Too many new registrations from one network: 429.
    #[error("too many registrations")]
    TooMany(Duration),
    /// The registration access token is not good (any more): 401.
    #[error("the registration access token is not valid")]
    NotYours,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MetadataError> for RegistrationError {
    fn from(error: MetadataError) -> Self {
        let code = if error.is_about_redirects() {
            ErrorCode::InvalidRedirectUri
        } else {
            ErrorCode::InvalidClientMetadata
        };
        Self::Refused(OAuthError::new(code, error.to_string()))
    }
}

impl AuthorizationServer {
    /// Registers a client.
    pub async fn register(
        &self,
        body: &[u8],
        address: IpAddr,
        person: Person,
    ) -> Result<Registered, RegistrationError> {
        let settings = self.settings();
        if settings.registration == Registration::Closed {
            let contact = settings.contact.as_deref().unwrap_or("your administrator");
            let text = format!("registration is closed here; ask {contact} for a client id");
            return Err(RegistrationError::Closed(OAuthError::new(
                ErrorCode::AccessDenied,
                text,
            )));
        }
        let metadata = self.read_registration(body)?;
        let registered = if metadata.auth_method == AuthMethod::None {
            self.register_public(metadata, address).await?
        } else {
            self.register_confidential(metadata, address).await?
        };
        if let Ok(client) = registered.client_id.parse() {
            let name = registered.client_name.clone();
            self.recorder
                .record(What::ClientRegistered { client, name }, person);
        }
        Ok(registered)
    }

    fn read_registration(&self, body: &[u8]) -> Result<ClientMetadata, RegistrationError> {
        let known_clients = self.known_clients();
        let known = |scheme: &str| known_clients.knows_scheme(scheme);
        let Parsed {
            mut metadata,
            mut dropped,
        } = ClientMetadata::from_registration(body, known)?;
        metadata.device &= self.settings().device;
        if !metadata.device && metadata.redirect_uris.is_empty() {
            return Err(MetadataError::GrantTypes.into());
        }
        if let Some(hosts) = &self.settings().allowed_hosts {
            metadata.redirect_uris.retain(|uri| {
                let allowed = redirect_is_allowed(uri, hosts);
                if !allowed {
                    dropped.push((uri.to_string(), protocol::redirect::RedirectError::UnknownScheme));
                }
                allowed
            });
            if metadata.redirect_uris.is_empty() {
                let contact = self
                    .settings()
                    .contact
                    .clone()
                    .unwrap_or_else(|| "your administrator".to_owned());
                let text =
                    format!("none of the redirect_uris is on a host that is allowed here; ask {contact}");
                return Err(RegistrationError::Refused(OAuthError::new(
                    ErrorCode::InvalidRedirectUri,
                    text,
                )));
            }
        }
        for (uri, why) in &dropped {
            info!(uri, %why, "a redirect URI of a registration was dropped");
        }
        Ok(metadata)
    }

    async fn register_public(
        &self,
        metadata: ClientMetadata,
        address: IpAddr,
    ) -> Result<Registered, RegistrationError> {
        let id: ClientId = content_id(&metadata)
            .parse()
            .map_err(|_| RegistrationError::NotYours)?;
        if self.store.client(&id).await?.is_none() {
            self.limit_registrations(address)?;
        }
        let client = NewClient {
            id: id.clone(),
            source: ClientSource::Registration,
            metadata: metadata.clone(),
            registration: None,
            secrets: Vec::new(),
        };
        self.store.add_client(&client, self.world.now()).await?;
        let issued_at = self
            .store
            .client(&id)
            .await?
            .map_or_else(|| self.world.now(), |client| client.created_at);
        Ok(answer(&id, issued_at.as_seconds(), &metadata))
    }

    async fn register_confidential(
        &self,
        metadata: ClientMetadata,
        address: IpAddr,
    ) -> Result<Registered, RegistrationError> {
        self.limit_registrations(address)?;
        let id = format!("reg-{}", BASE64URL_NOPAD.encode(&self.world.random::<20>()));
        let id: ClientId = id.parse().map_err(|_| RegistrationError::NotYours)?;
        let registration = self.world.new_token(TokenKind::Registration);
        let secret = metadata
            .auth_method
            .is_shared_secret()
            .then(|| self.world.new_token(TokenKind::ClientSecret));
        let now = self.world.now();
        let client = NewClient {
            id: id.clone(),
            source: ClientSource::Registration,
            metadata: metadata.clone(),
            registration: Some(digest_of(&registration)),
            secrets: secret.iter().map(digest_of).collect(),
        };
        self.store.add_client(&client, now).await?;
        let mut registered = answer(&id, now.as_seconds(), &metadata);
        if let Some(secret) = secret {
            registered.client_secret = Some(secret.expose().to_owned());
            registered.client_secret_expires_at = Some(0);
        }
        registered.registration_access_token = Some(registration.expose().to_owned());
        registered.registration_client_uri = Some(self.management_uri(&id));
        Ok(registered)
    }

    fn management_uri(&self, id: &ClientId) -> String {
        self.settings()
            .issuer
            .endpoint(&format!("{}/{id}", paths::REGISTER))
    }

    fn limit_registrations(&self, address: IpAddr) -> Result<(), RegistrationError> {
        let exempt = &self.settings().unlimited_registration;
        if exempt
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
        {
            return Ok(());
        }
        let site = site_of(address);
        self.registrations.take(&site).map_err(RegistrationError::TooMany)
    }

    /// Reads a registration back (RFC 7592 section 2.1).
    pub async fn registration(&self, id: &str, token: &str) -> Result<Registered, RegistrationError> {
        let (client, _) = self.owned_registration(id, token).await?;
        let mut registered = answer(&client.id, client.created_at.as_seconds(), &client.metadata);
        registered.registration_client_uri = Some(self.management_uri(&client.id));
        registered.registration_access_token = Some(token.to_owned());
        Ok(registered)
    }

    /// Replaces a registration (RFC 7592 section 2.2).
    pub async fn update_registration(
        &self,
        id: &str,
        token: &str,
        body: &[u8],
    ) -> Result<Registered, RegistrationError> {
        let (client, token_digest) = self.owned_registration(id, token).await?;
        let refused =
            |text: &str| RegistrationError::Refused(OAuthError::new(ErrorCode::InvalidClientMetadata, text));
        let sent: Value = serde_json::from_slice(body).map_err(|_| MetadataError::NotAnObject)?;
        if sent.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
            return Err(refused("client_id must be the registered one"));
        }
        let reserved = [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
        ];
        if let Some(name) = reserved.into_iter().find(|name| sent.get(name).is_some()) {
            return Err(refused(&format!("{name} must not be sent")));
        }
        if let Some(secret) = sent.get("client_secret").and_then(Value::as_str) {
            let digest = sha256(secret.as_bytes());
            if !client
                .secrets
                .iter()
                .any(|known| keys::same(known.as_bytes(), &digest))
            {
                return Err(refused("client_secret is not the current one"));
            }
        }
        let metadata = self.read_registration(body)?;
        // A changed kind of client is a different client: its secret and its consents would not fit.
        if metadata.auth_method != client.metadata.auth_method {
            return Err(refused(
                "token_endpoint_auth_method cannot be changed; register anew",
            ));
        }
        let now = self.world.now();
        if !self
            .store
            .update_registration(&client.id, &token_digest, &metadata, now)
            .await?
        {
            return Err(RegistrationError::NotYours);
        }
        self.registration(id, token).await
    }

    /// Deletes a registration with all its grants (RFC 7592 section 2.3).
    pub async fn delete_registration(&self, id: &str, token: &str) -> Result<(), RegistrationError> {
        let (client, _) = self.owned_registration(id, token).await?;
        self.store.remove_client(&client.id, self.world.now()).await?;
        Ok(())
    }

    async fn owned_registration(
        &self,
        id: &str,
        token: &str,
    ) -> Result<(Client, model::TokenDigest), RegistrationError> {
        let digest = OpaqueToken::parse(TokenKind::Registration, token).map(|token| digest_of(&token));
        let digest = digest.map_err(|_| RegistrationError::NotYours)?;
        let id: ClientId = id.parse().map_err(|_| RegistrationError::NotYours)?;
        let client = self
            .store
            .client(&id)
            .await?
            .filter(|client| client.disabled_at.is_none());
        let client = client.ok_or(RegistrationError::NotYours)?;
        let owned = client
            .registration
            .is_some_and(|known| keys::same(known.as_bytes(), digest.as_bytes()));
        if owned {
            Ok((client, digest))
        } else {
            Err(RegistrationError::NotYours)
        }
    }
}

/// The id of a public registration: a digest of what it says, without loopback ports and in a fixed order
/// (CC-34). A client cannot choose it (OS-106), only meet it.
fn content_id(metadata: &ClientMetadata) -> String {
    let mut uris: Vec<String> = metadata
        .redirect_uris
        .iter()
        .map(protocol::RedirectUri::without_loopback_port)
        .collect();
    uris.sort_unstable();
    uris.dedup();
    // In the order of the names, whatever order the library would keep.
    let mut content = BTreeMap::from([
        ("redirect_uris", json!(uris)),
        ("client_name", json!(metadata.client_name)),
        ("refresh", json!(metadata.refresh)),
        ("scope", json!(metadata.scope)),
        ("keys", json!(metadata.keys)),
        (
            "post_logout_redirect_uris",
            json!(metadata.post_logout_redirect_uris),
        ),
    ]);
    // Not said where it is not so: the ids of before stay what they were.
    if metadata.device {
        content.insert("device", json!(true));
    }
    let content = json!(content).to_string();
    format!(
        "pub-{}",
        BASE64URL_NOPAD.encode(&sha256(content.as_bytes())[..20])
    )
}

/// Echoes what is kept, in the client's own spelling.
fn answer(id: &ClientId, issued_at: i64, metadata: &ClientMetadata) -> Registered {
    let everything = protocol::scope::KNOWN.join(" ");
    let (jwks, jwks_uri) = match &metadata.keys {
        Some(ClientKeys::Inline(jwks)) => (Some(jwks.clone()), None),
        Some(ClientKeys::Uri(uri)) => (None, Some(uri.clone())),
        None => (None, None),
    };
    let by_redirect = !metadata.redirect_uris.is_empty();
    let kinds = [
        (grants::AUTHORIZATION_CODE, by_redirect),
        (grants::REFRESH_TOKEN, metadata.refresh),
        (grants::DEVICE_CODE, metadata.device),
    ];
    let grant_types = kinds.into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
    Registered {
        client_id: id.to_string(),
        client_id_issued_at: issued_at,
        client_secret: None,
        client_secret_expires_at: None,
        redirect_uris: metadata.redirect_uris.iter().map(ToString::to_string).collect(),
        grant_types: grant_types.collect(),
        response_types: by_redirect.then_some("code").into_iter().collect(),
        token_endpoint_auth_method: metadata.auth_method.as_str(),
        scope: metadata.scope.as_ref().map_or(everything, ToString::to_string),
        client_name: metadata.client_name.clone(),
        jwks,
        jwks_uri,
        post_logout_redirect_uris: metadata
            .post_logout_redirect_uris
            .iter()
            .map(ToString::to_string)
            .collect(),
        registration_access_token: None,
        registration_client_uri: None,
    }
}

#[cfg(test)]
mod tests;
