//! From the URL of an MCP server to the authorization server before it (MCP authorization, RFC 9728, RFC 8414).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use metadata::{metadata, resource_metadata, usable};
use net::{Operators, body};
use relying::discovery::is_safe;
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

use crate::challenge::{Challenge, challenge};

mod metadata;

/// How long a server may take to answer a stranger.
const PATIENCE: Duration = Duration::from_secs(20);
/// The revision that is named where one has to be.
const REVISION: &str = "2025-11-25";

/// Where tokens for a server come from.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The server as tokens name it: `resource` of every request (MA-39, MA-40). None of a sign-in at the issuer itself.
    pub resource: Option<String>,
    /// Who issues them. Everything that is kept is kept for this issuer (MA-107).
    pub issuer: String,
    /// What the server wants a token to be good for (MA-123). None if it does not say.
    pub scope: Option<String>,
    /// The authorization server's own words.
    pub metadata: Value,
}

/// What somebody who comes without a token finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// The server answers everybody.
    Open,
    /// It wants a token.
    Guarded(Box<Discovered>),
}

/// Why nothing was found.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// It is no address that a token may be sent to.
    #[error("{0} is not an https address; http is for this machine alone")]
    Address(String),
    /// It cannot stand behind an issuer.
    #[error("{0:?} is no client id that can be used here")]
    ClientId(String),
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Who.
        url: String,
        /// What happened.
        why: String,
    },
    /// The server answers, but not as one that wants a token.
    #[error("{url} answered {status}: it is no MCP server, or not at this address")]
    Status {
        /// Who.
        url: String,
        /// What.
        status: StatusCode,
    },
    /// The metadata is of another server: a token for it would not be for this one (MA-19).
    #[error("{url} says that it is {resource:?}, which is another server")]
    Resource {
        /// Who was asked.
        url: String,
        /// Who it says it is.
        resource: String,
    },
    /// Its authorization server cannot be used.
    #[error("the authorization server {issuer} cannot be used: {why}")]
    Issuer {
        /// Who.
        issuer: String,
        /// Why.
        why: String,
    },
}

/// Reads the URL of a server: over TLS, or on this machine; nothing that could be meant for somebody else.
pub fn server_url(text: &str) -> Result<Url, DiscoveryError> {
    let bad = || DiscoveryError::Address(text.chars().take(200).collect());
    let mut url = Url::parse(text).map_err(|_| bad())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !is_plain || !is_safe(&url) {
        return Err(bad());
    }
    // The same server, however it is typed (MA-42).
    let path = url.path().trim_end_matches('/').to_owned();
    if url.query().is_none() {
        url.set_path(&path);
    }
    Ok(url)
}

/// The name of a sign-in at an issuer itself, for ID tokens: the issuer and, behind `#`, the client that they are for. No
/// URL of a server has a fragment.
pub fn issuer_url(issuer: &str, client_id: &str) -> Result<Url, DiscoveryError> {
    let mut url = server_url(issuer)?;
    url.set_fragment(Some(client_id));
    if client_id.is_empty() || url.fragment() != Some(client_id) {
        return Err(DiscoveryError::ClientId(client_id.chars().take(200).collect()));
    }
    Ok(url)
}

/// What a sign-in is at, as somebody types it: a server's URL, or the name of a sign-in at an issuer itself.
pub fn sign_in_url(text: &str) -> Result<Url, DiscoveryError> {
    match text.split_once('#') {
        Some((issuer, client_id)) => issuer_url(issuer, client_id),
        None => server_url(text),
    }
}

/// Follows what the server said when it refused something, or asks it without a token.
pub async fn discover(
    http: &Operators,
    server: &Url,
    said: Option<&Challenge>,
) -> Result<Found, DiscoveryError> {
    if server.fragment().is_some() {
        return Ok(Found::Guarded(Box::new(issuer_itself(http, server).await?)));
    }
    let mut server = server.clone();
    let mut said = said.cloned();
    let (challenge, silent) = loop {
        if let Some(challenge) = said.take() {
            break (challenge, None);
        }
        match knock(http, &server).await? {
            Knock::Challenge(challenge) => break (challenge, None),
            // Some have their endpoint behind a slash, and say so.
            Knock::Slash => server.set_path(&format!("{}/", server.path())),
            Knock::Silent(found) => break (Challenge::default(), Some(found)),
        }
    };
    let server = &server;
    let document = match (resource_metadata(http, server, &challenge).await, silent) {
        // Some guard what is asked for later alone; their metadata says so (RFC 9728 section 3).
        (Ok(Some(document)), Some(_)) if first_issuer(&document).is_some() => Some(document),
        (_, Some(found)) => return found,
        (document, None) => document?,
    };
    // Servers of 2025-03-26 are their own authorization servers (MA-159).
    let issuer = document.as_ref().and_then(first_issuer);
    let issuer = issuer.unwrap_or_else(|| server.origin().ascii_serialization());
    let metadata = metadata(http, server, &issuer).await?;
    usable(&metadata).map_err(|why| DiscoveryError::Issuer {
        issuer: issuer.clone(),
        why,
    })?;
    let supported = document
        .as_ref()
        .and_then(|document| document["scopes_supported"].as_array());
    let supported = supported.map(|scopes| {
        let scopes: Vec<_> = scopes.iter().filter_map(Value::as_str).collect();
        scopes.join(" ")
    });
    let named = document
        .as_ref()
        .and_then(|document| document["resource"].as_str());
    Ok(Found::Guarded(Box::new(Discovered {
        resource: Some(named.map_or_else(|| shown(server), str::to_owned)),
        issuer,
        scope: challenge.scope.or(supported).filter(|scope| !scope.is_empty()),
        metadata,
    })))
}

fn first_issuer(document: &Value) -> Option<String> {
    let issuers = document["authorization_servers"].as_array()?;
    issuers.iter().find_map(Value::as_str).map(str::to_owned)
}

/// What an issuer says of itself (OpenID Connect Discovery section 4), and the claims that are asked for.
async fn issuer_itself(http: &Operators, named: &Url) -> Result<Discovered, DiscoveryError> {
    let mut url = named.clone();
    url.set_fragment(None);
    let text = shown(&url);
    // Some write themselves with a slash at the end, and whoever types them does not.
    let metadata = match metadata(http, &url, &text).await {
        Err(DiscoveryError::Issuer { .. }) => metadata(http, &url, &format!("{text}/")).await?,
        outcome => outcome?,
    };
    let offered = |scope: &&str| {
        let scopes = metadata["scopes_supported"].as_array();
        scopes.is_some_and(|scopes| scopes.iter().any(|one| one == scope))
    };
    let claims = ["email", "groups"].into_iter().filter(offered);
    let scopes: Vec<_> = std::iter::once("openid").chain(claims).collect();
    Ok(Discovered {
        resource: None,
        issuer: metadata["issuer"].as_str().unwrap_or_default().to_owned(),
        scope: Some(scopes.join(" ")),
        metadata,
    })
}

/// A URL as it is written: without the slash that `Url` puts behind an origin.
fn shown(url: &Url) -> String {
    let text = url.as_str();
    let is_origin = url.path() == "/" && url.query().is_none();
    text.strip_suffix('/')
        .filter(|_| is_origin)
        .unwrap_or(text)
        .to_owned()
}

/// What somebody hears who comes without a token.
enum Knock {
    Challenge(Challenge),
    /// Nothing of a token. What that means if nothing else says that it wants one.
    Silent(Result<Found, DiscoveryError>),
    /// The same place, with a slash at its end.
    Slash,
}

/// Whether an answer sends to the same place with a slash at its end, and nowhere else.
pub(crate) fn adds_a_slash(server: &Url, headers: &HeaderMap) -> bool {
    let to = headers
        .get(header::LOCATION)
        .and_then(|to| server.join(to.to_str().ok()?).ok());
    to.is_some_and(|to| {
        to.origin() == server.origin()
            && to.query() == server.query()
            && !server.path().ends_with('/')
            && to.path().strip_suffix('/') == Some(server.path())
    })
}

/// Begins as any client does.
async fn knock(http: &Operators, server: &Url) -> Result<Knock, DiscoveryError> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": REVISION, "capabilities": {},
            "clientInfo": { "name": "vestibule", "version": env!("CARGO_PKG_VERSION") },
        },
    });
    let unreachable = |why: String| DiscoveryError::Unreachable {
        url: shown(server),
        why,
    };
    let request = request(Method::POST, server, message.to_string());
    let answered = tokio::time::timeout(PATIENCE, http.call(request)).await;
    let response = answered
        .map_err(|_| unreachable("it does not answer".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))?;
    match response.status() {
        StatusCode::UNAUTHORIZED => Ok(Knock::Challenge(challenge(response.headers()))),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            if adds_a_slash(server, response.headers()) =>
        {
            Ok(Knock::Slash)
        }
        status if status.is_success() => {
            end_session(http, server, response.headers()).await;
            Ok(Knock::Silent(Ok(Found::Open)))
        }
        // A server of the stateless era alone knows no `initialize` (TP-50, TP-54).
        status => Ok(Knock::Silent(Err(DiscoveryError::Status {
            url: shown(server),
            status,
        }))),
    }
}

/// Gives back the session that knocking began.
async fn end_session(http: &Operators, server: &Url, headers: &HeaderMap) {
    if let Some(session) = headers.get("mcp-session-id") {
        let mut request = request(Method::DELETE, server, String::new());
        request.headers_mut().insert("mcp-session-id", session.clone());
        let _ = tokio::time::timeout(PATIENCE, http.call(request)).await;
    }
}

fn request(method: Method, url: &Url, text: String) -> Request<net::Body> {
    let mut request = Request::new(body::full(text));
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    headers.insert("mcp-protocol-version", HeaderValue::from_static(REVISION));
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        server_url(text).unwrap()
    }

    #[test]
    fn a_server_is_one_however_it_is_typed() {
        for text in [
            "https://gw.test/mcp/a",
            "HTTPS://GW.test:443/mcp/a/",
            "https://gw.test/mcp/./a//",
        ] {
            assert_eq!(shown(&url(text)), "https://gw.test/mcp/a", "{text}");
        }
        assert_eq!(shown(&url("https://gw.test/")), "https://gw.test");
        assert!(server_url("http://127.0.0.1:8000/mcp").is_ok());
        for text in [
            "http://gw.test/mcp",
            "gw.test/mcp",
            "https://u:p@gw.test",
            "file:///etc",
            "javascript:x",
            "",
        ] {
            assert!(server_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_followed_and_nothing_else() {
        let to = |location: &'static str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            adds_a_slash(&url("https://a.example/mcp"), &headers)
        };
        assert!(to("https://a.example/mcp/") && to("/mcp/"));
        for other in [
            "https://b.example/mcp/",
            "http://a.example/mcp/",
            "/mcp",
            "/other/",
            "/mcp/?x=1",
            "/mcp//",
        ] {
            assert!(!to(other), "{other}");
        }
    }
}
