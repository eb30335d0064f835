//! Metadata of the authorization server, at every place where clients look (CC-20 to CC-28), and its keys.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use issuer::key_ring::KEY_SET_MAX_AGE;

use crate::fallback;
use crate::router::Web;

/// The version that discovery requests of very old clients carry (DEC-14, CC-79).
const OLD: &[u8] = b"2024-11-05";

/// At the root.
pub async fn root(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    document(&web, &headers)
}

/// With the path of an endpoint inserted behind the well-known part.
pub async fn inserted(State(web): State<Arc<Web>>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let name = path.trim_end_matches('/').strip_prefix("mcp/").map(str::to_owned);
    of_server(&web, name.as_deref(), &headers)
}

/// Behind the path of an endpoint.
pub async fn appended(State(web): State<Arc<Web>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    of_server(&web, Some(&name), &headers)
}

fn of_server(web: &Web, name: Option<&str>, headers: &HeaderMap) -> Response {
    let settings = web.parts.server.settings();
    match name
        .and_then(|name| name.parse().ok())
        .filter(|name| settings.resource(name).is_some())
    {
        Some(_) => document(web, headers),
        None => fallback::json_not_found(),
    }
}

/// The one document, byte for byte the same everywhere.
fn document(web: &Web, headers: &HeaderMap) -> Response {
    let old = headers
        .get("mcp-protocol-version")
        .is_some_and(|version| version.as_bytes() == OLD);
    let documents = web.documents();
    let text = if old {
        &documents.without_iss_flag
    } else {
        &documents.full
    };
    json(
        text.clone(),
        "private, max-age=300",
        Some("MCP-Protocol-Version, Origin"),
    )
}

/// The public keys (RFC 7517).
pub async fn key_set(State(web): State<Arc<Web>>) -> Response {
    let caching = format!("public, max-age={}", KEY_SET_MAX_AGE.as_secs());
    json(web.parts.server.key_ring().key_set().to_string(), &caching, None)
}

pub(crate) fn json(text: String, caching: &str, vary: Option<&'static str>) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(caching) = HeaderValue::from_str(caching) {
        headers.insert(header::CACHE_CONTROL, caching);
    }
    if let Some(vary) = vary {
        headers.insert(header::VARY, HeaderValue::from_static(vary));
    }
    response
}
