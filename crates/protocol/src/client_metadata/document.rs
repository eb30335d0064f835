//! Client id metadata documents: an https URL as `client_id`, and the document behind it.
//!
//! Checks of the URL are made on the raw string, before any library normalises it (MA-78).

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;
use url::{Host, Url};

use super::{AuthMethod, ClientMetadata, MetadataError, Parsed, keys, object, read, strings, text};

/// A `client_id` that names a metadata document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentUrl {
    text: String,
    url: Url,
}

/// Why a URL cannot be a client id; none of these causes a fetch.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum DocumentUrlError {
    /// Another scheme than https.
    #[error("the client id URL is not https")]
    NotHttps,
    /// A port other than 443 (DEC-9).
    #[error("the client id URL has a port")]
    Port,
    /// No path, or only `/`.
    #[error("the client id URL has no path")]
    NoPath,
    /// `.` or `..` segments, also percent-encoded.
    #[error("the client id URL has dot segments")]
    DotSegments,
    /// A fragment, query or user info.
    #[error("the client id URL has a query, fragment or user info")]
    Decoration,
    /// A blank, control character or backslash, or a host that is spelled unusually.
    #[error("the client id URL is not written plainly")]
    Spelling,
    /// An address in place of a name.
    #[error("the client id URL names an address instead of a host")]
    Address,
}

impl DocumentUrl {
    /// Whether a client id is a URL at all; anything else is one that we gave out or that is configured.
    pub fn is_url(client_id: &str) -> bool {
        client_id.contains("://")
    }

    /// Checks the raw string.
    pub fn parse(text: &str) -> Result<Self, DocumentUrlError> {
        let rest = text.strip_prefix("https://").ok_or(DocumentUrlError::NotHttps)?;
        if text.len() > 2048 || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(DocumentUrlError::Spelling);
        }
        if rest.contains(['?', '#', '@']) {
            return Err(DocumentUrlError::Decoration);
        }
        let (authority, path) = rest.split_once('/').ok_or(DocumentUrlError::NoPath)?;
        if path.is_empty() {
            return Err(DocumentUrlError::NoPath);
        }
        let dotted = |segment: &str| {
            matches!(
                segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
                "." | ".."
            )
        };
        if path.split('/').any(dotted) {
            return Err(DocumentUrlError::DotSegments);
        }
        if authority.contains(':') && !authority.starts_with('[') {
            return Err(DocumentUrlError::Port);
        }
        let url = Url::parse(text).map_err(|_| DocumentUrlError::Spelling)?;
        match url.host() {
            Some(Host::Domain(host)) if host == authority && host.contains('.') && !host.ends_with('.') => {}
            Some(Host::Domain(_)) | None => return Err(DocumentUrlError::Spelling),
            Some(_) => return Err(DocumentUrlError::Address),
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The client id, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL to fetch.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host that vouches for the client.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl fmt::Display for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ClientMetadata {
    /// Reads a client id metadata document found under `url` (MA-83 to MA-85, CC-40).
    pub fn from_document(
        url: &DocumentUrl,
        body: &[u8],
        known_scheme: impl Fn(&str) -> bool,
    ) -> Result<Parsed, MetadataError> {
        let members = object(body)?;
        let client_id = text(&members, "client_id").ok_or(MetadataError::Missing("client_id"))?;
        if client_id != url.as_str() {
            return Err(MetadataError::OtherClientId(
                client_id.chars().take(200).collect(),
            ));
        }
        if text(&members, "client_name").is_none() {
            return Err(MetadataError::Missing("client_name"));
        }
        if !members.contains_key("redirect_uris") {
            return Err(MetadataError::Missing("redirect_uris"));
        }
        let auth_method = auth_method(&members)?;
        read(&members, auth_method, keys(&members, auth_method)?, known_scheme)
    }
}

/// One method, or a list that holds `none` (CC-40). A client that prefers `private_key_jwt` and can do without
/// is public, and an assertion of its is checked when it comes: ChatGPT's keys cannot be fetched everywhere.
fn auth_method(members: &Map<String, Value>) -> Result<AuthMethod, MetadataError> {
    if members.contains_key("client_secret") || members.contains_key("client_secret_expires_at") {
        return Err(MetadataError::SecretInDocument);
    }
    let listed = strings(members, "token_endpoint_auth_methods_supported").unwrap_or_default();
    let lists = |method: &str| listed.iter().any(|name| name == method);
    match text(members, "token_endpoint_auth_method") {
        None if listed.is_empty() || lists("none") => Ok(AuthMethod::None),
        None if lists("private_key_jwt") => Ok(AuthMethod::PrivateKeyJwt),
        None => Err(MetadataError::AuthMethod(listed.join(" "))),
        Some("none") => Ok(AuthMethod::None),
        Some("private_key_jwt") if lists("none") => Ok(AuthMethod::None),
        Some("private_key_jwt") => Ok(AuthMethod::PrivateKeyJwt),
        Some("client_secret_basic" | "client_secret_post" | "client_secret_jwt") => {
            Err(MetadataError::SecretInDocument)
        }
        Some(other) => Err(MetadataError::AuthMethod(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const URL: &str = "https://vscode.dev/oauth/client-metadata.json";

    fn read_document(body: &Value) -> Result<Parsed, MetadataError> {
        ClientMetadata::from_document(
            &DocumentUrl::parse(URL).unwrap(),
            body.to_string().as_bytes(),
            |_| false,
        )
    }

    fn document() -> Value {
        json!({"client_id": URL, "client_name": "Visual Studio Code", "redirect_uris": ["http://127.0.0.1:33418/"]})
    }

    fn with(extra: &Value) -> Value {
        let mut body = document();
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    }

    #[test]
    fn ma_78_bad_urls_are_refused_on_the_raw_string() {
        for (text, error) in [
            ("http://x.example/c.json", DocumentUrlError::NotHttps),
            ("HTTPS://x.example/c.json", DocumentUrlError::NotHttps),
            ("https://x.example", DocumentUrlError::NoPath),
            ("https://x.example/", DocumentUrlError::NoPath),
            ("https://x.example/../c.json", DocumentUrlError::DotSegments),
            ("https://x.example/a/./c.json", DocumentUrlError::DotSegments),
            ("https://x.example/a/%2e%2E/c.json", DocumentUrlError::DotSegments),
            ("https://x.example/a/.%2e/c.json", DocumentUrlError::DotSegments),
            ("https://x.example/c.json#f", DocumentUrlError::Decoration),
            ("https://x.example/c.json?q", DocumentUrlError::Decoration),
            ("https://u:p@x.example/c.json", DocumentUrlError::Decoration),
            ("https://x.example:8443/c.json", DocumentUrlError::Port),
            ("https://x.example\\c.json", DocumentUrlError::Spelling),
            ("https://x.example/c d", DocumentUrlError::Spelling),
            ("https://X.example/c.json", DocumentUrlError::Spelling),
            ("https://x.example./c.json", DocumentUrlError::Spelling),
            ("https://localhost/c.json", DocumentUrlError::Spelling),
            ("https://127.0.0.1/c.json", DocumentUrlError::Address),
            ("https://2130706433/c.json", DocumentUrlError::Address),
            ("https://[::1]/c.json", DocumentUrlError::Address),
        ] {
            assert_eq!(DocumentUrl::parse(text).map(|_| ()), Err(error), "{text}");
        }
    }

    #[test]
    fn ma_83_ma_84_required_members() {
        assert!(read_document(&document()).is_ok());
        let off_by_slash = format!("{URL}/");
        assert_eq!(
            read_document(&with(&json!({"client_id": off_by_slash}))).unwrap_err(),
            MetadataError::OtherClientId(off_by_slash)
        );
        for missing in ["client_id", "client_name", "redirect_uris"] {
            let mut body = document();
            body.as_object_mut().unwrap().remove(missing);
            assert_eq!(read_document(&body).unwrap_err(), MetadataError::Missing(missing));
        }
    }

    #[test]
    fn ma_85_no_shared_secret() {
        for extra in [
            json!({"client_secret": "x"}),
            json!({"client_secret_expires_at": 0}),
            json!({"token_endpoint_auth_method": "client_secret_post"}),
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            json!({"token_endpoint_auth_method": "client_secret_jwt"}),
        ] {
            assert_eq!(
                read_document(&with(&extra)).unwrap_err(),
                MetadataError::SecretInDocument
            );
        }
    }

    #[test]
    fn cc_40_a_list_with_none_and_foreign_grants_are_no_reason_to_refuse() {
        let metadata = read_document(&with(&json!({
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "jwks_uri": "https://chatgpt.com/jwks.json",
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        })))
        .unwrap()
        .metadata;
        assert_eq!(metadata.auth_method, AuthMethod::None);
        assert!(metadata.keys.is_some(), "an assertion is checked when it comes");
    }

    proptest! {
        #[test]
        fn never_panics(text: String, body: Vec<u8>) {
            let _ = DocumentUrl::parse(&text);
            let _ = ClientMetadata::from_document(&DocumentUrl::parse(URL).unwrap(), &body, |_| false);
        }
    }
}
