//! Finding an issuer's key set by its metadata: OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3.

use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header};
use net::body;
use net::operators::CallError;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::outward::Outward;

/// Most bytes of a metadata document or a key set.
const LARGEST: usize = 256 << 10;
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a document cannot be had.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// Nobody could be reached.
    #[error("{0}")]
    Call(#[from] CallError),
    /// Another status than 200; redirects are not followed.
    #[error("{url} answered {status}")]
    Status {
        /// Who.
        url: String,
        /// What.
        status: StatusCode,
    },
    /// Larger, slower or shorter than a document may be.
    #[error("{0}: {1}")]
    Body(String, body::ReadError),
    /// Slower than it may be.
    #[error("{0} did not answer in time")]
    Slow(String),
    /// Not JSON.
    #[error("{0} is not JSON")]
    Json(String),
    /// The document is of another issuer: a mix-up (RFC 8414 section 3.3).
    #[error("the metadata is of another issuer: {0}")]
    Issuer(String),
    /// The document names no key set, or one that may not be asked.
    #[error("the metadata names no jwks_uri over https")]
    KeySet,
}

/// Fetches a JSON document from where the operator, or an issuer that the operator named, said.
pub async fn fetch(client: &impl Outward, url: &Url) -> Result<Value, FetchError> {
    let shown = || url.to_string();
    let mut request = Request::new(body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.as_str().parse().map_err(|_| FetchError::KeySet)?;
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let response = tokio::time::timeout(PATIENCE, client.call(request))
        .await
        .map_err(|_| FetchError::Slow(shown()))??;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status {
            url: shown(),
            status: response.status(),
        });
    }
    let bytes = body::read(response.into_body(), LARGEST, PATIENCE)
        .await
        .map_err(|error| FetchError::Body(shown(), error))?;
    serde_json::from_slice(&bytes).map_err(|_| FetchError::Json(shown()))
}

/// Where an issuer's metadata may be.
fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: &str| {
        let mut url = issuer.clone();
        url.set_path(path);
        url
    };
    vec![
        at(&format!("{path}/.well-known/openid-configuration")),
        at(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// Asks an issuer where its keys are.
pub(crate) async fn key_set(client: &impl Outward, issuer: &str) -> Result<Url, FetchError> {
    named(&document(client, issuer).await?, issuer)
}

/// An issuer's metadata, which says itself that it is of this issuer.
pub(crate) async fn document(client: &impl Outward, issuer: &str) -> Result<Value, FetchError> {
    let url = Url::parse(issuer).map_err(|_| FetchError::KeySet)?;
    let mut trouble = FetchError::KeySet;
    for place in places(&url) {
        match fetch(client, &place).await {
            Ok(document) => return of_issuer(document, issuer),
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

/// Byte for byte: what is not the same is another issuer (RFC 8414 section 3.3).
fn of_issuer(document: Value, issuer: &str) -> Result<Value, FetchError> {
    let said = document["issuer"].as_str().unwrap_or_default();
    if said == issuer {
        Ok(document)
    } else {
        Err(FetchError::Issuer(said.chars().take(200).collect()))
    }
}

/// The key set that a metadata document names.
fn named(document: &Value, issuer: &str) -> Result<Url, FetchError> {
    endpoint(document, "jwks_uri", issuer).ok_or(FetchError::KeySet)
}

/// An address that a metadata document names, if it may be used: over TLS, or from this machine, or where the issuer
/// itself is in the clear, which the configuration allows on this machine alone.
pub(crate) fn endpoint(document: &Value, member: &str, issuer: &str) -> Option<Url> {
    let url = Url::parse(document[member].as_str()?).ok()?;
    let is_clear = url.scheme() == "http" && issuer.starts_with("http:");
    (is_safe(&url) || is_clear).then_some(url)
}

/// Whether keys may come from there: over TLS, or from this machine. Whoever can put keys in between is the issuer.
pub fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => protocol::Origin::of(url).is_some_and(|origin| origin.is_loopback()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_looked_for_where_both_standards_say() {
        let shown = |issuer: &str| {
            let places = places(&Url::parse(issuer).unwrap());
            places.iter().map(Url::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            shown("https://a.example/realms/x"),
            [
                "https://a.example/realms/x/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/realms/x",
            ]
        );
        assert_eq!(
            shown("https://a.example"),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn metadata_of_another_issuer_or_with_keys_in_the_clear_is_refused() {
        let issuer = "https://a.example";
        let ask = |document: Value| of_issuer(document, issuer).and_then(|document| named(&document, issuer));
        assert!(ask(json!({ "issuer": issuer, "jwks_uri": "https://keys.example/jwks" })).is_ok());
        let other = json!({ "issuer": "https://a.example/", "jwks_uri": "https://a.example/jwks" });
        assert_eq!(
            ask(other),
            Err(FetchError::Issuer("https://a.example/".to_owned()))
        );
        for keys in ["http://keys.example/jwks", "file:///etc/passwd", "", "jwks"] {
            let document = json!({ "issuer": issuer, "jwks_uri": keys });
            assert_eq!(ask(document), Err(FetchError::KeySet), "{keys}");
        }
    }
}
