//! The step that reads the message, tells its era and makes sure that headers and body say the same
//! (mcp-transport-proxying sections 0 and 4, CC-93, CC-98).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderMap, header};
use hyper::body::Incoming;
use net::body::{self, ReadError};
use policy::Act;
use protocol::TraceParent;
use protocol::mcp::list::List;
use protocol::mcp::message::{self, Body, Kind, Message};
use protocol::mcp::{mirror, revision};

use crate::refusal::Refusal;
use crate::route::Route;
use crate::task::Owner;

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
    pub(crate) trace: Option<TraceParent>,
    /// The message, or those of a batch.
    pub(crate) elements: Vec<Element>,
}

/// One message of a body.
#[derive(Debug)]
pub(crate) struct Element {
    /// Method and target, of a message of a batch.
    pub(crate) named: Option<String>,
    /// The request that waits for an answer; none for notifications and responses.
    pub(crate) waiting: Option<Waiting>,
    /// What it asks the policy for.
    pub(crate) asked: Vec<Asked>,
    /// Where it stands in the body.
    pub(crate) span: Range<usize>,
    /// Where a subscription lists the resources that it is about; only of `subscriptions/listen`.
    pub(crate) subscriptions: Option<Range<usize>>,
    /// The task that it names.
    pub(crate) task: Option<AskedTask>,
    /// The tasks of which it wants to be told; only of `subscriptions/listen`.
    pub(crate) watched: Vec<AskedTask>,
    /// Where it lists them.
    pub(crate) watches: Option<Range<usize>>,
}

impl Element {
    /// SHA-256 of the arguments of a tool call, in hex, as they came.
    pub(crate) fn digest(&self, body: &Bytes) -> Option<String> {
        let span = self.asked.iter().find_map(|asked| match asked.act() {
            Act::CallTool(_) => asked.arguments.clone(),
            _ => None,
        });
        Some(HEXLOWER.encode(&keys::sha256(body.get(span?)?)))
    }
}

/// Something that a message asks for and that the policy decides about.
#[derive(Debug)]
pub(crate) struct Asked {
    aim: fn(&str) -> Act<'_>,
    name: String,
    /// Where its arguments stand in the body.
    pub(crate) arguments: Option<Range<usize>>,
}

impl Asked {
    /// As the policy knows it.
    pub(crate) fn act(&self) -> Act<'_> {
        (self.aim)(&self.name)
    }
}

/// A task that a message names.
#[derive(Debug)]
pub(crate) struct AskedTask {
    pub(crate) method: String,
    /// The task's id.
    pub(crate) id: String,
    /// The caller, if it is theirs. Until that is known it is nobody's.
    pub(crate) owner: Option<Arc<Owner>>,
}

impl AskedTask {
    fn new(method: &str, id: &str) -> Self {
        Self {
            method: method.to_owned(),
            id: id.to_owned(),
            owner: None,
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its id, as JSON text.
    pub(crate) id: String,
    /// Whether a model reads the answer, so that trouble is told as a result (DEC-16, DEC-18).
    pub(crate) is_tool_call: bool,
    /// The list that it asks for.
    pub(crate) list: Option<List>,
    /// The tool that it calls, if the answer may be a task.
    pub(crate) may_begin: Option<Box<str>>,
}

impl Waiting {
    pub(crate) fn new(id: &str, method: Option<&str>) -> Self {
        Self {
            id: id.to_owned(),
            is_tool_call: method == Some("tools/call"),
            list: method.and_then(List::of_method),
            may_begin: None,
        }
    }

    /// The request of a message. The answer may be a task if the client asked for one (2025-11-25) or said that it
    /// knows them (the extension of 2026-07-28): no server may give one to anybody else.
    fn of(message: &Message<'_>) -> Option<Self> {
        let params = &message.params;
        let waiting = Self::new(message.request_id()?, message.method());
        let may_begin = waiting.is_tool_call && (params.task || params.meta.tasks);
        let tool = params.name.as_deref().filter(|_| may_begin);
        Some(Self {
            may_begin: tool.map(Into::into),
            ..waiting
        })
    }
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

/// Methods that the policy has nothing to say about beyond whether the server may be used: they show nothing
/// and do nothing, or what they show is filtered.
const HARMLESS: [&str; 10] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "tasks/list",
    "resources/unsubscribe",
    "logging/setLevel",
];

/// Methods that name a task. What they may do depends on whose it is (TP-113, TP-114).
const OF_TASKS: [&str; 4] = ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"];

/// One message, as later steps need it.
fn element(message: &Message<'_>, text: &str, body: &Bytes) -> Element {
    let params = &message.params;
    let place = |part: &str| place(part, body);
    let mut asked = Vec::new();
    let mut ask = |aim: fn(&str) -> Act<'_>, name: &str, arguments: Option<&str>| {
        asked.push(Asked {
            aim,
            name: name.to_owned(),
            arguments: arguments.and_then(place),
        });
    };
    let name = params.name.as_deref().unwrap_or_default();
    let uri = params.uri.as_deref().unwrap_or_default();
    match message.method() {
        Some("tools/call") => ask(|name| Act::CallTool(name), name, params.arguments),
        Some("prompts/get") => ask(|name| Act::GetPrompt(name), name, params.arguments),
        Some("resources/read") => ask(|uri| Act::ReadResource(uri), uri, None),
        Some("resources/subscribe") => ask(|uri| Act::Subscribe(uri), uri, None),
        Some("completion/complete") => {
            if let Some(name) = &params.reference.name {
                ask(|name| Act::CompletePrompt(name), name, None);
            }
            if let Some(uri) = &params.reference.uri {
                ask(|uri| Act::CompleteResource(uri), uri, None);
            }
            if params.reference.name.is_none() && params.reference.uri.is_none() {
                ask(|method| Act::Other(method), "completion/complete", None);
            }
        }
        Some("subscriptions/listen") => {
            for uri in params.notifications.uris().unwrap_or_default() {
                ask(|uri| Act::Subscribe(uri), &uri, None);
            }
        }
        // The task is judged, and not the method.
        Some(method) if OF_TASKS.contains(&method) => {}
        Some(method) if !HARMLESS.contains(&method) && !is_notification(message, method) => {
            ask(|method| Act::Other(method), method, None);
        }
        _ => {}
    }
    let listens = message.method() == Some("subscriptions/listen");
    let task = message.method().filter(|method| OF_TASKS.contains(method));
    // What is no list of texts names nobody's task.
    let watched = params
        .notifications
        .task_ids()
        .unwrap_or_else(|| vec![String::new()]);
    let watched = if listens { watched } else { Vec::new() };
    Element {
        named: None,
        waiting: Waiting::of(message),
        asked,
        task: task.map(|method| AskedTask::new(method, params.task_id.as_deref().unwrap_or_default())),
        watched: watched
            .iter()
            .map(|id| AskedTask::new("subscriptions/listen", id))
            .collect(),
        watches: params.notifications.tasks.and_then(place).filter(|_| listens),
        span: place(text)
            .filter(|span| !span.is_empty())
            .unwrap_or(0..body.len()),
        subscriptions: params.notifications.resources.and_then(place).filter(|_| listens),
    }
}

fn trace(message: &Message<'_>) -> Option<TraceParent> {
    let text: String = serde_json::from_str(message.params.meta.trace_parent?).ok()?;
    text.parse().ok()
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

fn is_notification(message: &Message<'_>, method: &str) -> bool {
    message.request_id().is_none() && method.starts_with("notifications/")
}

/// Where a part that was borrowed from a body stands in it.
fn place(part: &str, body: &Bytes) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= body.len()).then_some(start..end)
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
                    method: message.method().map(str::to_owned),
                    target: message.target().map(str::to_owned),
                    agent: message
                        .agent()
                        .map(|name| name.chars().take(LONGEST_AGENT).collect()),
                    modern,
                    is_batch: false,
                    watches: watches(&message),
                    trace: trace(&message),
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
                trace: messages.iter().find_map(|(message, _)| trace(message)),
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
