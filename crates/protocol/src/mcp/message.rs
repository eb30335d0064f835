//! The head of a JSON-RPC message: what it is, its id, its method, and what it is aimed at.
//!
//! One pass over the bytes reads the head and proves that the rest is strict JSON. A member whose name is
//! one that we read *except for case* is refused: Go's JSON reader takes `Method` for `method`, and the
//! last one wins, so a Go upstream could see another method than we judged.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error as ThisError;

use super::json::{Key, Seen, Strict, Word};

/// A request body: one message, or a batch (2025-03-26 alone).
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all bodies are single messages, and a box would be an allocation in each call"
)]
#[derive(Debug)]
pub enum Body<'a> {
    /// One message.
    Single(Message<'a>),
    /// An array, each element with its own bytes.
    Batch(Vec<(Message<'a>, &'a str)>),
}

/// One message.
#[derive(Debug)]
pub struct Message<'a> {
    /// Request, notification or response.
    pub kind: Kind<'a>,
    /// What `params` says that decisions need.
    pub params: Params<'a>,
}

/// The three kinds of JSON-RPC message.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Has an id and a method.
    Request {
        /// The id as JSON text, a string or an integer; echoed byte for byte (TP-7).
        id: &'a str,
        /// The method.
        method: Cow<'a, str>,
    },
    /// Has a method and no id.
    Notification {
        /// The method.
        method: Cow<'a, str>,
    },
    /// Has an id and a result or an error.
    Response {
        /// The id as JSON text.
        id: &'a str,
    },
}

/// The members of `params` that decisions read.
#[derive(Debug, Default)]
pub struct Params<'a> {
    /// `params.name`: a tool or prompt.
    pub name: Option<Cow<'a, str>>,
    /// `params.uri`: a resource.
    pub uri: Option<Cow<'a, str>>,
    /// `params.taskId`.
    pub task_id: Option<Cow<'a, str>>,
    /// Whether there is a `params.task`: the answer may be a task (2025-11-25).
    pub task: bool,
    /// `params.arguments`, as JSON text.
    pub arguments: Option<&'a str>,
    /// `params.ref` of `completion/complete`.
    pub reference: Reference<'a>,
    /// `params.notifications` of `subscriptions/listen`.
    pub notifications: Notifications<'a>,
    /// `params.clientInfo` of `initialize`, as JSON text.
    pub client_info: Option<&'a str>,
    /// `params._meta`.
    pub meta: Meta<'a>,
}

/// What a completion is for: a prompt by its name, or a resource template by its URI.
#[derive(Debug, Default)]
pub struct Reference<'a> {
    /// `ref.name`.
    pub name: Option<Cow<'a, str>>,
    /// `ref.uri`.
    pub uri: Option<Cow<'a, str>>,
}

/// What a subscription asks to be told of.
#[derive(Debug, Default)]
pub struct Notifications<'a> {
    /// `resourceSubscriptions`, as JSON text.
    pub resources: Option<&'a str>,
    /// `taskIds` of the tasks extension, as JSON text.
    pub tasks: Option<&'a str>,
    /// `toolsListChanged`.
    pub tools_list_changed: bool,
    /// `promptsListChanged`.
    pub prompts_list_changed: bool,
    /// `resourcesListChanged`.
    pub resources_list_changed: bool,
}

impl Notifications<'_> {
    /// The URIs of `resourceSubscriptions`; none if that is no array of texts.
    pub fn uris(&self) -> Option<Vec<String>> {
        self.resources
            .map_or(Some(Vec::new()), |text| serde_json::from_str(text).ok())
    }

    /// The ids of `taskIds`; none if that is no array of texts.
    pub fn task_ids(&self) -> Option<Vec<String>> {
        self.tasks
            .map_or(Some(Vec::new()), |text| serde_json::from_str(text).ok())
    }
}

/// The members of `params._meta` that say which era a request is of.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    /// Whether there is one.
    pub present: bool,
    /// `io.modelcontextprotocol/protocolVersion`.
    pub protocol_version: Option<Cow<'a, str>>,
    /// Whether `io.modelcontextprotocol/clientCapabilities` is there.
    pub client_capabilities: bool,
    /// Whether the client may have declared the extension `io.modelcontextprotocol/tasks`: the word is among its
    /// capabilities, and nobody who did has it not.
    pub tasks: bool,
    /// `traceparent`, as JSON text.
    pub trace_parent: Option<&'a str>,
    /// `tracestate`, as JSON text.
    pub trace_state: Option<&'a str>,
    /// `io.modelcontextprotocol/clientInfo`, as JSON text.
    pub client_info: Option<&'a str>,
}

impl Message<'_> {
    /// What the program calls itself: the `name` of the client's implementation, in either era.
    pub fn agent(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Info {
            name: String,
        }
        let text = self.params.client_info.or(self.params.meta.client_info)?;
        serde_json::from_str::<Info>(text).ok().map(|info| info.name)
    }

    /// The id of a request, as JSON text.
    pub fn request_id(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { id, .. } => Some(id),
            Kind::Notification { .. } | Kind::Response { .. } => None,
        }
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// What the method is aimed at and `Mcp-Name` mirrors (TP-62): a tool, prompt, resource or task.
    pub fn target(&self) -> Option<&str> {
        match self.method()? {
            "tools/call" | "prompts/get" => self.params.name.as_deref(),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => self.params.uri.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => self.params.task_id.as_deref(),
            _ => None,
        }
    }
}

/// Why a body is no message.
#[derive(Debug, ThisError, PartialEq, Eq, Clone)]
pub enum MessageError {
    /// Not JSON, or not UTF-8: `-32700`.
    #[error("the body is not valid JSON: {0}")]
    Syntax(String),
    /// JSON, but no JSON-RPC 2.0 message that has one reading: `-32600`. The id is given if it could be
    /// read, because every error echoes it.
    #[error("the body is not a valid JSON-RPC message: {reason}")]
    Envelope {
        /// What is wrong.
        reason: String,
        /// The id as JSON text.
        id: Option<String>,
    },
}

const LARGEST_BATCH: usize = 100;

/// Reads a request body.
pub fn parse(bytes: &[u8]) -> Result<Body<'_>, MessageError> {
    let text = simdutf8::compat::from_utf8(bytes).map_err(|error| MessageError::Syntax(error.to_string()))?;
    if !text.trim_start().starts_with('[') {
        return Ok(Body::Single(message(text)?));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| classify(&error, None))?;
    if items.is_empty() || items.len() > LARGEST_BATCH {
        let reason = format!("a batch holds 1 to {LARGEST_BATCH} messages");
        return Err(MessageError::Envelope { reason, id: None });
    }
    items
        .into_iter()
        .map(|item| Ok((message(item.get())?, item.get())))
        .collect::<Result<_, _>>()
        .map(Body::Batch)
}

fn message(text: &str) -> Result<Message<'_>, MessageError> {
    let mut head = Head::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = EnvelopeSeed(&mut head)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    let id = head.id.filter(|id| is_id(id));
    read.map_err(|error| classify(&error, id))?;
    let wrong = |reason: &str| MessageError::Envelope {
        reason: reason.to_owned(),
        id: id.map(str::to_owned),
    };
    if !head.version {
        return Err(wrong("jsonrpc is not \"2.0\""));
    }
    if head.id.is_some() && id.is_none() {
        return Err(wrong("id is neither a string nor an integer"));
    }
    let kind = match (id, head.method, head.outcome) {
        (Some(id), Some(method), false) => Kind::Request { id, method },
        (None, Some(method), false) => Kind::Notification { method },
        (Some(id), None, true) => Kind::Response { id },
        (_, Some(_), true) => return Err(wrong("has both a method and a result")),
        (_, None, _) => return Err(wrong("has no method")),
    };
    Ok(Message {
        kind,
        params: head.params,
    })
}

fn classify(error: &serde_json::Error, id: Option<&str>) -> MessageError {
    if error.is_data() {
        MessageError::Envelope {
            reason: error.to_string(),
            id: id.map(str::to_owned),
        }
    } else {
        MessageError::Syntax(error.to_string())
    }
}

/// A string, or an integer of any size.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('"') || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[derive(Default)]
struct Head<'a> {
    version: bool,
    id: Option<&'a str>,
    method: Option<Cow<'a, str>>,
    outcome: bool,
    params: Params<'a>,
}

/// Declares a seed that reads an object member by member into a borrowed target.
macro_rules! object_seed {
    ($seed:ident, $target:ident, $what:literal, [$($known:literal),*], |$into:ident, $key:ident, $members:ident| $arms:block) => {
        struct $seed<'t, 'a>(&'t mut $target<'a>);

        impl<'de> DeserializeSeed<'de> for $seed<'_, 'de> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_, 'de> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut $members: A) -> Result<(), A::Error> {
                let mut seen = Seen::default();
                let $into = self.0;
                while let Some(Key(name)) = $members.next_key()? {
                    let known = [$($known),*];
                    if !known.contains(&name.as_ref()) && known.iter().any(|known| folds_to(&name, known)) {
                        return Err(A::Error::custom("a member's name differs from a known one only in case"));
                    }
                    let $key = name.clone();
                    seen.add::<A::Error>(name)?;
                    $arms
                }
                Ok(())
            }
        }
    };
}

object_seed!(
    EnvelopeSeed,
    Head,
    "a JSON-RPC message",
    ["jsonrpc", "id", "method", "params", "result", "error"],
    |head, key, members| {
        match key.as_ref() {
            "jsonrpc" => head.version = members.next_value::<Key<'_>>()?.0 == "2.0",
            "id" => head.id = Some(members.next_value::<&RawValue>()?.get()),
            "method" => head.method = Some(members.next_value::<Key<'_>>()?.0),
            "params" => members.next_value_seed(ParamsSeed(&mut head.params))?,
            "result" | "error" => {
                members.next_value_seed(Strict)?;
                head.outcome = true;
            }
            _ => {
                members.next_value_seed(Strict)?;
            }
        }
    }
);

object_seed!(
    ParamsSeed,
    Params,
    "an object",
    [
        "name",
        "uri",
        "taskId",
        "arguments",
        "ref",
        "notifications",
        "clientInfo",
        "_meta",
        "cursor"
    ],
    |params, key, members| {
        match key.as_ref() {
            "name" => params.name = Some(members.next_value::<Key<'_>>()?.0),
            "uri" => params.uri = Some(members.next_value::<Key<'_>>()?.0),
            "taskId" => params.task_id = Some(members.next_value::<Key<'_>>()?.0),
            "arguments" => params.arguments = Some(strict_text(&mut members, 2)?),
            "task" => {
                members.next_value_seed(Strict)?;
                params.task = true;
            }
            "ref" => {
                let text = strict_text(&mut members, 2)?;
                object(text, ReferenceSeed(&mut params.reference))?;
            }
            "notifications" => {
                let text = strict_text(&mut members, 2)?;
                object(text, NotificationsSeed(&mut params.notifications))?;
            }
            "clientInfo" => params.client_info = Some(strict_text(&mut members, 2)?),
            "_meta" => {
                params.meta.present = true;
                members.next_value_seed(MetaSeed(&mut params.meta))?;
            }
            _ => {
                members.next_value_seed(Strict)?;
            }
        }
    }
);

object_seed!(
    ReferenceSeed,
    Reference,
    "an object",
    ["type", "name", "uri"],
    |reference, key, members| {
        match key.as_ref() {
            "name" => reference.name = Some(members.next_value::<Key<'_>>()?.0),
            "uri" => reference.uri = Some(members.next_value::<Key<'_>>()?.0),
            _ => {
                members.next_value_seed(Strict)?;
            }
        }
    }
);

object_seed!(
    NotificationsSeed,
    Notifications,
    "an object",
    [
        "resourceSubscriptions",
        "taskIds",
        "toolsListChanged",
        "promptsListChanged",
        "resourcesListChanged"
    ],
    |notifications, key, members| {
        let mut is_true = || Ok(strict_text(&mut members, 3)? == "true");
        match key.as_ref() {
            "toolsListChanged" => notifications.tools_list_changed = is_true()?,
            "promptsListChanged" => notifications.prompts_list_changed = is_true()?,
            "resourcesListChanged" => notifications.resources_list_changed = is_true()?,
            "resourceSubscriptions" => notifications.resources = Some(strict_text(&mut members, 3)?),
            "taskIds" => notifications.tasks = Some(strict_text(&mut members, 3)?),
            _ => {
                members.next_value_seed(Strict)?;
            }
        }
    }
);

/// A value as its text, proved to be strict JSON, and nested no deeper than JSON is read at this depth.
fn strict_text<'de, A: MapAccess<'de>>(members: &mut A, depth: usize) -> Result<&'de str, A::Error> {
    let text = members.next_value::<&'de RawValue>()?.get();
    let nested = ["[".repeat(depth).as_str(), text, "]".repeat(depth).as_str()].concat();
    serde_json::from_str::<Strict>(&nested).map_err(A::Error::custom)?;
    Ok(text)
}

/// Reads an object; what is none belongs to a method that is not ours to judge.
fn object<'de, S: DeserializeSeed<'de>, E: Error>(text: &'de str, seed: S) -> Result<(), E> {
    if text.starts_with('{') {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        seed.deserialize(&mut deserializer).map_err(E::custom)?;
    }
    Ok(())
}

object_seed!(
    MetaSeed,
    Meta,
    "an object",
    [
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
        "traceparent",
        "tracestate",
        "io.modelcontextprotocol/clientInfo"
    ],
    |meta, key, members| {
        match key.as_ref() {
            // Whatever it is, it is no reason to refuse a message.
            "traceparent" => meta.trace_parent = Some(strict_text(&mut members, 3)?),
            "tracestate" => meta.trace_state = Some(strict_text(&mut members, 3)?),
            "io.modelcontextprotocol/protocolVersion" => {
                meta.protocol_version = Some(members.next_value::<Key<'_>>()?.0);
            }
            "io.modelcontextprotocol/clientCapabilities" => {
                // It is in every request of the stateless era, and not worth a second pass.
                members.next_value_seed(Word::new("tasks", &mut meta.tasks))?;
                meta.client_capabilities = true;
            }
            "io.modelcontextprotocol/clientInfo" => {
                meta.client_info = Some(strict_text(&mut members, 3)?);
            }
            _ => {
                members.next_value_seed(Strict)?;
            }
        }
    }
);

/// Whether Go's `encoding/json` would take `name` for `known`.
fn folds_to(name: &str, known: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(known);
    }
    folded(name).eq(known.chars().map(|c| c.to_ascii_lowercase()))
}

/// Simple case folding, in which U+017F is an s and U+212A is a k.
pub(super) fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests;
