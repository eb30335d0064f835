//! One request and its answer, as far as the record is concerned.

use std::net::IpAddr;
use std::sync::Arc;

use audit::Chosen;
use http::{HeaderMap, header};
use model::EventId;
use protocol::TraceParent;
use protocol::mcp::list::List;
use std::time::Duration;

use crate::caller::Caller;
use crate::chosen;
use crate::message::{Read, Waiting};
use crate::route::Route;
use crate::task::Own;

/// What is known of an exchange once its caller is.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) route: Arc<Route>,
    pub(crate) caller: Caller,
    pub(crate) reference: EventId,
    pub(crate) address: IpAddr,
    pub(crate) user_agent: Option<String>,
    pub(crate) started: Duration,
    /// The HTTP method where there is no message: `GET`, `DELETE`.
    pub(crate) method: Option<String>,
    pub(crate) target: Option<String>,
    /// The requests that wait for an answer.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) is_batch: bool,
    pub(crate) modern: bool,
    /// The lists of whose changes a subscription wants to be told.
    pub(crate) watches: Vec<List>,
    /// The caller's tasks, if the answer may show some.
    pub(crate) own: Option<Arc<Own>>,
    pub(crate) bytes_in: u64,
    /// What the program calls itself.
    pub(crate) agent: Option<String>,
    /// SHA-256 of the arguments of a tool call, in hex, as they came.
    pub(crate) arguments: Option<String>,
    /// What of the arguments the operator chose to have on record.
    pub(crate) chosen: Chosen,
    /// Who the caller is upstream, where they act with a credential of their own.
    pub(crate) upstream_account: Option<String>,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<TraceParent>,
}

impl Exchange {
    /// Takes over what the message says.
    pub(crate) fn say(&mut self, read: &Read) {
        self.method = read.method.as_deref().map(|text| shortened(text, LONGEST));
        self.target = read.target.as_deref().map(|text| shortened(text, LONGEST));
        self.waiting = read.waiting().cloned().collect();
        self.is_batch = read.is_batch;
        self.modern = read.modern;
        self.watches.clone_from(&read.watches);
        self.bytes_in = read.bytes.len() as u64;
        self.agent.clone_from(&read.agent);
        self.trace = read.trace.as_ref().map(|trace| trace.parent).or(self.trace);
        self.arguments = match read.elements.as_slice() {
            [element] if !read.is_batch => element.digest(&read.bytes),
            _ => None,
        };
        self.chosen = chosen::choose(&self.route.kept_arguments, read);
    }

    /// Whether it holds a stream open for ever, with nothing to say for long.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.method.as_deref(), Some("subscriptions/listen" | "GET")) && self.route.api.is_none()
    }
}

/// The longest text of the caller's that is written down, in bytes.
pub(crate) const LONGEST: usize = 500;
/// The same of a `User-Agent`.
const LONGEST_USER_AGENT: usize = 200;

/// As much of it as is written down.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    text.get(..text.floor_char_boundary(longest))
        .unwrap_or(text)
        .to_owned()
}

/// What a program calls itself, shortened.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(shortened(text, LONGEST_USER_AGENT))
}
