//! The step that reads the message, tells its era and makes sure that headers and body say the same
//! (mcp-transport-proxying sections 0 and 4, CC-93, CC-98).

use bytes::Bytes;
use http::{HeaderMap, header};
use hyper::body::Incoming;
use memchr::memmem;
use net::body::{self, ReadError};
use protocol::mcp::elicitation;
use protocol::mcp::list::List;
use protocol::mcp::message::{self, Body, Message};

use crate::names;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::trace::TraceContext;

mod element;
mod headers;

use element::element;
pub(crate) use element::{Asked, AskedTask, Element, MayBegin, Waiting};
use headers::{era, mirrored, one};

/// Longest name of a program that is kept.
const LONGEST_AGENT: usize = 100;

/// A body that was read, with what later steps need of it.
#[derive(Debug)]
pub(crate) struct Read {
    /// The bytes as they came; they are forwarded as they are, but for what the policy takes out of them.
    pub(crate) bytes: Bytes,
    /// The method; `batch` for a batch.
    pub(crate) method: Option<String>,
    /// What it is aimed at.
    pub(crate) target: Option<String>,
    /// What the program calls itself, shortened.
    pub(crate) agent: Option<String>,
    /// Whether it is of the stateless era.
    pub(crate) modern: bool,
    /// Whether it is an array.
    pub(crate) is_batch: bool,
    /// The lists of whose changes it wants to be told; only of `subscriptions/listen`.
    pub(crate) watches: Vec<List>,
    /// The trace that it says it belongs to.
    pub(crate) trace: Option<TraceContext>,
    /// The message, or those of a batch.
    pub(crate) elements: Vec<Element>,
}

impl Read {
    /// The requests that wait for an answer.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.elements
            .iter()
            .filter_map(|element| element.waiting.as_ref())
    }

    /// Whether somebody waits for an answer.
    pub(crate) fn asks(&self) -> bool {
        self.waiting().next().is_some()
    }

    /// Whether it begins a session.
    pub(crate) fn is_initialize(&self) -> bool {
        self.method.as_deref() == Some("initialize")
    }
}

/// The lists of whose changes a subscription wants to be told (TP-77).
fn watches(message: &Message<'_>) -> Vec<List> {
    let wants = &message.params.notifications;
    let all = [
        (List::Tools, wants.tools_list_changed),
        (List::Prompts, wants.prompts_list_changed),
        (List::Resources, wants.resources_list_changed),
    ];
    let listens = message.method() == Some("subscriptions/listen");
    let wanted = all.into_iter().filter(|(_, wanted)| listens && *wanted);
    wanted.map(|(list, _)| list).collect()
}

/// A refusal, with the request that waits for it if that much could be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) refusal: Refusal,
    pub(crate) id: Option<String>,
    pub(crate) modern: bool,
}

impl From<Refusal> for Unreadable {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            id: None,
            modern: false,
        }
    }
}

/// Reads the body of a POST.
pub(crate) async fn read(route: &Route, headers: &HeaderMap, incoming: Incoming) -> Result<Read, Unreadable> {
    if !is_json(headers) {
        return Err(Refusal::MediaType.into());
    }
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.as_bytes().to_ascii_lowercase());
    if encoding.is_some_and(|encoding| encoding != b"identity") {
        return Err(Refusal::Encoding.into());
    }
    let bytes = body::read(incoming, route.body_limit, route.timeouts.body)
        .await
        .map_err(|error| match error {
            ReadError::TooLarge(limit) => Refusal::TooLarge(limit),
            ReadError::TooSlow | ReadError::Broken => Refusal::NoBody,
        })?;
    if route.recipe.is_some()
        && memmem::find(&bytes, elicitation::QUESTION.as_bytes()).is_some()
        && let Some(rest) = elicitation::without_answer(&bytes)
    {
        return judge(&rest.into(), headers);
    }
    judge(&bytes, headers)
}

/// Judges a body against the headers that came with it.
pub(crate) fn judge(bytes: &Bytes, headers: &HeaderMap) -> Result<Read, Unreadable> {
    let version = one(headers, &names::VERSION)?;
    match message::parse(bytes).map_err(Refusal::Message)? {
        Body::Single(message) => {
            let modern = match era(&message, version) {
                Ok(modern) => modern,
                Err(refusal) => return Err(unreadable(refusal, &message, true)),
            };
            match mirrored(&message, headers, modern) {
                Ok(()) => Ok(Read {
                    bytes: bytes.clone(),
                    method: message.method().map(str::to_owned),
                    target: message.target().map(str::to_owned),
                    agent: message
                        .agent()
                        .map(|name| name.chars().take(LONGEST_AGENT).collect()),
                    modern,
                    is_batch: false,
                    watches: watches(&message),
                    trace: TraceContext::of_message(&message),
                    elements: vec![element(&message, "", bytes)],
                }),
                Err(refusal) => Err(unreadable(refusal, &message, modern)),
            }
        }
        Body::Batch(messages) => {
            let of_its_time = version.is_none_or(|version| version == "2025-03-26");
            let holds_initialize = messages
                .iter()
                .any(|(message, _)| message.method() == Some("initialize"));
            let holds_modern = messages
                .iter()
                .any(|(message, _)| message.params.meta.protocol_version.is_some());
            if !of_its_time || holds_initialize || holds_modern {
                return Err(Refusal::Batch.into());
            }
            let named = |message: &Message<'_>| {
                let target = message.target().map(|target| format!(" {target}"));
                Some(format!("{}{}", message.method()?, target.unwrap_or_default()))
            };
            let elements = messages.iter().map(|(message, text)| Element {
                named: named(message),
                ..element(message, text, bytes)
            });
            let elements: Vec<_> = elements.collect();
            let all: Vec<_> = elements
                .iter()
                .filter_map(|element| element.named.as_deref())
                .collect();
            Ok(Read {
                bytes: bytes.clone(),
                method: Some("batch".to_owned()),
                target: Some(all.join(", ")),
                agent: None,
                modern: false,
                is_batch: true,
                watches: Vec::new(),
                trace: messages
                    .iter()
                    .find_map(|(message, _)| TraceContext::of_message(message)),
                elements,
            })
        }
    }
}

fn unreadable(refusal: Refusal, message: &Message<'_>, modern: bool) -> Unreadable {
    Unreadable {
        refusal,
        id: message.request_id().map(str::to_owned),
        modern,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests;
