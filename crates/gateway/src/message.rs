//! The step that reads the message, tells its era and makes sure that headers and body say the same
//! (mcp-transport-proxying sections 0 and 4, CC-93, CC-98).

use bytes::Bytes;
use http::{HeaderMap, header};
use hyper::body::Incoming;
use net::body::{self, ReadError};
use protocol::mcp::message::{self, Body, Kind, Message};
use protocol::mcp::{mirror, revision};

use crate::refusal::Refusal;
use crate::route::Route;

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
/// Requests of the stateless era that must carry `Mcp-Name` (TP-62). Others go on without it, above all those
/// that this era no longer has, such as `tasks/result`: that they are unknown is the upstream's answer.
const NAMED: [&str; 6] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// A message that was read, with what later steps need of it.
#[derive(Debug)]
pub(crate) struct Read {
    /// The bytes as they came; they are forwarded as they are.
    pub(crate) bytes: Bytes,
    /// The id of the request, as JSON text; none for notifications, responses and batches.
    pub(crate) id: Option<String>,
    /// The method.
    pub(crate) method: Option<String>,
    /// What it is aimed at.
    pub(crate) target: Option<String>,
    /// Whether it is of the stateless era.
    pub(crate) modern: bool,
    /// The requests of a batch.
    pub(crate) batch: Vec<Waiting>,
}

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its id, as JSON text.
    pub(crate) id: String,
    /// Whether a model reads the answer, so that trouble is told as a result (DEC-16, DEC-18).
    pub(crate) is_tool_call: bool,
}

impl Waiting {
    pub(crate) fn new(id: &str, method: Option<&str>) -> Self {
        Self {
            id: id.to_owned(),
            is_tool_call: method == Some("tools/call"),
        }
    }
}

impl Read {
    /// Whether somebody waits for an answer.
    pub(crate) fn asks(&self) -> bool {
        self.id.is_some() || !self.batch.is_empty()
    }

    /// Whether it begins a session.
    pub(crate) fn is_initialize(&self) -> bool {
        self.method.as_deref() == Some("initialize")
    }
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
    judge(&bytes, headers)
}

/// Judges a body against the headers that came with it.
pub(crate) fn judge(bytes: &Bytes, headers: &HeaderMap) -> Result<Read, Unreadable> {
    let version = one(headers, VERSION)?;
    match message::parse(bytes).map_err(Refusal::Message)? {
        Body::Single(message) => {
            let modern = match era(&message, version) {
                Ok(modern) => modern,
                Err(refusal) => return Err(unreadable(refusal, &message, true)),
            };
            match mirrored(&message, headers, modern) {
                Ok(()) => Ok(Read {
                    bytes: bytes.clone(),
                    id: message.request_id().map(str::to_owned),
                    method: message.method().map(str::to_owned),
                    target: message.target().map(str::to_owned),
                    modern,
                    batch: Vec::new(),
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
            let named: Vec<_> = messages
                .iter()
                .filter_map(|(message, _)| named(message))
                .collect();
            Ok(Read {
                bytes: bytes.clone(),
                id: None,
                method: Some("batch".to_owned()),
                target: Some(named.join(", ")),
                modern: false,
                batch: messages
                    .iter()
                    .filter_map(|(message, _)| Some(Waiting::new(message.request_id()?, message.method())))
                    .collect(),
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

/// Whether a message is of the stateless era, by the table in section 0.
fn era(message: &Message<'_>, header: Option<&str>) -> Result<bool, Refusal> {
    let meta = &message.params.meta;
    match (meta.protocol_version.as_deref(), header) {
        (Some(said), None) => Err(Refusal::Mismatch(format!(
            "_meta names protocol version {said}, the header MCP-Protocol-Version is missing"
        ))),
        (Some(said), Some(header)) if said != header => Err(Refusal::Mismatch(format!(
            "_meta names protocol version {said}, the header MCP-Protocol-Version {header}"
        ))),
        (Some(said), Some(_)) => {
            let modern = !revision::is_legacy(said);
            if modern && matches!(message.kind, Kind::Request { .. }) && !meta.client_capabilities {
                return Err(Refusal::Meta("io.modelcontextprotocol/clientCapabilities"));
            }
            Ok(modern)
        }
        (None, Some(header)) if is_modern(header) => match message.kind {
            Kind::Request { .. } => Err(Refusal::Meta("io.modelcontextprotocol/protocolVersion")),
            Kind::Notification { .. } | Kind::Response { .. } => Ok(true),
        },
        (None, _) => Ok(false),
    }
}

/// A date from 2026-07-28 on. What is no date is left to the upstream's judgement.
fn is_modern(version: &str) -> bool {
    revision::looks_like_a_date(version) && version >= revision::Revision::V2026_07_28.as_str()
}

/// Mirrored headers must agree with the body wherever they are (CC-98), and must be there in requests of
/// the stateless era (TP-62, TP-63). The body is what is judged; a header can only disagree (TP-68).
fn mirrored(message: &Message<'_>, headers: &HeaderMap, modern: bool) -> Result<(), Refusal> {
    let required = modern && matches!(message.kind, Kind::Request { .. });
    compare(METHOD, one(headers, METHOD)?, message.method(), required)?;
    let named = message.method().is_some_and(|method| NAMED.contains(&method));
    compare(
        NAME,
        one(headers, NAME)?,
        message.target(),
        required && named && message.target().is_some(),
    )
}

fn compare(name: &str, header: Option<&str>, body: Option<&str>, required: bool) -> Result<(), Refusal> {
    let Some(header) = header else {
        return if required {
            Err(Refusal::Mismatch(format!("the header {name} is missing")))
        } else {
            Ok(())
        };
    };
    let decoded =
        mirror::decode(header.as_bytes()).map_err(|bad| Refusal::Mismatch(format!("{name}: {bad}")))?;
    if body == Some(decoded.as_ref()) {
        Ok(())
    } else {
        Err(Refusal::Mismatch(format!(
            "the header {name} and the body say different things"
        )))
    }
}

/// A header's only value.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Refusal::Mismatch(format!(
                "the header {name} has characters that a header may not have"
            ))),
        },
        (Some(_), Some(_)) => Err(Refusal::Mismatch(format!("the header {name} is given twice"))),
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
