//! The registration endpoint (RFC 7591) and client configuration endpoint (RFC 7592).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::oauth_json;
use crate::request::From;
use crate::router::Web;

/// `POST /register`.
pub async fn register(State(web): State<Arc<Web>>, from: From, body: Bytes) -> Response {
    match web
        .parts
        .server
        .register(&body, from.address(), from.0.clone())
        .await
    {
        Ok(registered) => oauth_json::answer(StatusCode::CREATED, &registered),
        Err(error) => oauth_json::registration_error(&web, &error),
    }
}

/// `GET /register/{id}`.
pub async fn read(State(web): State<Arc<Web>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match web.parts.server.registration(&id, bearer(&headers)).await {
        Ok(registered) => oauth_json::answer(StatusCode::OK, &registered),
        Err(error) => oauth_json::registration_error(&web, &error),
    }
}

/// `PUT /register/{id}`.
pub async fn update(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match web
        .parts
        .server
        .update_registration(&id, bearer(&headers), &body)
        .await
    {
        Ok(registered) => oauth_json::answer(StatusCode::OK, &registered),
        Err(error) => oauth_json::registration_error(&web, &error),
    }
}

/// `DELETE /register/{id}`.
pub async fn delete(State(web): State<Arc<Web>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match web.parts.server.delete_registration(&id, bearer(&headers)).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => oauth_json::registration_error(&web, &error),
    }
}

/// The token of an `Authorization: Bearer` header; empty if there is none.
pub(crate) fn bearer(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}
