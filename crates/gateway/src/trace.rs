//! Traces: a span for each message that passes, as part of the trace that its caller says it belongs to.
//!
//! Who collects spans is not the gateway's business; the program that composes the parts hands somebody in, or nobody.

use std::fmt::Debug;

use http::HeaderMap;
use model::EventId;
use protocol::TraceParent;

use crate::message::Read;
use crate::names;

/// Makes spans.
pub trait Tracing: Debug + Send + Sync {
    /// A call begins. Calls that are not to be recorded have a span too, so that everybody behind us knows that they
    /// are not.
    fn begin(&self, parent: Option<TraceParent>) -> Box<dyn Span>;
}

/// A call that is under way.
pub trait Span: Debug + Send + Sync {
    /// What the upstream is told of it.
    fn context(&self) -> TraceParent;
    /// It has ended.
    fn end(self: Box<Self>, call: &Call<'_>);
}

/// What a span says of its call. Nothing that identifies a person: that is in the audit record, under the reference.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The server.
    pub server: &'a str,
    /// The MCP method, or the HTTP method where there is no message.
    pub method: &'a str,
    /// The tool or prompt, or the URI of the resource.
    pub target: Option<&'a str>,
    /// How it ended, in the audit record's word.
    pub outcome: &'static str,
    /// Whether that is a failure.
    pub failed: bool,
    /// Status of the answer.
    pub status: u16,
    /// Why it was refused or failed.
    pub reason: Option<&'a str>,
    /// Where the audit record has it.
    pub reference: EventId,
}

/// The trace that a request belongs to: as its message says (`_meta`, which survives whatever carries it), else as its
/// headers say.
pub(crate) fn parent(headers: &HeaderMap, read: Option<&Read>) -> Option<TraceParent> {
    let of_header = || headers.get(&names::TRACEPARENT)?.to_str().ok()?.parse().ok();
    read.and_then(|read| read.trace).or_else(of_header)
}
