//! How a long answer ends.

use audit::CallOutcome;
use bytes::Bytes;
use net::BodyError;
use protocol::mcp::sse::Lines;

use super::Streaming;
use crate::filter::Unfit;
use crate::linger;
use crate::message::Waiting;
use crate::refusal::{self, Refusal, UpstreamTrouble};

impl Streaming {
    /// Ends the stream with what was still held back; breaks it off if that may not be passed on.
    pub(super) fn last(&mut self, last: Result<Bytes, Unfit>) -> Option<Result<Bytes, BodyError>> {
        match last {
            Ok(last) => {
                self.record.passes(&last);
                self.end(CallOutcome::Answered);
                Some(last).filter(|last| !last.is_empty()).map(Ok)
            }
            Err(Unfit) => {
                self.end(CallOutcome::UpstreamFailed);
                Some(Err("the upstream's answer cannot be read".into()))
            }
        }
    }

    /// Ends the stream; the upstream connection goes with it.
    pub(super) fn end(&mut self, outcome: CallOutcome) -> Option<Result<Bytes, BodyError>> {
        self.record.outcome = outcome;
        self.incoming = None;
        None
    }

    /// There will be no answer: whoever waits is told so where an event can still be written, and elsewhere
    /// the answer is broken off, so that nobody takes it for a whole one (DEC-18).
    pub(super) fn give_up(&mut self, refusal: &Refusal) -> Result<Bytes, BodyError> {
        let trouble = match refusal {
            Refusal::Upstream(trouble) => *trouble,
            _ => UpstreamTrouble::Broken,
        };
        let told = self
            .record
            .exchange()
            .filter(|_| self.is_sse && self.lines == Lines::BetweenEvents);
        let told = told.map(|exchange| {
            let tell = |waiting: &Waiting| {
                let text = refusal::told(trouble, waiting, exchange.modern);
                format!("event: message\ndata: {text}\n\n")
            };
            exchange.waiting.iter().map(tell).collect::<String>()
        });
        self.record.reason = Some(refusal.slug().to_owned());
        self.end(CallOutcome::UpstreamFailed);
        match told {
            Some(events) if !events.is_empty() => Ok(events.into()),
            _ => Err(refusal.to_string().into()),
        }
    }

    /// Ends the stream in good order. A subscription of the stateless era is told that it is complete
    /// (TP-78).
    pub(super) fn farewell(&mut self, outcome: CallOutcome) -> Option<Result<Bytes, BodyError>> {
        let last = self.record.exchange().and_then(|exchange| {
            let id = &exchange.waiting.first().filter(|_| exchange.modern && exchange.is_listening())?.id;
            let message = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
            );
            Some(if self.is_sse { format!("event: message\ndata: {message}\n\n") } else { format!("{message}\n") })
        });
        self.end(outcome);
        match last {
            Some(last) if self.lines != Lines::InLine => Some(Ok(last.into())),
            _ => None,
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if self.is_left_behind() {
            self.record.outcome = CallOutcome::Abandoned;
        }
        // The client has gone away in the middle.
        let legacy = self
            .record
            .exchange()
            .is_some_and(|exchange| !exchange.modern && !exchange.waiting.is_empty());
        if let Some(incoming) = self.incoming.take()
            && legacy
        {
            linger::drain_behind(self.gateway.tasks(), incoming, self.record.under_way.clone());
        }
    }
}
