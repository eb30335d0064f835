//! Every way in which a journey can end early, and the one place where that becomes an answer.
//!
//! 401 means "your token is bad" and nothing else; 403 means "this scope would fix it", or a page of
//! another site called, and nothing else (CC-4, CC-5). Whatever is wrong with a message or an upstream is
//! said in JSON-RPC (DEC-16, DEC-18).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use model::EventId;
use net::{Body, body};
use policy::Act;
use protocol::ErrorCode;
use protocol::challenge::Challenge;
use protocol::mcp::answer;
use protocol::mcp::message::MessageError;
use thiserror::Error;

use crate::cors;
use crate::message::Waiting;
use crate::route::Route;
use crate::step_up::Lacking;

/// Why a request goes no further.
#[derive(Debug, Error)]
pub enum Refusal {
    /// A page of another site (CC-6).
    #[error("this origin may not call")]
    Origin,
    /// No such server.
    #[error("there is no such server")]
    UnknownRoute,
    /// No credentials came: 401 without `error` (MA-23).
    #[error("authentication is required")]
    NoToken,
    /// A token came in the address, where logs and histories keep it: 401 without `error`, and a word why
    /// (CC-102, MA-27).
    #[error("a token in the address is not read; send it in the Authorization header")]
    TokenInAddress,
    /// A token came and does not count (MA-24).
    #[error("{0}")]
    BadToken(&'static str),
    /// Credentials in two places, or twice (MA-26).
    #[error("more than one access token was sent")]
    TwoTokens,
    /// Too many tokens that nobody knows came from there.
    #[error("too many unknown tokens came from this network; try again later")]
    TooManyUnknown(Duration),
    /// The token lacks `mcp`, which the same person can get (DEC-17).
    #[error("the token lacks the scope mcp")]
    Scope,
    /// The rules allow it with scopes that the token lacks and the same person can get (CC-76).
    #[error("{0}")]
    Lacking(Box<Lacking>),
    /// The same, said to a client that asks for them by itself (DEC-17).
    #[error("the token lacks a scope that this needs")]
    StepUp {
        /// All scopes that are granted or needed (MA-32).
        challenge: String,
        /// Those that are lacking.
        lacking: String,
    },
    /// The client did not declare the tasks extension (TP-55).
    #[error("this needs the extension io.modelcontextprotocol/tasks, which the request does not declare")]
    Undeclared,
    /// Another method than those that this leg has.
    #[error("method not allowed")]
    Method(&'static str),
    /// Not JSON (TP-9).
    #[error("the body must be application/json")]
    MediaType,
    /// A compressed body: nothing is judged that was not read.
    #[error("the body must not be compressed")]
    Encoding,
    /// Longer than allowed (DEC-20).
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not come in time, or broke off.
    #[error("the body did not arrive")]
    NoBody,
    /// Not a JSON-RPC message with one reading (DEC-19).
    #[error(transparent)]
    Message(#[from] MessageError),
    /// An array, outside 2025-03-26 or with an `initialize` in it.
    #[error("batches are not part of this protocol version")]
    Batch,
    /// 2026-07-28: a required member of `_meta` is missing (TP-50).
    #[error("_meta lacks {0}")]
    Meta(&'static str),
    /// Mirrored headers and body disagree, or a required one is missing (TP-52, TP-63).
    #[error("{0}")]
    Mismatch(String),
    /// A message names more tasks than are looked up for one.
    #[error("a message may name at most {0} tasks")]
    TooManyTasks(usize),
    /// The person may not use this server; said in HTTP 200 (CC-5).
    #[error("you may not use this server{}", .0.as_ref().map(|contact| format!("; ask {contact}")).unwrap_or_default())]
    NotAllowed(Option<String>),
    /// What was asked for is not there, as far as this caller is concerned (DEC-16).
    #[error("Unknown {0}: {1}")]
    Absent(Absent, String),
    /// The same, for something whose definition is not the one that was accepted (TP-119).
    #[error("Unknown {0}: {1}")]
    Held(Absent, String),
    /// Not under these circumstances; there is a reason that a person or a model can act on (DEC-16).
    #[error("{advice}{}", .contact.as_ref().map(|contact| format!(" If you need it, ask {contact}.")).unwrap_or_default())]
    NotNow {
        /// Why, or what to do instead.
        advice: String,
        /// Whom to ask.
        contact: Option<String>,
    },
    /// More than a quota allows.
    #[error("this is more than the quota {quota} allows; {}", again(*.wait))]
    Quota {
        /// What the operator calls it.
        quota: String,
        /// Until when; none if something that is under way must end first.
        wait: Option<Duration>,
    },
    /// The server takes no more calls at once, and no place came free in time.
    #[error("the server is busy; {}", again(Some(AGAIN)))]
    Busy,
    /// Every message of a batch was refused; these are the answers.
    #[error("nothing in this batch is allowed")]
    Told(Vec<String>),
    /// A session asks for a list and for something else under one id.
    #[error("this request id is in use; an id must not be used twice in a session")]
    IdInUse,
    /// The session is unknown, ended, or somebody else's (TP-40, TP-42).
    #[error("the session is unknown or has ended")]
    Session,
    /// The upstream could not be reached or did not answer properly (DEC-18). The text names no internal
    /// address; the log does.
    #[error("{0}")]
    Upstream(UpstreamTrouble),
    /// A fault of ours that will pass.
    #[error("temporarily unavailable")]
    Unavailable,
}

/// What somebody asked for and cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A task.
    Task,
    /// A method.
    Method,
}

impl Absent {
    /// What an act is aimed at.
    pub(crate) fn of(act: Act<'_>) -> Self {
        match act {
            Act::CallTool(_) => Self::Tool,
            Act::GetPrompt(_) | Act::CompletePrompt(_) => Self::Prompt,
            Act::ReadResource(_) | Act::Subscribe(_) | Act::CompleteResource(_) => Self::Resource,
            Act::Connect | Act::Other(_) => Self::Method,
        }
    }

    /// The protocol's own code for it: resources had one of their own before the stateless era (TP-110).
    fn code(self, modern: bool) -> i64 {
        match self {
            Self::Resource if !modern => answer::RESOURCE_NOT_FOUND,
            Self::Tool | Self::Prompt | Self::Resource | Self::Task => answer::INVALID_PARAMS,
            Self::Method => answer::METHOD_NOT_FOUND,
        }
    }
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Task => "task",
            Self::Method => "method",
        })
    }
}

/// What is wrong with an upstream, in words for people and models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpstreamTrouble {
    /// Refused, unknown, certificate.
    #[error("the server cannot be reached at this moment; try again later")]
    Unreachable,
    /// No answer in time.
    #[error("the server did not answer in time")]
    Slow,
    /// A redirect, a server error, nonsense.
    #[error("the server failed to answer; try again later")]
    Broken,
    /// It refused the credential that the door holds.
    #[error("the server refused the credential that the door holds for it; tell its administrator")]
    Credential,
}

/// Renders a refusal for a person at a browser; the program that composes the parts hands it in.
pub trait HumanPages: Send + Sync + std::fmt::Debug {
    /// The page for somebody who opened an MCP endpoint in a browser, given the request's headers; adds the
    /// headers that a page has to the answer's.
    fn endpoint_opened(
        &self,
        server: &str,
        endpoint: &str,
        asked: &HeaderMap,
        answer: &mut HeaderMap,
    ) -> String;
}

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
    /// The word under which logs and the audit record know it.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::UnknownRoute => "unknown_server",
            Self::NoToken => "no_token",
            Self::TokenInAddress => "token_in_address",
            Self::BadToken(_) => "bad_token",
            Self::TwoTokens => "two_tokens",
            Self::TooManyUnknown(_) => "too_many_unknown",
            Self::Scope => "scope",
            Self::Lacking(_) | Self::StepUp { .. } => "insufficient_scope",
            Self::Undeclared => "undeclared_capability",
            Self::Method(_) => "method",
            Self::MediaType => "media_type",
            Self::Encoding => "encoding",
            Self::TooLarge(_) => "too_large",
            Self::NoBody => "no_body",
            Self::Message(_) => "message",
            Self::Batch => "batch",
            Self::Meta(_) => "meta",
            Self::Mismatch(_) => "header_mismatch",
            Self::TooManyTasks(_) => "too_many_tasks",
            Self::NotAllowed(_) => "not_allowed",
            Self::Absent(..) => "hidden",
            Self::Held(..) => "definition_changed",
            Self::NotNow { .. } | Self::Told(_) => "policy",
            Self::Quota { .. } => "quota",
            Self::Busy => "busy",
            Self::IdInUse => "id_in_use",
            Self::Session => "session",
            Self::Upstream(UpstreamTrouble::Unreachable) => "upstream_unreachable",
            Self::Upstream(UpstreamTrouble::Slow) => "upstream_slow",
            Self::Upstream(UpstreamTrouble::Broken) => "upstream_broken",
            Self::Upstream(UpstreamTrouble::Credential) => "upstream_credential",
            Self::Unavailable => "unavailable",
        }
    }

    /// Why, for the record: the word, and what it is about where that helps (MA-36).
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Lacking(lacking) => format!("{}: {}", self.slug(), lacking.scopes()),
            Self::StepUp { lacking, .. } => format!("{}: {lacking}", self.slug()),
            _ => self.slug().to_owned(),
        }
    }

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
            Self::Quota { .. } | Self::Busy => too_much(self, circumstances),
            Self::Told(answers) if answers.is_empty() => {
                json(StatusCode::BAD_REQUEST, rpc(answer::NOT_ALLOWED))
            }
            Self::Told(answers) => json(StatusCode::OK, format!("[{}]", answers.join(","))),
            Self::Session => json(StatusCode::NOT_FOUND, rpc(answer::INVALID_REQUEST)),
            Self::Upstream(trouble) => upstream_trouble(*trouble, circumstances),
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

    fn add_headers(&self, headers: &mut HeaderMap, circumstances: &Circumstances<'_>) {
        let challenge = |error| Challenge {
            resource_metadata: circumstances.resource_metadata,
            scope: circumstances.scope,
            error,
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

/// When to try again, where nothing says it better.
const AGAIN: Duration = Duration::from_secs(1);

fn in_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn again(wait: Option<Duration>) -> String {
    match wait.map(in_seconds) {
        None => "try again when something that is under way has ended".to_owned(),
        Some(0 | 1) => "try again in a second".to_owned(),
        Some(seconds) => format!("try again in {seconds} seconds"),
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

fn plain(error: &str, description: &str) -> String {
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

/// Whether a route's people should be told whom to ask.
pub(crate) fn not_allowed(route: &Route) -> Refusal {
    Refusal::NotAllowed(route.contact.clone())
}
