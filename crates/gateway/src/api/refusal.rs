//! How a refusal is said to whoever asks an API: plain HTTP, with a small JSON body (RFC 6750 section 3 for what is wrong
//! with a token, RFC 9110 for the rest).

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use model::EventId;
use net::{Body, body};
use protocol::ErrorCode;
use protocol::challenge::Challenge;
use serde_json::json;

use crate::refusal::{Circumstances, Refusal, UpstreamTrouble};
use crate::route::Route;

/// What is known when a refusal is answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain<'a> {
    /// Absolute URL of the resource metadata.
    pub(super) resource_metadata: Option<&'a str>,
    /// The API.
    pub(super) route: Option<&'a Route>,
    /// The reference under which this is recorded.
    pub(super) reference: Option<EventId>,
    /// Whether the client shows its person plain text and nothing else.
    pub(super) reads_text: bool,
}

impl<'a> Plain<'a> {
    /// Of what is known of a request from its headers. `git` shows people what is `text/plain`.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
        Self {
            reads_text: agent.is_some_and(|agent| agent.starts_with(b"git/")),
            ..Self::default()
        }
    }
}

/// The answer.
pub(super) fn answer(refusal: &Refusal, plain: &Plain<'_>) -> Response<Body> {
    let (status, error) = said(refusal);
    let text = refusal.to_string();
    let reference = plain.reference.map(|reference| reference.to_string());
    let connect = match refusal {
        Refusal::Connect(connect) => Some(connect.url.as_str()),
        _ => None,
    };
    let (content_type, shown) = if plain.reads_text {
        let behind = reference.as_deref().map(|name| format!(" (reference {name})"));
        (
            "text/plain; charset=utf-8",
            format!("{text}{}\n", behind.unwrap_or_default()),
        )
    } else {
        let mut document = json!({ "error": error, "error_description": text });
        for (member, value) in [("reference", reference.as_deref()), ("connect", connect)] {
            if let Some(value) = value {
                document[member] = value.into();
            }
        }
        ("application/json", document.to_string())
    };
    let mut response = Response::new(body::full(shown));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let circumstances = Circumstances {
        resource_metadata: plain.resource_metadata,
        scope: plain.route.and_then(Route::scope),
        reference: plain.reference,
        ..Circumstances::default()
    };
    refusal.add_headers(headers, &circumstances);
    challenge(refusal, plain, headers);
    response
}

/// What the challenge of an API says besides.
fn challenge(refusal: &Refusal, plain: &Plain<'_>, headers: &mut HeaderMap) {
    if let Refusal::Lacking(lacking) = refusal {
        let scope = format!(
            "{} {}",
            plain.route.and_then(Route::scope).unwrap_or_default(),
            lacking.scopes()
        );
        let challenge = Challenge {
            resource_metadata: plain.resource_metadata,
            scope: Some(scope.trim()),
            error: Some((ErrorCode::InsufficientScope, "this needs a further scope")),
            ..Challenge::default()
        };
        headers.insert(header::WWW_AUTHENTICATE, challenge.header());
    }
    let takes_basic = plain
        .route
        .is_some_and(|route| route.api.as_ref().is_some_and(|api| api.basic));
    let is_about_the_token = matches!(
        refusal,
        Refusal::NoToken | Refusal::TokenInAddress | Refusal::BadToken(_)
    );
    if takes_basic && is_about_the_token {
        // Behind the other, in a line of its own: whoever can do better takes the first.
        let basic = HeaderValue::from_static("Basic realm=\"vestibule\", charset=\"UTF-8\"");
        headers.append(header::WWW_AUTHENTICATE, basic);
    }
}

fn said(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Origin => (StatusCode::FORBIDDEN, "forbidden_origin"),
        Refusal::UnknownRoute => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::NoToken | Refusal::TokenInAddress | Refusal::BadToken(_) => {
            (StatusCode::UNAUTHORIZED, "unauthorized")
        }
        Refusal::InsufficientUserAuthentication(_) => (
            StatusCode::UNAUTHORIZED,
            ErrorCode::InsufficientUserAuthentication.as_str(),
        ),
        Refusal::Scope | Refusal::StepUp { .. } | Refusal::Lacking(_) => {
            (StatusCode::FORBIDDEN, ErrorCode::InsufficientScope.as_str())
        }
        Refusal::NotAllowed(_) | Refusal::NoRule { .. } | Refusal::NotNow { .. } => {
            (StatusCode::FORBIDDEN, "not_allowed")
        }
        Refusal::Connect(_) => (StatusCode::FORBIDDEN, "connection_needed"),
        Refusal::Upstream(UpstreamTrouble::Forbidden) => (StatusCode::FORBIDDEN, "upstream_forbidden"),
        Refusal::Upstream(UpstreamTrouble::Slow) => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
        Refusal::Upstream(_) => (StatusCode::BAD_GATEWAY, "upstream_error"),
        Refusal::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Refusal::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::NoBody => (StatusCode::REQUEST_TIMEOUT, "no_body"),
        Refusal::Request(unacceptable) => (StatusCode::BAD_REQUEST, unacceptable.slug()),
        Refusal::TooManyUnknown(_) | Refusal::Quota { .. } | Refusal::Busy => {
            (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
        }
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        // Two tokens; the others are of messages, which an API has not.
        _ => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest.as_str()),
    }
}
