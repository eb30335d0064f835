//! Long answers: copied as they come, kept alive, and ended when the caller's right to them ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use audit::CallOutcome;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use net::{Body, BodyError};
use protocol::mcp::sse::{KEEP_ALIVE, Lines, encode};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::filter::{Filter, Sieve, Unfit};
use crate::gateway::Gateway;
use crate::legacy_sse::Mailbox;
use crate::list_changed::{self, View};
use crate::listening::Seat;
use crate::record::Record;
use crate::refusal::{Refusal, UpstreamTrouble};

mod early;
mod ending;

/// An answer of which the head has come.
pub(crate) struct Begun {
    pub(crate) incoming: Incoming,
    /// What goes out before the body.
    pub(crate) first: Bytes,
    /// What of the body has come already.
    pub(crate) rest: Bytes,
    pub(crate) listening: Option<Seat>,
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) is_sse: bool,
}

/// The body that the caller gets, with what has come of it by now.
pub(crate) async fn body(
    gateway: &Arc<Gateway>,
    begun: Begun,
    filter: Option<Filter>,
    record: Record,
) -> Body {
    let Begun {
        incoming,
        first,
        rest,
        listening,
        mailbox,
        is_sse,
    } = begun;
    let mut sieve = filter.map(|filter| Sieve::new(filter, is_sse));
    let rest = match &mut sieve {
        // What cannot be read now cannot be read when more of it comes.
        Some(sieve) => sieve.push(rest).unwrap_or_default(),
        None => rest,
    };
    let first = Bytes::from([first, rest].concat());
    // It is moved at each step.
    let mut streaming = Box::new(Streaming {
        standing: gateway.standing().watch(),
        view: record.exchange().and_then(|exchange| View::of(gateway, exchange)),
        keep_alive: gateway.routes().keep_alive,
        look_at: gateway.elapsed() + gateway.routes().keep_alive,
        gateway: Arc::clone(gateway),
        incoming: Some(incoming),
        record,
        is_sse,
        lines: Lines::default(),
        first: Some(first).filter(|first| !first.is_empty()),
        early: VecDeque::new(),
        sieve,
        listening,
        mailbox,
    });
    streaming.take_early().await;
    let steps = stream::unfold(streaming, |mut streaming| async move {
        let chunk = streaming.next().await?;
        Some((chunk.map(Frame::data), streaming))
    });
    StreamBody::new(steps).boxed_unsync()
}

/// A long answer: copied, kept alive, and ended when the caller's right to it ends (MA-56, DEC-3).
struct Streaming {
    gateway: Arc<Gateway>,
    incoming: Option<Incoming>,
    record: Record,
    standing: watch::Receiver<u64>,
    /// What decided of what the caller sees, when they were last told.
    view: Option<View>,
    keep_alive: Duration,
    /// When it is looked again whether the stream may go on, in time of [`model::World::elapsed`].
    look_at: Duration,
    is_sse: bool,
    lines: Lines,
    first: Option<Bytes>,
    /// What goes out before anything else is waited for; nothing is the end.
    early: VecDeque<Option<Result<Bytes, BodyError>>>,
    sieve: Option<Sieve>,
    listening: Option<Seat>,
    mailbox: Option<Mailbox>,
}

/// The upstream takes too long.
const LATE: Refusal = Refusal::Upstream(UpstreamTrouble::Slow);

/// What happened next on a stream.
enum Next {
    Frame(Option<Result<Frame<Bytes>, hyper::Error>>),
    /// Something was taken back somewhere, or time has passed: look again.
    Look,
    /// Nothing came for too long, or the answer has no end.
    Late,
    /// A newer listening stream of the session has come (CC-97).
    Replaced,
    /// The door is closing.
    Drain,
    /// The door has an answer of its own for this stream.
    Letter(Bytes),
}

async fn letter(mailbox: Option<&mut Mailbox>) -> Bytes {
    match mailbox {
        Some(mailbox) => mailbox.next().await,
        None => std::future::pending().await,
    }
}

async fn replaced(seat: Option<&Seat>) {
    match seat {
        Some(seat) => seat.taken_over().await,
        None => std::future::pending().await,
    }
}

impl Streaming {
    fn listens(&self) -> bool {
        self.record.exchange().is_none_or(Exchange::is_listening)
    }

    /// Whether it is an answer like most: it ends by itself, and nobody else has a word in it.
    fn is_plain(&self) -> bool {
        !self.listens() && self.listening.is_none() && self.mailbox.is_none()
    }

    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        if let Some(early) = self.early.pop_front() {
            return early;
        }
        if let Some(first) = self.first().await {
            return Some(first);
        }
        let is_plain = self.is_plain();
        let listens = self.listens();
        let mut shutdown = None;
        let mut quiet = Duration::ZERO;
        loop {
            self.incoming.as_ref()?;
            if let Some(end) = self.look().await {
                return end;
            }
            if is_plain && let Poll::Ready(frame) = self.there() {
                match self.pass_on(frame).await {
                    Some(end) => return end,
                    None => continue,
                }
            }
            let shutdown = shutdown.get_or_insert_with(|| Box::pin(self.gateway.tasks().shutting_down()));
            // The caller's right may end before it is time for the next comment.
            let pause = self.keep_alive.min(self.left()).min(self.time_left());
            let incoming = self.incoming.as_mut()?;
            let next = tokio::select! {
                biased;
                changed = self.standing.changed() => if changed.is_ok() { Next::Look } else { Next::Drain },
                // An answer that is under way is finished; what has no end is ended.
                () = shutdown, if listens => Next::Drain,
                () = replaced(self.listening.as_ref()) => Next::Replaced,
                // The sieve lets whole events through, so there is always room for one more between two.
                letter = letter(self.mailbox.as_mut()) => Next::Letter(letter),
                frame = incoming.frame() => Next::Frame(frame),
                () = tokio::time::sleep(pause) => {
                    quiet += pause;
                    if self.is_too_quiet(quiet) || self.time_left().is_zero() { Next::Late } else { Next::Look }
                }
            };
            match next {
                Next::Frame(frame) => {
                    if let Some(end) = self.pass_on(frame).await {
                        return end;
                    }
                }
                Next::Look => {
                    if !self.still_counts().await {
                        return self.farewell(CallOutcome::Ended);
                    }
                    if let Some(notices) = self.list_changed() {
                        self.record.bytes_out += notices.len() as u64;
                        return Some(Ok(notices));
                    }
                    if quiet > Duration::ZERO && self.is_sse && self.lines == Lines::BetweenEvents {
                        return Some(Ok(Bytes::from_static(KEEP_ALIVE)));
                    }
                }
                Next::Letter(letter) => {
                    self.record.bytes_out += letter.len() as u64;
                    return Some(Ok(letter));
                }
                Next::Late => return Some(self.give_up(&LATE)),
                Next::Replaced => return self.end(CallOutcome::Ended),
                Next::Drain => return self.farewell(CallOutcome::Ended),
            }
        }
    }

    /// What goes out of what came; none if that is nothing.
    async fn pass_on(
        &mut self,
        frame: Option<Result<Frame<Bytes>, hyper::Error>>,
    ) -> Option<Option<Result<Bytes, BodyError>>> {
        let mut data = match frame {
            None => {
                let last = self.sieve.as_mut().map_or(Ok(Bytes::new()), Sieve::finish);
                return Some(match self.bind_tasks().await {
                    Ok(()) => self.last(last),
                    Err(refusal) => Some(self.give_up(&refusal)),
                });
            }
            Some(Ok(frame)) => frame.into_data().ok()?,
            Some(Err(error)) => {
                self.end(CallOutcome::UpstreamFailed);
                return Some(Some(Err(error.into())));
            }
        };
        if let Some(sieve) = &mut self.sieve {
            data = match sieve.push(data) {
                Ok(data) if data.is_empty() => return None,
                Ok(data) => data,
                Err(Unfit) => return Some(self.last(Err(Unfit))),
            };
            if let Err(refusal) = self.bind_tasks().await {
                return Some(Some(self.give_up(&refusal)));
            }
        }
        self.lines = self.lines.after(&data);
        self.record.passes(&data);
        Some(Some(Ok(data)))
    }

    /// Looks whether the stream may go on, when it is time for that, however much keeps coming. Gives its end if not.
    async fn look(&mut self) -> Option<Option<Result<Bytes, BodyError>>> {
        let now = self.gateway.elapsed();
        if now >= self.look_at || self.left().is_zero() {
            self.look_at = now + self.keep_alive;
            if !self.still_counts().await {
                return Some(self.farewell(CallOutcome::Ended));
            }
        }
        self.time_left().is_zero().then(|| Some(self.give_up(&LATE)))
    }

    /// What is said when the caller's lists have changed, where something can be said.
    fn list_changed(&mut self) -> Option<Bytes> {
        let has_room = match self.lines {
            Lines::BetweenEvents => true,
            Lines::InEvent => !self.is_sse,
            Lines::InLine => false,
        };
        let exchange = self.record.exchange().filter(|_| has_room)?;
        let view = View::of(&self.gateway, exchange);
        if view == self.view {
            return None;
        }
        let notices = list_changed::notices(exchange);
        self.view = view;
        let is_sse = self.is_sse;
        let framed = notices.iter().map(|notice| {
            if is_sse {
                encode("message", notice)
            } else {
                format!("{notice}\n")
            }
        });
        let framed: String = framed.collect();
        Some(framed.into()).filter(|framed: &Bytes| !framed.is_empty())
    }

    /// A stream that listens may be quiet for ever; an answer may not.
    fn is_too_quiet(&self, quiet: Duration) -> bool {
        let Some(exchange) = self.record.exchange() else {
            return true;
        };
        !self.is_sse && !exchange.is_listening() && quiet >= exchange.route.timeouts.idle
    }

    /// How long the answer may still take.
    fn time_left(&self) -> Duration {
        match self.record.exchange() {
            Some(exchange) if !exchange.is_listening() => {
                let took = self.gateway.elapsed().saturating_sub(exchange.started);
                exchange.route.timeouts.longest.saturating_sub(took)
            }
            _ => Duration::MAX,
        }
    }

    /// How long the caller's token has to live.
    fn left(&self) -> Duration {
        let expires_at = self
            .record
            .exchange()
            .map(|exchange| exchange.caller.proof.expires_at());
        expires_at.map_or(Duration::ZERO, |at| at.since(self.gateway.now()))
    }

    async fn still_counts(&self) -> bool {
        match self.record.exchange() {
            Some(exchange) => {
                self.gateway
                    .still_counts(&exchange.caller, &exchange.route.resource)
                    .await
            }
            None => false,
        }
    }

    /// Writes down whose the tasks are that have begun, before what says so goes out (TP-113).
    async fn bind_tasks(&mut self) -> Result<(), Refusal> {
        let begun = self.sieve.as_mut().map(Sieve::begun).unwrap_or_default();
        match self.record.exchange() {
            Some(exchange) if !begun.is_empty() => {
                self.gateway
                    .bind_tasks(&exchange.route, &exchange.caller, begun)
                    .await
            }
            _ => Ok(()),
        }
    }
}
