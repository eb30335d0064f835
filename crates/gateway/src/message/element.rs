//! One message of a body: what it asks for, who waits for its answer, and where its parts stand.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use policy::Act;
use protocol::mcp::list::List;
use protocol::mcp::message::Message;
use protocol::mcp::task::is_about_one;

use crate::task::Owner;

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
    /// The tasks that it names.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &AskedTask> {
        self.task.iter().chain(&self.watched)
    }

    /// The call that it is, if the answer may be a task.
    pub(crate) fn may_begin(&self) -> Option<&MayBegin> {
        self.waiting.as_ref()?.may_begin.as_ref()
    }

    /// The same, to note what is decided about it.
    pub(crate) fn may_begin_mut(&mut self) -> Option<&mut MayBegin> {
        self.waiting.as_mut()?.may_begin.as_mut()
    }

    /// SHA-256 of the arguments of a tool call, in hex, as they came.
    pub(crate) fn digest(&self, body: &Bytes) -> Option<String> {
        let arguments = self.asked.iter().find_map(|asked| match asked.act() {
            Act::CallTool(_) => asked.arguments(body),
            _ => None,
        });
        Some(HEXLOWER.encode(&keys::sha256(arguments?.as_bytes())))
    }
}

/// Something that a message asks for and that the policy decides about.
#[derive(Debug)]
pub(crate) struct Asked {
    aim: fn(&str) -> Act<'_>,
    name: String,
    /// Where its arguments stand in the body.
    span: Option<Range<usize>>,
}

impl Asked {
    /// As the policy knows it.
    pub(crate) fn act(&self) -> Act<'_> {
        (self.aim)(&self.name)
    }

    /// Its arguments, as JSON text.
    pub(crate) fn arguments<'b>(&self, body: &'b Bytes) -> Option<&'b str> {
        std::str::from_utf8(body.get(self.span.clone()?)?).ok()
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
    /// Whether the client declared that it knows tasks, as the stateless era asks of each request.
    pub(crate) is_declared: bool,
}

impl AskedTask {
    fn new(method: &str, id: &str, is_declared: bool) -> Self {
        Self {
            method: method.to_owned(),
            id: id.to_owned(),
            owner: None,
            is_declared,
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
    /// What it calls, if the answer may be a task.
    pub(crate) may_begin: Option<MayBegin>,
}

/// A call of which the answer may be a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MayBegin {
    pub(crate) tool: Box<str>,
    /// What the rules read of its arguments, once it is decided.
    pub(crate) arguments: Option<Box<str>>,
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
            may_begin: tool.map(|tool| MayBegin {
                tool: tool.into(),
                arguments: None,
            }),
            ..waiting
        })
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

/// Methods of which nothing is asked but whose task it is, and what its owner may do (TP-113, TP-114).
const OF_TASKS: [&str; 4] = ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"];

/// One message, as later steps need it.
pub(super) fn element(message: &Message<'_>, text: &str, body: &Bytes) -> Element {
    let params = &message.params;
    let place = |part: &str| place(part, body);
    let mut asked = Vec::new();
    let mut ask = |aim: fn(&str) -> Act<'_>, name: &str, arguments: Option<&str>| {
        asked.push(Asked {
            aim,
            name: name.to_owned(),
            span: arguments.and_then(place),
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
    // Whoever names a task must be its owner, whatever else the method may be.
    let method = message.method().unwrap_or_default();
    let task = params.task_id.is_some() || is_about_one(method);
    let watched = match params.notifications.task_ids().filter(|_| listens) {
        Some(ids) => ids,
        // What is no list of texts names nobody's task.
        None if listens => vec![String::new()],
        None => Vec::new(),
    };
    Element {
        named: None,
        waiting: Waiting::of(message),
        asked,
        task: task.then(|| {
            AskedTask::new(
                method,
                params.task_id.as_deref().unwrap_or_default(),
                params.meta.tasks,
            )
        }),
        watched: watched
            .iter()
            .map(|id| AskedTask::new("subscriptions/listen", id, params.meta.tasks))
            .collect(),
        watches: params.notifications.tasks.and_then(place).filter(|_| listens),
        span: place(text)
            .filter(|span| !span.is_empty())
            .unwrap_or(0..body.len()),
        subscriptions: params.notifications.resources.and_then(place).filter(|_| listens),
    }
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
