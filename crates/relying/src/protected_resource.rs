//! From the URL of an MCP server to the authorization server before it (MCP authorization, RFC 9728, RFC 8414).
//!
//! Nothing here knows who asks: the command line for its person, or the door for whoever links an account. Every document
//! is a stranger's but for what the server's own address says; where it may be fetched from is the caller's [`Outward`].

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use metadata::{resource_metadata, usable};
use net::body;
use net::operators::Answer;
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

use crate::challenge::{Challenge, challenge};
use crate::outward::Outward;

pub use metadata::metadata;

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
    /// It names other authorization servers than the one that is wanted.
    #[error("{url} does not name {issuer} as its authorization server")]
    NotNamed {
        /// Who was asked.
        url: String,
        /// Who is wanted.
        issuer: String,
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

impl Discovered {
    /// Whether somebody may be sent there for a code: of a server's authorization server, never without proof keys (MA-73).
    /// Programs that show no code need none, and of a sign-in at the issuer itself its metadata need not say it (OpenID Connect
    /// Discovery section 3).
    pub fn gives_codes(&self) -> Result<(), DiscoveryError> {
        match &self.resource {
            Some(_) => usable(&self.metadata, &self.issuer),
            None => Ok(()),
        }
    }
}

/// Follows what the server said when it refused something, or asks it without a token. If an issuer is `wanted`, the server
/// has to name it; else it is the first that the server names (MA-20).
pub async fn discover(
    http: &impl Outward,
    server: &Url,
    said: Option<&Challenge>,
    wanted: Option<&str>,
) -> Result<Found, DiscoveryError> {
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
        (Ok(Some(document)), Some(_)) if issuers(&document).next().is_some() => Some(document),
        (_, Some(found)) => return found,
        (document, None) => document?,
    };
    // Servers of 2025-03-26 are their own authorization servers (MA-159).
    let mut named: Vec<_> = document.iter().flat_map(issuers).map(str::to_owned).collect();
    if named.is_empty() {
        named.push(server.origin().ascii_serialization());
    }
    let chosen = named
        .iter()
        .find(|issuer| wanted.is_none_or(|wanted| wanted == *issuer));
    // Only its own words say that it has left somebody: without them nobody knows, as while it restarts.
    let issuer = chosen.cloned().ok_or_else(|| match &document {
        Some(_) => DiscoveryError::NotNamed {
            url: shown(server),
            issuer: wanted.unwrap_or_default().to_owned(),
        },
        None => DiscoveryError::Unreachable {
            url: shown(server),
            why: "it does not say who its authorization server is".to_owned(),
        },
    })?;
    let metadata = metadata(http, server, &issuer).await?;
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

fn issuers(document: &Value) -> impl Iterator<Item = &str> {
    let issuers = document["authorization_servers"].as_array();
    issuers.into_iter().flatten().filter_map(Value::as_str)
}

/// The metadata of an authorization server that guards a server, if somebody may be sent there for a code (MA-66, MA-67,
/// MA-73).
pub async fn authorization_server(
    http: &impl Outward,
    server: &Url,
    issuer: &str,
) -> Result<Value, DiscoveryError> {
    let metadata = metadata(http, server, issuer).await?;
    usable(&metadata, issuer)?;
    Ok(metadata)
}

/// How a server takes a token: begins as any client does, and ends that again. Nothing else is asked for with it, so that a
/// server that was reached is known by its status alone.
pub async fn status_with(
    http: &impl Outward,
    server: &Url,
    bearer: &HeaderValue,
) -> Result<StatusCode, DiscoveryError> {
    let response = initialize(http, server, Some(bearer)).await?;
    if response.status().is_success() {
        end_session(http, server, response.headers(), Some(bearer)).await;
    }
    Ok(response.status())
}

/// A URL as it is written: without the slash that `Url` puts behind an origin.
pub fn shown(url: &Url) -> String {
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
pub fn adds_a_slash(server: &Url, headers: &HeaderMap) -> bool {
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
async fn initialize(
    http: &impl Outward,
    server: &Url,
    bearer: Option<&HeaderValue>,
) -> Result<Answer, DiscoveryError> {
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
    let request = request(Method::POST, server, message.to_string(), bearer);
    let answered = tokio::time::timeout(PATIENCE, http.call(request)).await;
    answered
        .map_err(|_| unreachable("it does not answer".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))
}

async fn knock(http: &impl Outward, server: &Url) -> Result<Knock, DiscoveryError> {
    let response = initialize(http, server, None).await?;
    match response.status() {
        StatusCode::UNAUTHORIZED => Ok(Knock::Challenge(challenge(response.headers()))),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            if adds_a_slash(server, response.headers()) =>
        {
            Ok(Knock::Slash)
        }
        status if status.is_success() => {
            end_session(http, server, response.headers(), None).await;
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
async fn end_session(http: &impl Outward, server: &Url, headers: &HeaderMap, bearer: Option<&HeaderValue>) {
    if let Some(session) = headers.get("mcp-session-id") {
        let mut request = request(Method::DELETE, server, String::new(), bearer);
        request.headers_mut().insert("mcp-session-id", session.clone());
        let _ = tokio::time::timeout(PATIENCE, http.call(request)).await;
    }
}

fn request(method: Method, url: &Url, text: String, bearer: Option<&HeaderValue>) -> Request<net::Body> {
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
    if let Some(bearer) = bearer {
        headers.insert(header::AUTHORIZATION, bearer.clone());
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
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
