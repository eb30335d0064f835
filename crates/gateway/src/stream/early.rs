//! What of an answer goes out together with its head.

use std::task::Poll;

use audit::CallOutcome;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::Frame;
use http_body_util::BodyExt as _;
use net::BodyError;

use super::Streaming;

/// How often the upstream's connection is let go on to hand over what has come before the head goes out: once for the
/// only event of a short answer, once for its end.
const TURNS: usize = 2;
/// So much of an answer goes out with its head at most.
const MOST_EARLY: usize = 3;

impl Streaming {
    /// Takes what has come of an answer already: its head, its only event and its end then go out in one piece, and not
    /// in three, each of which would cost as much as a whole short answer. The connection hands a chunk over when it is
    /// asked for one, in a task of its own. Nothing is waited for that has not come.
    pub(super) async fn take_early(&mut self) {
        if !self.is_plain() {
            return;
        }
        if let Some(first) = self.first().await {
            self.early.push_back(Some(first));
        }
        for turn in 0..=TURNS {
            if turn > 0 {
                tokio::task::yield_now().await;
            }
            while let Poll::Ready(frame) = self.there() {
                let Some(step) = self.pass_on(frame).await else {
                    continue;
                };
                let is_end = step.is_none();
                self.early.push_back(step);
                if is_end || self.early.len() == MOST_EARLY {
                    return;
                }
            }
        }
    }

    /// Whether something that was taken has not gone out: then its client has gone away, even if the upstream has answered.
    /// Whoever has everything may leave before the end.
    pub(super) fn is_left_behind(&self) -> bool {
        let holds_some = self.early.iter().any(Option::is_some);
        let is_all = !self.early.is_empty() && self.record.bytes_out == 0;
        (holds_some || is_all) && self.record.outcome == CallOutcome::Answered
    }

    /// What comes before the body.
    pub(super) async fn first(&mut self) -> Option<Result<Bytes, BodyError>> {
        let first = self.first.take()?;
        if let Err(refusal) = self.bind_tasks().await {
            return Some(self.give_up(&refusal));
        }
        self.record.passes(&first);
        Some(Ok(first))
    }

    /// What is there at this moment, which needs no clock and nobody to wait for.
    pub(super) fn there(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match (&mut self.incoming, self.standing.has_changed()) {
            (Some(incoming), Ok(false)) => incoming.frame().now_or_never().map_or(Poll::Pending, Poll::Ready),
            _ => Poll::Pending,
        }
    }
}
