//! Every way in which a journey can end early, and in `answer` the one place where that becomes an answer.
//!
//! 401 means "your token is bad" and nothing else; 403 means "this scope would fix it", or a page of
//! another site called, and nothing else (CC-4, CC-5). Whatever is wrong with a message or an upstream is
//! said in JSON-RPC (DEC-16, DEC-18).

use std::time::Duration;

use http::HeaderMap;
use policy::Act;
use protocol::mcp::answer::{INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND};
use protocol::mcp::message::MessageError;
use thiserror::Error;

use crate::api::Unacceptable;
use crate::connection::Connect;
use crate::insufficient_user_authentication::InsufficientUserAuthentication;
use crate::route::Route;
use crate::step_up::Lacking;

mod answer;

pub(crate) use answer::{Circumstances, json, tell, told};

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
    /// The person did not prove enough of who they are, or too long ago (RFC 9470 section 3).
    #[error("{}", .0.text)]
    InsufficientUserAuthentication(InsufficientUserAuthentication),
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
    /// A request to a plain HTTP API that cannot be judged, or is not forwarded whoever sends it.
    #[error(transparent)]
    Request(#[from] Unacceptable),
    /// No rule allows a request to a plain HTTP API.
    #[error("no rule allows you {request}{}", .contact.as_ref().map(|contact| format!("; if you need it, ask {contact}")).unwrap_or_default())]
    NoRule {
        /// Method and path.
        request: String,
        /// Whom to ask.
        contact: Option<String>,
    },
    /// The caller has to connect an account first (CC-105).
    #[error("{0}")]
    Connect(Box<Connect>),
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
            Act::Connect | Act::Other(_) | Act::Request(_) => Self::Method,
        }
    }

    /// The protocol's own code for it: resources had one of their own before the stateless era (TP-110).
    fn code(self, modern: bool) -> i64 {
        match self {
            Self::Resource if !modern => RESOURCE_NOT_FOUND,
            Self::Tool | Self::Prompt | Self::Resource | Self::Task => INVALID_PARAMS,
            Self::Method => METHOD_NOT_FOUND,
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
    /// It refused the caller's own, although that is good.
    #[error(
        "the server refused this to your account there: it may not do it, or what you connected lacks the right"
    )]
    Forbidden,
    /// The caller's own cannot be had.
    #[error("the account that you connected cannot be used at this moment; try again later")]
    Connection,
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
            Self::InsufficientUserAuthentication(_) => "insufficient_user_authentication",
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
            Self::Upstream(UpstreamTrouble::Forbidden) => "upstream_forbidden",
            Self::Upstream(UpstreamTrouble::Connection) => "connection_unavailable",
            Self::Request(unacceptable) => unacceptable.slug(),
            Self::NoRule { .. } => "no_rule",
            Self::Connect(_) => "connection_needed",
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

/// Whether a route's people should be told whom to ask.
pub(crate) fn not_allowed(route: &Route) -> Refusal {
    Refusal::NotAllowed(route.contact.clone())
}
