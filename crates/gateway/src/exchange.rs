//! One request and its answer, as far as the record is concerned.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, header};
use model::EventId;
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
    pub(crate) id: Option<String>,
    pub(crate) batch: Vec<Waiting>,
    pub(crate) modern: bool,
    pub(crate) bytes_in: u64,
}

impl Exchange {
    /// Takes over what the message says.
    pub(crate) fn say(&mut self, read: &Read) {
        self.method.clone_from(&read.method);
        self.target.clone_from(&read.target);
        self.id.clone_from(&read.id);
        self.batch.clone_from(&read.batch);
        self.modern = read.modern;
        self.bytes_in = read.bytes.len() as u64;
    }

    /// The requests that wait for an answer.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let single = self.id.as_deref();
        let single = single.map(|id| Waiting::new(id, self.method.as_deref()));
        single.into_iter().chain(self.batch.iter().cloned()).collect()
    }

    /// Whether it holds a stream open for ever, with nothing to say for long.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.method.as_deref(), Some("subscriptions/listen" | "GET"))
    }
}

/// What a program calls itself, shortened.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(200).collect())
}
