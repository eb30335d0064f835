//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use protocol::OAuthError;

use crate::oauth_json;
use crate::request::{Form, From};
use crate::router::Web;
use crate::token::{authenticate, presented};

/// `POST /revoke`. A public client need not name itself (CC-80); an unknown token is 200.
pub async fn revoke(
    State(web): State<Arc<Web>>,
    from: From,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let presented = match presented(&headers, &form) {
        Ok(presented) => presented,
        Err(error) => return oauth_json::client_error(&web, &error),
    };
    let anonymous =
        presented.basic.is_empty() && presented.client_id.is_none() && presented.assertion.is_none();
    let authenticated = if anonymous {
        None
    } else {
        match authenticate(&web, &headers, &form, &from).await {
            Ok(authenticated) => Some(authenticated),
            Err(error) => return oauth_json::client_error(&web, &error),
        }
    };
    let token = match form.one("token") {
        Ok(Some(token)) => token,
        Ok(None) => return oauth_json::error(&OAuthError::invalid_request("token is missing")),
        Err(error) => return oauth_json::error(&OAuthError::invalid_request(error.to_string())),
    };
    let client = authenticated.as_ref().map(|authenticated| &authenticated.client);
    match web.parts.server.revoke(token, client, &from.0).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => oauth_json::unavailable(&web, &error.to_string()),
    }
}
