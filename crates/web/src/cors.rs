//! CORS for what programs call: everybody, without credentials (CC-87). Pages have none.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, HEAD";
const HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, DPoP";
const EXPOSED: &str = "WWW-Authenticate, Retry-After";

/// Answers a preflight.
pub async fn preflight() -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(METHODS),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(HEADERS),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    (StatusCode::NO_CONTENT, headers)
}

/// Lets a browser read the answer, an error too.
pub async fn allow(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    response
}
