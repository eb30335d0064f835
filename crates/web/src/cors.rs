//! CORS for what programs call: everybody, without credentials (CC-87). Pages have none.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::cors;

/// Answers a preflight.
pub async fn preflight(asked: HeaderMap) -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = cors::allowed_headers(wanted.and_then(|value| value.to_str().ok()));
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(cors::METHODS),
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
        HeaderValue::from_static(cors::EXPOSED),
    );
    response
}
