//! From the URL of an MCP server to the authorization server before it (MCP authorization, RFC 9728, RFC 8414).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use net::{Operators, body};
use relying::discovery::{self, FetchError};
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

use crate::challenge::{Challenge, challenge};

/// How long a server may take to answer a stranger.
const PATIENCE: Duration = Duration::from_secs(20);
/// The revision that is named where one has to be.
const REVISION: &str = "2025-11-25";

/// Where tokens for a server come from.
#[derive(Clone, Debug)]
pub struct Way {
    /// The server as tokens name it: `resource` of every request (MA-39, MA-40).
    pub resource: String,
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
    Guarded(Box<Way>),
}

/// Why no way was found.
#[derive(Debug, Error)]
pub enum WayError {
    /// It is no address that a token may be sent to.
    #[error("{0} is not an https address; http is for this machine alone")]
    Address(String),
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
pub fn server_url(text: &str) -> Result<Url, WayError> {
    let bad = || WayError::Address(text.chars().take(200).collect());
    let mut url = Url::parse(text).map_err(|_| bad())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !is_plain || !discovery::is_safe(&url) {
        return Err(bad());
    }
    // The same server, however it is typed (MA-42).
    let path = url.path().trim_end_matches('/').to_owned();
    if url.query().is_none() {
        url.set_path(&path);
    }
    Ok(url)
}

/// Asks the server without a token, and follows what it says.
pub async fn find(http: &Operators, server: &Url) -> Result<Found, WayError> {
    let mut server = server.clone();
    let challenge = loop {
        match knock(http, &server).await? {
            Knock::Open => return Ok(Found::Open),
            Knock::Challenge(challenge) => break challenge,
            // Some have their endpoint behind a slash, and say so.
            Knock::Slash => server.set_path(&format!("{}/", server.path())),
        }
    };
    let server = &server;
    let document = resource_metadata(http, server, &challenge).await?;
    let issuer = document.as_ref().and_then(|document| {
        let issuers = document["authorization_servers"].as_array()?;
        issuers.iter().find_map(Value::as_str).map(str::to_owned)
    });
    // Servers of 2025-03-26 are their own authorization servers (MA-159).
    let issuer = issuer.unwrap_or_else(|| server.origin().ascii_serialization());
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
    Ok(Found::Guarded(Box::new(Way {
        resource: named.map_or_else(|| shown(server), str::to_owned),
        issuer,
        scope: challenge.scope.or(supported).filter(|scope| !scope.is_empty()),
        metadata,
    })))
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
    Open,
    Challenge(Challenge),
    /// The same place, with a slash at its end.
    Slash,
}

/// Whether an answer sends to the same place with a slash at its end, and nowhere else.
fn adds_a_slash(server: &Url, headers: &HeaderMap) -> bool {
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
async fn knock(http: &Operators, server: &Url) -> Result<Knock, WayError> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": REVISION, "capabilities": {},
            "clientInfo": { "name": "vestibule", "version": env!("CARGO_PKG_VERSION") },
        },
    });
    let unreachable = |why: String| WayError::Unreachable {
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
            Ok(Knock::Open)
        }
        status => Err(WayError::Status {
            url: shown(server),
            status,
        }),
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

/// The server's metadata: where the challenge says and nowhere else, or where the standard says (MA-18). None if it has
/// none.
async fn resource_metadata(
    http: &Operators,
    server: &Url,
    challenge: &Challenge,
) -> Result<Option<Value>, WayError> {
    let places = match &challenge.resource_metadata {
        Some(place) => {
            let place = Url::parse(place).ok().filter(|place| may_send(server, place));
            vec![place.ok_or_else(|| WayError::Resource {
                url: shown(server),
                resource: challenge.resource_metadata.clone().unwrap_or_default(),
            })?]
        }
        None => well_known(server, "oauth-protected-resource"),
    };
    let is_named = challenge.resource_metadata.is_some();
    for place in places {
        match discovery::fetch(http, &place).await {
            Ok(document) => {
                let resource = document["resource"].as_str().unwrap_or_default();
                if covers(resource, server) {
                    return Ok(Some(document));
                }
                return Err(WayError::Resource {
                    url: shown(server),
                    resource: resource.chars().take(200).collect(),
                });
            }
            Err(FetchError::Status { .. } | FetchError::Json(_)) if !is_named => {}
            Err(error) => {
                return Err(WayError::Unreachable {
                    url: shown(&place),
                    why: error.to_string(),
                });
            }
        }
    }
    Ok(None)
}

/// Whether a server may send us there: over TLS, and to this machine only from this machine, so that nobody far away
/// has us ask what listens here (MA-147).
fn may_send(server: &Url, to: &Url) -> bool {
    discovery::is_safe(to) && (to.scheme() == "https" || server.scheme() == "http")
}

/// Whether what the metadata calls the resource is this server, or a place that it is in: many servers name their origin,
/// and the official clients take that.
fn covers(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let path = resource.path().trim_end_matches('/');
    let rest = server.path().strip_prefix(path);
    resource.origin() == server.origin()
        && resource.fragment().is_none()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && (resource.query().is_none() || resource.query() == server.query())
}

/// A well-known document: with the path inserted, then at the root.
fn well_known(url: &Url, name: &str) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let mut paths = vec![format!("/.well-known/{name}{path}")];
    if !path.is_empty() {
        paths.push(format!("/.well-known/{name}"));
    }
    paths.into_iter().map(|path| at(url, &path)).collect()
}

fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

/// The authorization server's metadata, in the order of MA-66. It says itself whose it is (MA-67).
async fn metadata(http: &Operators, server: &Url, issuer: &str) -> Result<Value, WayError> {
    let bad = |why: String| WayError::Issuer {
        issuer: issuer.chars().take(200).collect(),
        why,
    };
    let url = Url::parse(issuer).ok().filter(|url| may_send(server, url));
    let url = url.ok_or_else(|| bad("it has no https address".to_owned()))?;
    let mut last = String::new();
    for place in metadata_places(&url) {
        match discovery::fetch(http, &place).await {
            Ok(document) if document["issuer"] == issuer => return usable(document).map_err(bad),
            Ok(document) => {
                let said = document["issuer"].as_str().unwrap_or_default();
                let said: String = said.chars().take(200).collect();
                return Err(bad(format!("its metadata is of {said:?}")));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(bad(last))
}

fn metadata_places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    paths.into_iter().map(|path| at(issuer, &path)).collect()
}

/// Nobody goes on without proof keys (MA-73).
fn usable(document: Value) -> Result<Value, String> {
    let methods = document["code_challenge_methods_supported"].as_array();
    if methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        Ok(document)
    } else {
        Err("it does not say that it knows PKCE with S256".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        server_url(text).unwrap()
    }

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
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
    fn ma_18_ma_66_documents_are_looked_for_in_the_order_of_the_standard() {
        assert_eq!(
            texts(&well_known(
                &url("https://a.example/srv/mcp?x=1"),
                "oauth-protected-resource"
            )),
            [
                "https://a.example/.well-known/oauth-protected-resource/srv/mcp",
                "https://a.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(
            texts(&metadata_places(&url("https://a.example/t1"))),
            [
                "https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(metadata_places(&url("https://a.example")).len(), 2);
    }

    #[test]
    fn ma_19_metadata_of_another_server_is_no_use() {
        let server = url("https://a.example/srv/mcp");
        for resource in [
            "https://a.example/srv/mcp",
            "https://a.example/srv/",
            "https://A.example",
            "https://a.example:443/srv/mcp/",
        ] {
            assert!(covers(resource, &server), "{resource}");
        }
        for resource in [
            "https://b.example/srv/mcp",
            "https://a.example/srv/mc",
            "https://a.example/srv/mcp/x",
            "http://a.example/srv/mcp",
            "https://a.example:8443/srv",
            "https://a.example/srv/mcp#f",
            "",
            "mcp",
        ] {
            assert!(!covers(resource, &server), "{resource}");
        }
    }

    #[test]
    fn ma_147_nobody_far_away_sends_us_to_this_machine() {
        let (far, near) = (url("https://a.example/mcp"), url("http://127.0.0.1:8000/mcp"));
        let local = url("http://127.0.0.1:9000/x");
        assert!(may_send(&near, &local) && may_send(&near, &far) && may_send(&far, &far));
        assert!(!may_send(&far, &local));
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

    #[test]
    fn ma_73_without_pkce_nobody_goes_on() {
        assert!(usable(json!({ "code_challenge_methods_supported": ["plain", "S256"] })).is_ok());
        for document in [
            json!({}),
            json!({ "code_challenge_methods_supported": ["plain"] }),
        ] {
            assert!(usable(document).is_err());
        }
    }
}
