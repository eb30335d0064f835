//! Traces: a span for each message that passes, as part of the trace that its caller says it belongs to.
//!
//! Who collects spans is not the gateway's business; the program that composes the parts hands somebody in, or nobody.

use std::fmt::Debug;

use http::{HeaderMap, HeaderValue};
use model::EventId;
use protocol::mcp::message::Message;
use protocol::{TraceParent, TraceState};

use crate::message::Read;
use crate::names;

/// The trace that a request belongs to, as its caller says. What is said beside a `traceparent` that is none says nothing (W3C
/// Trace Context, section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, and the span that called.
    pub parent: TraceParent,
    /// What those before us say to those behind us.
    pub state: Option<TraceState>,
}

/// Makes spans.
pub trait Tracing: Debug + Send + Sync {
    /// A call begins. Calls that are not to be recorded have a span too, so that everybody behind us knows that they
    /// are not.
    fn begin(&self, context: Option<&TraceContext>) -> Box<dyn Span>;
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

impl TraceContext {
    /// As a message says (`_meta`).
    pub(crate) fn of_message(message: &Message<'_>) -> Option<Self> {
        let text = |text: &str| serde_json::from_str::<String>(text).ok();
        let meta = &message.params.meta;
        Some(Self {
            parent: text(meta.trace_parent?)?.parse().ok()?,
            state: meta
                .trace_state
                .and_then(text)
                .and_then(|state| state.parse().ok()),
        })
    }

    /// As headers say. Several `tracestate` are one list (RFC 9110 section 5.3).
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let parent = parent(headers)?;
        let lists = headers.get_all(&names::TRACESTATE).iter();
        let lists: Option<Vec<_>> = lists.map(|list| list.to_str().ok()).collect();
        let state = lists.and_then(|lists| lists.join(",").parse().ok());
        Some(Self { parent, state })
    }

    /// As its message says, which survives whatever carries it, else as its headers say.
    pub(crate) fn of(headers: &HeaderMap, read: Option<&Read>) -> Option<Self> {
        let of_message = read.and_then(|read| read.trace.clone());
        of_message.or_else(|| Self::of_headers(headers))
    }
}

/// The trace that headers name.
pub(crate) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get(&names::TRACEPARENT)?.to_str().ok()?.parse().ok()
}

/// Tells an upstream which span calls, and what goes with that; nobody's `tracestate` goes with somebody else's `traceparent`.
/// Without a span of ours both are what they were.
pub(crate) fn tell(headers: &mut HeaderMap, span: Option<&TraceParent>, state: Option<&TraceState>) {
    let Some(span) = span else {
        if headers.contains_key(&names::TRACESTATE) && !goes_with_it(headers) {
            headers.remove(&names::TRACESTATE);
        }
        return;
    };
    if let Ok(value) = HeaderValue::from_str(&span.to_string()) {
        headers.insert(names::TRACEPARENT.clone(), value);
    }
    headers.remove(&names::TRACESTATE);
    if let Some(value) = state.and_then(|state| HeaderValue::from_str(state.as_str()).ok()) {
        headers.insert(names::TRACESTATE.clone(), value);
    }
}

fn goes_with_it(headers: &HeaderMap) -> bool {
    TraceContext::of_headers(headers).is_some_and(|context| context.state.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let all = all.iter();
        all.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn states(headers: &HeaderMap) -> Vec<&str> {
        let states = headers.get_all("tracestate").iter();
        states.map(|state| state.to_str().unwrap()).collect()
    }

    #[test]
    fn several_lists_are_one_and_go_with_their_trace() {
        let mut both = headers(&[("traceparent", PARENT)]);
        both.append("tracestate", "a=1".parse().unwrap());
        both.append("tracestate", "b=2, c=3".parse().unwrap());
        let context = TraceContext::of_headers(&both).unwrap();
        assert_eq!(
            context.state.as_ref().map(TraceState::as_str),
            Some("a=1,b=2, c=3")
        );
        let mut passed = both.clone();
        tell(&mut passed, None, None);
        assert_eq!(passed, both, "as it came");
        let span = "00-11111111111111111111111111111111-2222222222222222-01"
            .parse()
            .unwrap();
        tell(&mut passed, Some(&span), context.state.as_ref());
        assert_eq!(states(&passed), ["a=1,b=2, c=3"]);
        assert_eq!(passed["traceparent"], span.to_string());
        tell(&mut passed, Some(&span), None);
        assert!(states(&passed).is_empty(), "of another trace");
    }

    #[test]
    fn what_is_no_list_or_goes_with_no_trace_is_dropped() {
        for (parent, state) in [(PARENT, "A=1"), (PARENT, ""), ("00-0-0-0", "a=1")] {
            let mut told = headers(&[("traceparent", parent), ("tracestate", state)]);
            tell(&mut told, None, None);
            assert!(states(&told).is_empty(), "{parent} {state}");
            assert_eq!(told["traceparent"], parent);
        }
        let mut alone = headers(&[("tracestate", "a=1")]);
        tell(&mut alone, None, None);
        assert!(alone.is_empty());
    }
}
