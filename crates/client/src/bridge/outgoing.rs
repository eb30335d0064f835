//! A message of the client's: passed on as it came, and read only as far as its way has to be known.

use bytes::Bytes;
use protocol::mcp::message::{self, Body, Kind, Message, MessageError};
use protocol::mcp::revision::is_legacy;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One message, or a batch of them (2025-03-26).
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// Its bytes.
    pub(crate) text: Bytes,
    /// The ids, as JSON text, of the requests in it: each is answered once.
    pub(crate) requests: Vec<String>,
    /// Its method; none of a response or a batch.
    pub(crate) method: Option<String>,
    /// What the method is aimed at.
    pub(crate) target: Option<String>,
    /// The revision that it names itself; of the stateless era if so.
    pub(crate) revision: Option<String>,
    /// The request that it cancels.
    pub(crate) cancels: Option<String>,
}

impl Outgoing {
    /// Reads the head.
    pub(crate) fn read(text: Vec<u8>) -> Result<Self, MessageError> {
        let text = Bytes::from(text);
        let mut this = Self {
            text: text.clone(),
            requests: Vec::new(),
            method: None,
            target: None,
            revision: None,
            cancels: None,
        };
        match message::parse(&text)? {
            Body::Single(message) => this.note(&message),
            Body::Batch(messages) => {
                let ids = messages.iter().filter_map(|(message, _)| message.request_id());
                this.requests = ids.map(str::to_owned).collect();
            }
        }
        Ok(this)
    }

    fn note(&mut self, message: &Message<'_>) {
        self.requests.extend(message.request_id().map(str::to_owned));
        self.method = message.method().map(str::to_owned);
        self.target = message.target().map(str::to_owned);
        let revision = message.params.meta.protocol_version.as_deref();
        self.revision = revision
            .filter(|revision| !is_legacy(revision))
            .map(str::to_owned);
        let is_cancelling =
            matches!(&message.kind, Kind::Notification { method } if method == "notifications/cancelled");
        if is_cancelling {
            self.cancels = cancelled(&self.text);
        }
    }

    /// Whether it is of the stateless era (2026-07-28).
    pub(crate) fn is_stateless(&self) -> bool {
        self.revision.is_some()
    }

    /// Whether its method is this one.
    pub(crate) fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// Whether it may be sent again when nobody knows whether it arrived: it only asks, or says what was said before.
    pub(crate) fn is_repeatable(&self) -> bool {
        let Some(method) = &self.method else { return false };
        let only_asks = ["/list", "/read", "/get", "/complete", "/discover"];
        only_asks.iter().any(|end| method.ends_with(end))
            || [
                "initialize",
                "ping",
                "logging/setLevel",
                "resources/subscribe",
                "resources/unsubscribe",
            ]
            .contains(&method.as_str())
    }
}

/// The id that `params.requestId` names, as JSON text.
fn cancelled(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow)]
        params: Params<'a>,
    }
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
    }
    let cancelled: Cancelled<'_> = serde_json::from_slice(text).ok()?;
    Some(cancelled.params.request_id.get().to_owned())
}

/// An id as one that can be compared: the same text, however it is escaped.
pub(crate) fn same(id: &str) -> String {
    match serde_json::from_str::<Value>(id) {
        Ok(Value::String(text)) => Value::String(text).to_string(),
        _ => id.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outgoing {
        let read = Outgoing::read(text.as_bytes().to_vec()).unwrap();
        assert_eq!(read.text, text, "as it came");
        read
    }

    #[test]
    fn tp_7_a_message_is_read_and_not_rewritten() {
        let call = read(
            r#"{ "jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":{"name":"t","n":1.00,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );
        assert_eq!(call.requests, ["12345678901234567890"]);
        assert_eq!(call.target.as_deref(), Some("t"));
        assert!(call.is_stateless() && call.is("tools/call") && !call.is_repeatable());
        let old = read(
            r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
        );
        assert!(!old.is_stateless() && old.is_repeatable());
        let note =
            read(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0061"}}"#);
        assert_eq!(same(&note.cancels.unwrap()), "\"a\"");
        let batch = read(
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]"#,
        );
        assert_eq!((batch.requests, batch.method), (vec!["1".to_owned()], None));
        assert!(
            read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
                .requests
                .is_empty()
        );
    }
}
