//! The introspection endpoint (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use protocol::{ErrorCode, OAuthError};

use crate::oauth_json;
use crate::request::{Form, From};
use crate::router::Web;
use crate::token::authenticate;

/// `POST /introspect`.
pub async fn introspect(
    State(web): State<Arc<Web>>,
    from: From,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let client = match authenticate(&web, &headers, &form, &from).await {
        Ok(authenticated) => authenticated.client,
        Err(error) => return oauth_json::client_error(&web, &error),
    };
    if !web.parts.server.may_introspect(&client) {
        let text = "only confidential clients that are listed for a server may introspect";
        return oauth_json::logged(
            &web,
            StatusCode::FORBIDDEN,
            &OAuthError::new(ErrorCode::UnauthorizedClient, text),
        );
    }
    let token = match form.one("token") {
        Ok(Some(token)) => token,
        Ok(None) => return oauth_json::error(&OAuthError::invalid_request("token is missing")),
        Err(error) => return oauth_json::error(&OAuthError::invalid_request(error.to_string())),
    };
    match web.parts.server.introspect(&client, token).await {
        Ok(answer) => oauth_json::answer(StatusCode::OK, &answer),
        Err(error) => oauth_json::unavailable(&web, &error.to_string()),
    }
}
