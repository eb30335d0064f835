//! Tasks, as 2025-11-25 and the extension `io.modelcontextprotocol/tasks` of 2026-07-28 write them: answers that hold
//! a new one, and what a server says by itself on a stream.
//!
//! What has two readings holds no task here. That errs on the safe side: a task that nobody took note of is nobody's,
//! and whoever asks for it is told that there is none (TP-113, TP-114).

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::{Response, Unreadable, same_id};
use super::message::folded;

/// What stands in every text that holds a task, and hardly in any other.
pub const TRACE: &[u8] = b"taskId";

/// Longest id that is taken note of.
const LONGEST_ID: usize = 1024;

/// Whether a client's message with this method is about one task, or a server could take it for one, however lenient it
/// is about case. Lists are about none.
pub fn is_about_one(method: &str) -> bool {
    let begins = |with: &str| {
        let mut folded = folded(method);
        with.chars().all(|c| folded.next() == Some(c))
    };
    method != "tasks/list" && (begins("tasks/") || begins("notifications/tasks"))
}

/// A task that begins with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<'a> {
    /// The id of the request that is answered, as JSON text.
    pub request: &'a str,
    /// The task's id.
    pub task: Cow<'a, str>,
    /// How long the server keeps it; none if it does not say, or for ever.
    pub ttl: Option<Duration>,
    /// Whether it is a tool's own output besides.
    pub is_output: bool,
}

impl Created<'_> {
    /// Whether it answers the request with this id, however either is written.
    pub fn answers(&self, id: &str) -> bool {
        same_id(self.request, id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(borrow)]
    task: Option<&'a RawValue>,
    #[serde(borrow)]
    result_type: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    task_id: Cow<'a, str>,
    /// 2025-11-25.
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    /// 2026-07-28.
    #[serde(borrow)]
    ttl_ms: Option<&'a RawValue>,
}

/// The tasks that begin with a message, or with those of a batch.
pub fn created(text: &str) -> Vec<Created<'_>> {
    if !text.trim_start().starts_with('[') {
        return one(text).into_iter().collect();
    }
    let messages: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    messages.iter().filter_map(|message| one(message.get())).collect()
}

fn one(text: &str) -> Option<Created<'_>> {
    let response: Response<'_> = serde_json::from_str(text).ok()?;
    let (id, result) = (response.id?.get(), response.result?.get());
    let outcome: Outcome<'_> = serde_json::from_str(result).ok()?;
    let is_task = outcome.result_type.is_some_and(|kind| {
        let kind: Option<Cow<'_, str>> = serde_json::from_str(kind.get()).ok();
        kind.is_some_and(|kind| kind == "task")
    });
    let members = if is_task { result } else { outcome.task?.get() };
    let members: Members<'_> = serde_json::from_str(members).ok()?;
    let ttl = members.ttl_ms.or(members.ttl).map(RawValue::get);
    Some(Created {
        request: id,
        task: members.task_id,
        // A fraction or a negative number is no promise.
        ttl: ttl.and_then(|ttl| ttl.parse().ok()).map(Duration::from_millis),
        is_output: outcome.content.is_some(),
    })
    .filter(|created| created.task.len() <= LONGEST_ID)
}

/// What a server says by itself: a message with a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Whether it wants an answer.
    pub is_request: bool,
    /// The method.
    pub method: Cow<'a, str>,
    /// Of a notification about a task, the task; empty if it names none.
    pub task: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// What a message says, or each of a batch; nothing for answers.
///
/// # Errors
/// If it is no message, or names a member twice that matters.
pub fn said(text: &str) -> Result<Vec<Said<'_>>, Unreadable> {
    if !text.trim_start().starts_with('[') {
        return Ok(head(text)?.into_iter().collect());
    }
    let messages: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let heads = messages.iter().map(|message| head(message.get()));
    let heads: Vec<_> = heads.collect::<Result<_, _>>()?;
    Ok(heads.into_iter().flatten().collect())
}

fn head(text: &str) -> Result<Option<Said<'_>>, Unreadable> {
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let Some(method) = head.method else {
        return Ok(None);
    };
    // `notifications/tasks/status` in 2025-11-25, `notifications/tasks` in the extension.
    let task = method.starts_with("notifications/tasks").then(|| {
        let members = head.params.map(|params| serde_json::from_str(params.get()));
        members
            .and_then(Result::ok)
            .map_or(Cow::Borrowed(""), |members: Members<'_>| members.task_id)
    });
    Ok(Some(Said {
        is_request: head.id.is_some(),
        method,
        task,
    }))
}

#[cfg(test)]
mod tests;
