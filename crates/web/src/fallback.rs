//! What is not there: JSON for programs, a page for people.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use crate::locale::Locale;
use crate::page::{self, Message};
use crate::router::Web;

/// No such path.
pub async fn not_found(
    State(web): State<Arc<Web>>,
    uri: Uri,
    locale: Locale,
    headers: HeaderMap,
) -> Response {
    if wants_html(&headers) && !uri.path().starts_with("/.well-known/") {
        let message = Message {
            title: locale.t("not-found-title"),
            text: locale.t("not-found-text"),
            ..Message::default()
        };
        return page::message(&web, locale, StatusCode::NOT_FOUND, message);
    }
    json_not_found()
}

/// A small JSON 404 (CC-10, CC-20).
pub fn json_not_found() -> Response {
    json(
        StatusCode::NOT_FOUND,
        r#"{"error":"not_found","error_description":"there is nothing at this address"}"#,
    )
}

/// A path that exists, with another method; axum has set `Allow`.
pub async fn method_not_allowed() -> Response {
    json(
        StatusCode::METHOD_NOT_ALLOWED,
        r#"{"error":"method_not_allowed","error_description":"this address does not take this method"}"#,
    )
}

fn json(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether a person's browser asks.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
