//! How a refusal is said: status, headers, and JSON-RPC to each request that waits.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use model::EventId;
use net::{Body, body};
use protocol::ErrorCode;
use protocol::challenge::Challenge;
use protocol::mcp::answer;
use protocol::mcp::elicitation;
use protocol::mcp::message::MessageError;

use super::{AGAIN, Absent, Refusal, UpstreamTrouble, in_seconds};
use crate::connection::Connect;
use crate::cors;
use crate::message::Waiting;

/// What is known when a refusal is answered.
#[derive(Debug, Default)]
pub(crate) struct Circumstances<'a> {
    /// The JSON-RPC requests that wait for an answer.
    pub(crate) waiting: Vec<Waiting>,
    /// Whether they came as a batch.
    pub(crate) is_batch: bool,
    /// Whether it is of the stateless era.
    pub(crate) modern: bool,
    /// Absolute URL of the resource metadata that fits the request's spelling.
    pub(crate) resource_metadata: Option<&'a str>,
    /// The scope that a token needs, as clients ask their authorization server for it.
    pub(crate) scope: Option<&'a str>,
    /// The reference under which this is recorded.
    pub(crate) reference: Option<EventId>,
}

impl Circumstances<'_> {
    /// An answer to each request that waits, in the form in which they came (TP-26); none if nobody waits.
    fn answer_each(&self, to_each: impl Fn(&Waiting) -> String) -> Option<String> {
        let answers: Vec<String> = self.waiting.iter().map(to_each).collect();
        match answers.as_slice() {
            [] => None,
            [only] if !self.is_batch => Some(only.clone()),
            several => Some(format!("[{}]", several.join(","))),
        }
    }
}

impl Refusal {
    /// The answer.
    pub(crate) fn answer(&self, circumstances: &Circumstances<'_>) -> Response<Body> {
        let id = match circumstances.waiting.as_slice() {
            [only] if !circumstances.is_batch => Some(only.id.as_str()),
            _ => None,
        };
        let text = self.to_string();
        let rpc = |code: i64| answer::error(id, code, &text);
        let mut response = match self {
            Self::Origin => json(StatusCode::FORBIDDEN, plain("forbidden_origin", &text)),
            Self::UnknownRoute => json(StatusCode::NOT_FOUND, plain("not_found", &text)),
            Self::NoToken | Self::TokenInAddress | Self::BadToken(_) => {
                json(StatusCode::UNAUTHORIZED, plain("unauthorized", &text))
            }
            Self::TwoTokens => json(
                StatusCode::BAD_REQUEST,
                plain(ErrorCode::InvalidRequest.as_str(), &text),
            ),
            Self::TooManyUnknown(_) => json(StatusCode::TOO_MANY_REQUESTS, plain("too_many_requests", &text)),
            Self::Scope | Self::StepUp { .. } => json(
                StatusCode::FORBIDDEN,
                plain(ErrorCode::InsufficientScope.as_str(), &text),
            ),
            Self::InsufficientUserAuthentication(_) => json(
                StatusCode::UNAUTHORIZED,
                plain(ErrorCode::InsufficientUserAuthentication.as_str(), &text),
            ),
            Self::Undeclared => json(StatusCode::BAD_REQUEST, answer::undeclared_tasks(id, &text)),
            Self::Method(_) => json(StatusCode::METHOD_NOT_ALLOWED, plain("method_not_allowed", &text)),
            Self::MediaType | Self::Encoding => {
                json(StatusCode::UNSUPPORTED_MEDIA_TYPE, rpc(answer::INVALID_REQUEST))
            }
            Self::TooLarge(_) => json(StatusCode::PAYLOAD_TOO_LARGE, rpc(answer::INVALID_REQUEST)),
            Self::NoBody => json(StatusCode::REQUEST_TIMEOUT, rpc(answer::INVALID_REQUEST)),
            Self::Message(MessageError::Syntax(_)) => json(StatusCode::BAD_REQUEST, rpc(answer::PARSE_ERROR)),
            Self::Message(MessageError::Envelope { id, .. }) => json(
                StatusCode::BAD_REQUEST,
                answer::error(id.as_deref(), answer::INVALID_REQUEST, &text),
            ),
            Self::Batch | Self::IdInUse => json(StatusCode::BAD_REQUEST, rpc(answer::INVALID_REQUEST)),
            Self::Meta(_) | Self::TooManyTasks(_) => {
                json(StatusCode::BAD_REQUEST, rpc(answer::INVALID_PARAMS))
            }
            Self::Mismatch(_) => json(StatusCode::BAD_REQUEST, rpc(answer::HEADER_MISMATCH)),
            Self::NotAllowed(_)
            | Self::Absent(..)
            | Self::Held(..)
            | Self::NotNow { .. }
            | Self::Lacking(_) => {
                // TP-54: a method that is not there is not found in the stateless era.
                let status = match self {
                    Self::Absent(Absent::Method, _) if circumstances.modern => StatusCode::NOT_FOUND,
                    _ => StatusCode::OK,
                };
                match circumstances.answer_each(|waiting| tell(self, waiting, circumstances.modern)) {
                    Some(text) => json(status, text),
                    None => json(StatusCode::BAD_REQUEST, rpc(answer::NOT_ALLOWED)),
                }
            }
            // Never said where a message waits; plain APIs have words of their own.
            Self::Request(_) | Self::NoRule { .. } => json(StatusCode::BAD_REQUEST, rpc(answer::NOT_ALLOWED)),
            Self::Quota { .. } | Self::Busy => too_much(self, circumstances),
            Self::Told(answers) if answers.is_empty() => {
                json(StatusCode::BAD_REQUEST, rpc(answer::NOT_ALLOWED))
            }
            Self::Told(answers) => json(StatusCode::OK, format!("[{}]", answers.join(","))),
            Self::Session => json(StatusCode::NOT_FOUND, rpc(answer::INVALID_REQUEST)),
            Self::Upstream(trouble) => upstream_trouble(*trouble, circumstances),
            Self::Connect(connect) => connect_first(connect, circumstances),
            Self::Unavailable => json(
                StatusCode::SERVICE_UNAVAILABLE,
                plain("temporarily_unavailable", &text),
            ),
        };
        let headers = response.headers_mut();
        self.add_headers(headers, circumstances);
        cors::allow(headers);
        response
    }

    pub(crate) fn add_headers(&self, headers: &mut HeaderMap, circumstances: &Circumstances<'_>) {
        let challenge = |error| Challenge {
            resource_metadata: circumstances.resource_metadata,
            scope: circumstances.scope,
            error,
            ..Challenge::default()
        };
        match self {
            Self::NoToken | Self::TokenInAddress => {
                headers.insert(header::WWW_AUTHENTICATE, challenge(None).header());
            }
            Self::BadToken(why) => {
                let error = Some((ErrorCode::InvalidToken, *why));
                headers.insert(header::WWW_AUTHENTICATE, challenge(error).header());
            }
            Self::TwoTokens => {
                let error = Some((ErrorCode::InvalidRequest, "more than one access token was sent"));
                headers.insert(header::WWW_AUTHENTICATE, challenge(error).header());
            }
            Self::Scope => {
                let error = Some((ErrorCode::InsufficientScope, "the scope mcp is needed"));
                headers.insert(header::WWW_AUTHENTICATE, challenge(error).header());
            }
            Self::StepUp {
                challenge: scopes, ..
            } => {
                let challenge = Challenge {
                    scope: Some(scopes),
                    ..challenge(Some((ErrorCode::InsufficientScope, "this needs a further scope")))
                };
                headers.insert(header::WWW_AUTHENTICATE, challenge.header());
            }
            Self::InsufficientUserAuthentication(lacking) => {
                let error = Some((ErrorCode::InsufficientUserAuthentication, lacking.text));
                let challenge = Challenge {
                    acr_values: Some(lacking.acr_values.as_str()).filter(|values| !values.is_empty()),
                    max_age: lacking.max_age.map(|age| age.as_secs()),
                    ..challenge(error)
                };
                headers.insert(header::WWW_AUTHENTICATE, challenge.header());
            }
            Self::Method(allow) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Encoding => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Self::TooManyUnknown(wait) => {
                headers.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
            }
            Self::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Quota { wait, .. } => {
                let seconds = in_seconds(wait.unwrap_or(AGAIN));
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(in_seconds(AGAIN)));
            }
            _ => {}
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(reference) = circumstances.reference
            && let Ok(value) = HeaderValue::from_str(&reference.to_string())
        {
            headers.insert("x-reference", value);
        }
    }
}

/// DEC-16: a tool call gets a result that a model can act on, as do messages of a batch; anything else is 429.
fn too_much(refusal: &Refusal, circumstances: &Circumstances<'_>) -> Response<Body> {
    let text = circumstances.answer_each(|waiting| tell(refusal, waiting, circumstances.modern));
    let calls = circumstances.waiting.iter().any(|waiting| waiting.is_tool_call);
    match text {
        Some(text) if calls || circumstances.is_batch => json(StatusCode::OK, text),
        Some(text) => json(StatusCode::TOO_MANY_REQUESTS, text),
        None => json(
            StatusCode::TOO_MANY_REQUESTS,
            plain("too_many_requests", &refusal.to_string()),
        ),
    }
}

/// DEC-18: a tool call gets a result that a model can read, another request a JSON-RPC error, and only
/// where there is no request to answer does HTTP say it.
fn upstream_trouble(trouble: UpstreamTrouble, circumstances: &Circumstances<'_>) -> Response<Body> {
    let text = trouble.to_string();
    match circumstances.answer_each(|waiting| told(trouble, waiting, circumstances.modern)) {
        Some(text) => json(StatusCode::OK, text),
        None if trouble == UpstreamTrouble::Slow => {
            json(StatusCode::GATEWAY_TIMEOUT, plain("upstream_timeout", &text))
        }
        None => json(StatusCode::BAD_GATEWAY, plain("upstream_error", &text)),
    }
}

/// CC-105: a client that opens addresses is asked to open this one, in the words of its era; any other gets a result that
/// a model can read, with the address in it.
fn connect_first(connect: &Connect, circumstances: &Circumstances<'_>) -> Response<Body> {
    let text = connect.to_string();
    let modern = circumstances.modern;
    let asks = connect.opens && !circumstances.is_batch;
    let told = circumstances.answer_each(|waiting| {
        let id = &waiting.id;
        match waiting.is_tool_call {
            true if asks && modern => elicitation::input_required(id, &text, &connect.url),
            true if asks => elicitation::required(id, &text, &connect.url, &connect.id.to_string()),
            true => answer::tool_error(id, &text, modern),
            false => answer::error(Some(id), answer::INTERNAL_ERROR, &text),
        }
    });
    match told {
        Some(told) => json(StatusCode::OK, told),
        None => json(StatusCode::BAD_GATEWAY, plain("connection_needed", &text)),
    }
}

/// What somebody who waits is told when the policy refuses: the protocol's own answer for what is not there, a
/// result that a model can read for a tool that is, else an error (DEC-16).
pub(crate) fn tell(refusal: &Refusal, waiting: &Waiting, modern: bool) -> String {
    let text = refusal.to_string();
    match refusal {
        Refusal::Absent(what, _) | Refusal::Held(what, _) => {
            answer::error(Some(&waiting.id), what.code(modern), &text)
        }
        Refusal::NotNow { .. } | Refusal::Lacking(_) | Refusal::Quota { .. } | Refusal::Busy
            if waiting.is_tool_call =>
        {
            answer::tool_error(&waiting.id, &text, modern)
        }
        Refusal::Quota { .. } | Refusal::Busy => answer::error(Some(&waiting.id), answer::TOO_MANY, &text),
        _ => answer::error(Some(&waiting.id), answer::NOT_ALLOWED, &text),
    }
}

/// What somebody who waits is told of an upstream's trouble.
pub(crate) fn told(trouble: UpstreamTrouble, waiting: &Waiting, modern: bool) -> String {
    let text = trouble.to_string();
    if waiting.is_tool_call {
        answer::tool_error(&waiting.id, &text, modern)
    } else {
        answer::error(Some(&waiting.id), answer::INTERNAL_ERROR, &text)
    }
}

pub(crate) fn plain(error: &str, description: &str) -> String {
    serde_json::json!({ "error": error, "error_description": description }).to_string()
}

/// A small JSON answer.
pub(crate) fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
