//! One request and its answer, as far as the record is concerned.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, header};
use model::EventId;
use protocol::mcp::list::List;
use std::time::Duration;

use crate::authenticate::Caller;
use crate::message::{Read, Waiting};
use crate::route::Route;

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
    pub(crate) bytes_in: u64,
    /// What the program calls itself.
    pub(crate) agent: Option<String>,
    /// SHA-256 of the arguments of a tool call, in hex, as they came.
    pub(crate) arguments: Option<String>,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<String>,
}

impl Exchange {
    /// Takes over what the message says.
    pub(crate) fn say(&mut self, read: &Read) {
        self.method.clone_from(&read.method);
        self.target.clone_from(&read.target);
        self.waiting = read.waiting().cloned().collect();
        self.is_batch = read.is_batch;
        self.modern = read.modern;
        self.watches.clone_from(&read.watches);
        self.bytes_in = read.bytes.len() as u64;
        self.agent.clone_from(&read.agent);
        self.arguments = match read.elements.as_slice() {
            [element] if !read.is_batch => element.digest(&read.bytes),
            _ => None,
        };
    }

    /// Whether it holds a stream open for ever, with nothing to say for long.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.method.as_deref(), Some("subscriptions/listen" | "GET"))
    }
}

/// The trace id of a `traceparent` header (W3C Trace Context), if it is one.
pub(crate) fn trace(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_something = |part: &str| part.bytes().any(|b| b != b'0');
    let fits = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && is_something(trace)
        && is_hex(parent, 16)
        && is_something(parent)
        && is_hex(flags, 2);
    fits.then(|| trace.to_owned())
}

/// What a program calls itself, shortened.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_a_header_that_is_one() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), text.parse().unwrap())]);
            trace(&headers)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(),
            Some(id)
        );
        assert_eq!(
            of("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x").as_deref(),
            Some(id)
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
