//! The device authorization endpoint (RFC 8628 section 3.1).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use crate::oauth_json;
use crate::request::{Form, From};
use crate::router::Web;
use crate::token::authenticate;

/// `POST /device_authorization`.
pub async fn authorize(
    State(web): State<Arc<Web>>,
    from: From,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let authenticated = match authenticate(&web, &headers, &form, &from).await {
        Ok(authenticated) => authenticated,
        Err(error) => return oauth_json::client_error(&web, &error),
    };
    let begun = web
        .parts
        .server
        .authorize_device(&authenticated.client, &form, &from.0)
        .await;
    match begun {
        Ok(begun) => oauth_json::answer(StatusCode::OK, &begun),
        Err(error) => oauth_json::issue_error(&web, &error),
    }
}
