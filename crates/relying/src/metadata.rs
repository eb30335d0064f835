//! What an OpenID provider says of itself (OpenID Connect Discovery 1.0 section 3), as far as signing in needs it.

use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::discovery::{self, FetchError};

/// The scope that a refresh token is asked for with (OpenID Connect Core section 11).
pub(crate) const OFFLINE: &str = "offline_access";

/// How a client proves itself at the token endpoint (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `none`: PKCE alone.
    None,
}

/// A provider's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// Where browsers go.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where more is said of the person, if anywhere.
    pub userinfo_endpoint: Option<Url>,
    /// Where browsers go to sign out there (OpenID Connect RP-Initiated Logout 1.0 section 2.1).
    pub end_session_endpoint: Option<Url>,
    /// Whether every answer names its issuer (RFC 9207 section 3).
    pub names_issuer: bool,
    /// Whether it knows the scope `offline_access` (OpenID Connect Core section 11).
    pub offers_offline_access: bool,
    /// How a client with a secret proves itself if the configuration does not say.
    pub with_secret: ClientAuthentication,
}

/// Metadata that nobody can sign in by.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum MetadataError {
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An endpoint is missing, or not over https.
    #[error("the metadata names no {0} over https")]
    Endpoint(&'static str),
}

impl ProviderMetadata {
    /// Reads a document that is known to be this issuer's.
    pub(crate) fn read(document: &Value, issuer: &str) -> Result<Self, MetadataError> {
        let endpoint = |member: &'static str| {
            discovery::endpoint(document, member, issuer).ok_or(MetadataError::Endpoint(member))
        };
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            userinfo_endpoint: endpoint("userinfo_endpoint").ok(),
            end_session_endpoint: endpoint("end_session_endpoint").ok(),
            names_issuer: document["authorization_response_iss_parameter_supported"] == Value::Bool(true),
            offers_offline_access: document["scopes_supported"]
                .as_array()
                .is_some_and(|scopes| scopes.iter().any(|scope| scope == OFFLINE)),
            with_secret: with_secret(&document["token_endpoint_auth_methods_supported"]),
        })
    }
}

/// Basic if it is offered or nothing is said, which means the same (Discovery section 3).
fn with_secret(methods: &Value) -> ClientAuthentication {
    let offered = |name: &str| {
        let listed = methods.as_array().map(Vec::as_slice).unwrap_or_default();
        listed.iter().any(|method| method == name)
    };
    if !offered("client_secret_basic") && offered("client_secret_post") {
        ClientAuthentication::Post
    } else {
        ClientAuthentication::Basic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://login.example.com";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token",
        })
    }

    #[test]
    fn the_way_to_prove_oneself_is_what_the_provider_offers() {
        let chosen = |methods: Value| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            ProviderMetadata::read(&document, ISSUER).unwrap().with_secret
        };
        assert_eq!(chosen(Value::Null), ClientAuthentication::Basic);
        assert_eq!(chosen(json!(["client_secret_post"])), ClientAuthentication::Post);
        let both = json!(["client_secret_post", "client_secret_basic"]);
        assert_eq!(chosen(both), ClientAuthentication::Basic);
    }

    #[test]
    fn an_endpoint_in_the_clear_is_none() {
        let mut document = document();
        document["token_endpoint"] = json!("http://login.example.com/token");
        assert_eq!(
            ProviderMetadata::read(&document, ISSUER),
            Err(MetadataError::Endpoint("token_endpoint"))
        );
    }
}
