//! The UserInfo endpoint (OpenID Connect Core section 5.3).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use issuer::userinfo::UserInfoError;
use protocol::challenge::Challenge;
use protocol::{ErrorCode, OAuthError, scope};

use crate::oauth_json;
use crate::registration::bearer;
use crate::router::Web;

/// `GET` and `POST /userinfo`.
pub async fn userinfo(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let token = bearer(&headers);
    if token.is_empty() {
        let error = OAuthError::new(ErrorCode::InvalidToken, "an access token is required");
        return challenged(StatusCode::UNAUTHORIZED, &error, &Challenge::default());
    }
    let refuse = |status, code, text: &str| {
        let challenge = Challenge {
            error: Some((code, text)),
            scope: Some(scope::OPENID),
            ..Challenge::default()
        };
        challenged(status, &OAuthError::new(code, text), &challenge)
    };
    match web.parts.server.user_info(token).await {
        Ok(info) => oauth_json::answer(StatusCode::OK, &info),
        Err(UserInfoError::Invalid(why)) => refuse(StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, why),
        Err(UserInfoError::Scope) => refuse(
            StatusCode::FORBIDDEN,
            ErrorCode::InsufficientScope,
            "the scope openid is needed",
        ),
        Err(UserInfoError::Store(error)) => oauth_json::unavailable(&web, &error.to_string()),
    }
}

fn challenged(status: StatusCode, error: &OAuthError, challenge: &Challenge<'_>) -> Response {
    let mut response = oauth_json::error(error);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge.header());
    response
}
