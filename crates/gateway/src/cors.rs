//! CORS on MCP endpoints and resource metadata: everybody may ask, nobody's cookies come along (CC-87).

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use net::{Body, body};
use protocol::cors;

/// Adds what a browser needs to read an answer, an error too.
pub fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(cors::EXPOSED),
    );
}

/// Answers a preflight, without authentication.
pub fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow(headers);
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = cors::allowed_headers(wanted.and_then(|value| value.to_str().ok()));
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    let methods = HeaderValue::from_static(cors::METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert(header::ALLOW, methods);
    response
}
