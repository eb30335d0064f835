//! JSON answers of the OAuth endpoints, and the one place where errors become them (RFC 6749 section 5.2,
//! CC-61).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use issuer::client_authentication::ClientError;
use issuer::issue::IssueError;
use issuer::registration::RegistrationError;
use model::EventId;
use protocol::error::ErrorBody;
use protocol::{ErrorCode, OAuthError};
use serde::Serialize;
use tracing::{info, warn};

use crate::router::Web;

/// A good answer that nobody may keep (OS-3).
pub fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An OAuth error: 400, or 401 for a client or token that does not count.
pub fn error(error: &OAuthError) -> Response {
    let status = match error.code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    with_status(status, error, None)
}

/// An error with the reference id that finds its log line.
pub fn logged(web: &Web, status: StatusCode, error: &OAuthError) -> Response {
    let reference: EventId = web.parts.world.new_id();
    info!(%reference, error = error.code.as_str(), description = %error.description, "an OAuth request was refused");
    with_status(status, error, Some(reference))
}

fn with_status(status: StatusCode, error: &OAuthError, reference: Option<EventId>) -> Response {
    let reference = reference.map(|id| id.to_string());
    let body = ErrorBody {
        error: error.code.as_str(),
        error_description: &error.description,
        reference: reference.as_deref(),
    };
    answer(status, &body)
}

/// A fault of ours that will pass; clients keep what they have.
pub fn unavailable(web: &Web, why: &str) -> Response {
    let reference: EventId = web.parts.world.new_id();
    warn!(%reference, why, "temporarily unavailable");
    let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a few seconds");
    let mut response = with_status(StatusCode::SERVICE_UNAVAILABLE, &error, Some(reference));
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Too much from one source (OS-141).
pub fn too_many(wait: Duration) -> Response {
    let error = OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "too many requests; wait and try again",
    );
    let mut response = with_status(StatusCode::TOO_MANY_REQUESTS, &error, None);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// A refused client (OS-51, CC-35).
pub fn client_error(web: &Web, error: &ClientError) -> Response {
    match error {
        ClientError::Invalid { error, basic } => {
            let mut response = logged(web, StatusCode::UNAUTHORIZED, error);
            if *basic {
                let scheme = HeaderValue::from_static("Basic realm=\"vestibule\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
        ClientError::Request(error) => logged(web, StatusCode::BAD_REQUEST, error),
        ClientError::TooMany(wait) => too_many(*wait),
        ClientError::Unavailable(why) => unavailable(web, why),
    }
}

/// Tokens that were not issued.
pub fn issue_error(web: &Web, error: &IssueError) -> Response {
    match error {
        // Said again and again, and nothing is wrong.
        IssueError::Refused(
            pending @ OAuthError {
                code: ErrorCode::AuthorizationPending | ErrorCode::SlowDown,
                ..
            },
        ) => self::error(pending),
        IssueError::Refused(error) => logged(web, StatusCode::BAD_REQUEST, error),
        IssueError::TooMany(wait) => too_many(*wait),
        IssueError::Unavailable(why) => unavailable(web, why),
    }
}

/// A registration that was not made.
pub fn registration_error(web: &Web, error: &RegistrationError) -> Response {
    match error {
        RegistrationError::Closed(error) => logged(web, StatusCode::FORBIDDEN, error),
        RegistrationError::Refused(error) => logged(web, StatusCode::BAD_REQUEST, error),
        RegistrationError::TooMany(wait) => too_many(*wait),
        RegistrationError::NotYours => {
            let error = OAuthError::new(
                ErrorCode::InvalidToken,
                "the registration access token is not valid",
            );
            let mut response = logged(web, StatusCode::UNAUTHORIZED, &error);
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        RegistrationError::Store(error) => unavailable(web, &error.to_string()),
    }
}
