//! Client metadata (RFC 7591 section 2), as it comes in a registration or in a client id metadata document.
//!
//! Read leniently, kept strictly: unknown members are ignored, malformed optional ones too, each redirect
//! URI is judged alone (CC-29, CC-33, CC-40). What is kept is what is echoed and enforced.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::metadata::grants;
use crate::redirect::{RedirectError, RedirectUri};
use crate::scope::Scopes;
use crate::text::display_name;

pub mod document;

/// How a client proves itself at the token endpoint (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client: PKCE alone.
    None,
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// All, in the order in which metadata lists them: `none` first (CC-21).
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::ClientSecretPost,
        Self::ClientSecretBasic,
        Self::PrivateKeyJwt,
    ];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it rests on a secret that both sides hold.
    pub const fn is_shared_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// Where a client's public keys are (`jwks` and `jwks_uri` exclude each other, RFC 7591 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKeys {
    /// A JWK set in the metadata itself.
    Inline(Value),
    /// An https URL of one.
    Uri(String),
}

/// What is known and kept of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Self-asserted name, safe to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Usable redirect URIs, as they were written; none of a client that asks in no browser.
    pub redirect_uris: Vec<RedirectUri>,
    /// The method it must use; `None` with `keys` set means that an assertion is checked when it comes.
    pub auth_method: AuthMethod,
    /// Its public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ClientKeys>,
    /// Whether it may refresh.
    pub refresh: bool,
    /// Whether it may ask without a browser (RFC 8628); only if it says so itself (OS-97).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub device: bool,
    /// The most it may be granted; `None` means everything that is granted to anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scopes>,
    /// Where it may send a browser after sign-out (RP-Initiated Logout section 3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
}

/// Why metadata cannot be used (RFC 7591 section 3.2.2).
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum MetadataError {
    /// Not a JSON object.
    #[error("the client metadata is not a JSON object")]
    NotAnObject,
    /// No redirect URI is left.
    #[error("redirect_uris holds no usable URI{}", .0.as_ref().map(|(uri, why)| format!(": '{uri}' {why}")).unwrap_or_default())]
    NoRedirectUri(Option<(String, RedirectError)>),
    /// More redirect URIs than any client has.
    #[error("more than {MOST_URIS} redirect_uris")]
    TooManyRedirectUris,
    /// An authentication method that is not offered here.
    #[error("token_endpoint_auth_method '{0}' is not supported")]
    AuthMethod(String),
    /// Both `jwks` and `jwks_uri`, or neither where one is needed.
    #[error("private_key_jwt needs exactly one of jwks and jwks_uri, an object with keys or an https URL")]
    Keys,
    /// None of the grants can be used by such a client.
    #[error("grant_types holds none that such a client can use here")]
    GrantTypes,
    /// A shared secret in a public document (MA-85).
    #[error("a client id metadata document must not hold or use a client secret")]
    SecretInDocument,
    /// A required member of a document is missing (MA-84).
    #[error("the client id metadata document has no {0}")]
    Missing(&'static str),
    /// The document is about another client (MA-83).
    #[error("the document's client_id '{0}' is not the URL it was found under")]
    OtherClientId(String),
}

impl MetadataError {
    /// Whether the redirect URIs are at fault: the error code differs.
    pub fn is_about_redirects(&self) -> bool {
        matches!(self, Self::NoRedirectUri(_) | Self::TooManyRedirectUris)
    }
}

const MOST_URIS: usize = 50;
const LONGEST_NAME: usize = 80;

/// Metadata that was read, and what of it was dropped on the way.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What is kept.
    pub metadata: ClientMetadata,
    /// Redirect URIs that cannot be used, each with the reason, for the log (CC-33).
    pub dropped: Vec<(String, RedirectError)>,
}

impl ClientMetadata {
    /// Reads the body of a registration (RFC 7591 section 3.1).
    pub fn from_registration(
        body: &[u8],
        known_scheme: impl Fn(&str) -> bool,
    ) -> Result<Parsed, MetadataError> {
        let members = object(body)?;
        let auth_method = match text(&members, "token_endpoint_auth_method") {
            None => AuthMethod::None,
            Some(name) => {
                AuthMethod::parse(name).ok_or_else(|| MetadataError::AuthMethod(name.to_owned()))?
            }
        };
        read(&members, auth_method, keys(&members, auth_method)?, known_scheme)
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, MetadataError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(MetadataError::NotAnObject),
    }
}

fn read(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
    keys: Option<ClientKeys>,
    known_scheme: impl Fn(&str) -> bool,
) -> Result<Parsed, MetadataError> {
    let grants = strings(members, "grant_types");
    let names = |grant: &str| grants.iter().flatten().any(|name| name == grant);
    let has = |grant: &str| grants.is_none() || names(grant);
    let device = names(grants::DEVICE_CODE);
    let by_redirect = has(grants::AUTHORIZATION_CODE) || (has(grants::REFRESH_TOKEN) && !device);
    if !by_redirect && !device {
        return Err(MetadataError::GrantTypes);
    }
    let (mut redirect_uris, dropped) = uris(members, "redirect_uris", &known_scheme);
    if !by_redirect {
        redirect_uris.clear();
    } else if redirect_uris.is_empty() {
        return Err(MetadataError::NoRedirectUri(dropped.into_iter().next()));
    }
    if redirect_uris.len() > MOST_URIS {
        return Err(MetadataError::TooManyRedirectUris);
    }
    let metadata = ClientMetadata {
        client_name: text(members, "client_name").and_then(|name| display_name(name, LONGEST_NAME)),
        redirect_uris,
        auth_method,
        keys,
        refresh: has(grants::REFRESH_TOKEN),
        device,
        scope: text(members, "scope")
            .map(Scopes::parse)
            .filter(|scopes| !scopes.is_empty()),
        post_logout_redirect_uris: uris(members, "post_logout_redirect_uris", &known_scheme).0,
    };
    Ok(Parsed { metadata, dropped })
}

fn keys(members: &Map<String, Value>, auth_method: AuthMethod) -> Result<Option<ClientKeys>, MetadataError> {
    let inline = members
        .get("jwks")
        .filter(|jwks| jwks.get("keys").is_some_and(Value::is_array));
    let uri = text(members, "jwks_uri").filter(|uri| uri.starts_with("https://"));
    match (inline, uri) {
        (Some(jwks), None) => Ok(Some(ClientKeys::Inline(jwks.clone()))),
        (None, Some(uri)) => Ok(Some(ClientKeys::Uri(uri.to_owned()))),
        _ if auth_method == AuthMethod::PrivateKeyJwt => Err(MetadataError::Keys),
        _ => Ok(None),
    }
}

type Dropped = Vec<(String, RedirectError)>;

fn uris(
    members: &Map<String, Value>,
    name: &str,
    known_scheme: &impl Fn(&str) -> bool,
) -> (Vec<RedirectUri>, Dropped) {
    let (mut kept, mut dropped) = (Vec::<RedirectUri>::new(), Vec::new());
    for text in strings(members, name).unwrap_or_default() {
        match RedirectUri::parse(&text, known_scheme) {
            Ok(uri) if kept.contains(&uri) => {}
            Ok(uri) => kept.push(uri),
            Err(why) => dropped.push((text.chars().take(200).collect(), why)),
        }
    }
    (kept, dropped)
}

/// A member that is a non-empty string; null, empty and other types count as absent (CC-29).
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn strings(members: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let listed = members.get(name)?.as_array()?;
    Some(
        listed
            .iter()
            .take(MOST_URIS * 2)
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn register(body: &Value) -> Result<Parsed, MetadataError> {
        ClientMetadata::from_registration(body.to_string().as_bytes(), |scheme| scheme == "cursor")
    }

    #[test]
    fn cc_33_each_redirect_uri_is_judged_alone() {
        let parsed = register(&json!({"redirect_uris": [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
            "javascript:alert(1)",
            7,
        ]}))
        .unwrap();
        assert_eq!(parsed.metadata.redirect_uris.len(), 3);
        assert_eq!(
            parsed.dropped,
            [("javascript:alert(1)".to_owned(), RedirectError::DangerousScheme)]
        );
    }

    #[test]
    fn cc_33_the_error_names_the_uri_and_the_reason() {
        let error = register(&json!({"redirect_uris": ["http://example.com/cb"]})).unwrap_err();
        assert!(error.is_about_redirects());
        assert!(error.to_string().contains("http://example.com/cb"), "{error}");
        assert!(error.to_string().contains("not this machine"), "{error}");
    }

    /// MA-103, OS-104.
    #[test]
    fn cc_29_what_is_absent_null_or_empty_takes_the_default() {
        for body in [
            json!({"redirect_uris": ["http://localhost/cb"]}),
            json!({"redirect_uris": ["http://localhost/cb"], "scope": "", "client_name": null, "grant_types": null,
                   "token_endpoint_auth_method": null, "contacts": 7, "application_type": "web", "logo_uri": 1}),
        ] {
            let metadata = register(&body).unwrap().metadata;
            assert_eq!(metadata.auth_method, AuthMethod::None);
            assert!(metadata.refresh && metadata.scope.is_none() && metadata.client_name.is_none());
        }
    }

    #[test]
    fn cc_29_grant_types_are_intersected() {
        let with = |grants: Value| {
            register(&json!({"redirect_uris": ["http://localhost/cb"], "grant_types": grants}))
        };
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        assert!(
            with(json!(["authorization_code", "refresh_token", device]))
                .unwrap()
                .metadata
                .refresh
        );
        assert!(!with(json!(["authorization_code"])).unwrap().metadata.refresh);
        assert_eq!(
            with(json!(["client_credentials"])).unwrap_err(),
            MetadataError::GrantTypes
        );
    }

    /// OS-97, OS-101.
    #[test]
    fn os_103_the_device_grant_is_for_who_names_it_and_needs_no_redirect() {
        let with = |body: Value| register(&body).map(|parsed| parsed.metadata);
        let loopback = json!(["http://localhost/cb"]);
        let usual = with(json!({"redirect_uris": loopback})).unwrap();
        assert!(!usual.device);
        let both = [grants::AUTHORIZATION_CODE, grants::DEVICE_CODE];
        let both = with(json!({"redirect_uris": loopback, "grant_types": both})).unwrap();
        assert!(both.device && !both.refresh && both.redirect_uris.len() == 1);
        let only = [grants::DEVICE_CODE, grants::REFRESH_TOKEN];
        for redirect_uris in [Value::Null, json!([]), loopback] {
            let only = with(json!({"redirect_uris": redirect_uris, "grant_types": only})).unwrap();
            assert!(only.device && only.refresh && only.redirect_uris.is_empty());
        }
        let none = [grants::AUTHORIZATION_CODE, grants::DEVICE_CODE];
        let none = with(json!({ "grant_types": none })).unwrap_err();
        assert!(none.is_about_redirects());
    }

    #[test]
    fn keys_are_needed_once_for_private_key_jwt() {
        let with = |extra: Value| {
            let mut body =
                json!({"redirect_uris": ["https://x/cb"], "token_endpoint_auth_method": "private_key_jwt"});
            body.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            register(&body)
        };
        assert!(with(json!({"jwks": {"keys": []}})).is_ok());
        assert!(with(json!({"jwks_uri": "https://x/jwks"})).is_ok());
        for bad in [
            json!({}),
            json!({"jwks": {"keys": []}, "jwks_uri": "https://x/j"}),
            json!({"jwks_uri": "http://x"}),
        ] {
            assert_eq!(with(bad).unwrap_err(), MetadataError::Keys);
        }
    }

    #[test]
    fn survives_the_database() {
        let metadata = register(&json!({"redirect_uris": ["cursor://a/b"], "client_name": "C"}))
            .unwrap()
            .metadata;
        let stored = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<ClientMetadata>(&stored).unwrap(), metadata);
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            let _ = ClientMetadata::from_registration(&body, |_| false);
        }
    }
}
