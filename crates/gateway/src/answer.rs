//! The step that brings the upstream's answer back: its status judged, its headers cleaned, its bytes
//! streamed as they come, its stream ended when the caller's right to it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use audit::CallOutcome;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use net::{Body, BodyError, body};
use protocol::mcp::sse::{KEEP_ALIVE, Lines};
use tokio::sync::watch;

use crate::cors;
use crate::credential::connection_tokens;
use crate::exchange::Exchange;
use crate::filter::{self, Filter, Sieve, Unfit};
use crate::gateway::{Gateway, Journey, Passed, PassedBody};
use crate::linger;
use crate::listening::Seat;
use crate::message::Waiting;
use crate::record::Record;
use crate::refusal::{self, Refusal, UpstreamTrouble};

/// What an upstream's status means. Nothing of a refusal of ours, a redirect or a server error is passed
/// on as it is (TP-5, MA-63, CC-105); everything else is the upstream's own word to the client.
pub(crate) fn judge(status: StatusCode) -> Result<(), UpstreamTrouble> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(UpstreamTrouble::Credential)
        }
        status if status.is_redirection() || status.is_server_error() || status.is_informational() => {
            Err(UpstreamTrouble::Broken)
        }
        _ => Ok(()),
    }
}

/// Headers of an upstream's answer that are not for the client.
fn is_dropped(name: &header::HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "set-cookie"
            | "set-cookie2"
            | "www-authenticate"
            | "strict-transport-security"
            | "public-key-pins"
            | "alt-svc"
            | "clear-site-data"
            | "location"
            | "refresh"
    ) || name.as_str().starts_with("access-control-")
}

/// Cleans the head of an answer. `session` is what stands in for the upstream's session id.
pub(crate) fn clean(parts: &mut response::Parts, session: Option<HeaderValue>) {
    let named = connection_tokens(&parts.headers);
    let drop: Vec<_> = parts
        .headers
        .keys()
        .filter(|name| is_dropped(name) || named.contains(name))
        .cloned()
        .collect();
    for name in drop {
        parts.headers.remove(name);
    }
    parts.headers.remove("mcp-session-id");
    if let Some(session) = session {
        parts.headers.insert("mcp-session-id", session);
    }
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if is_event_stream(&parts.headers) {
        parts.headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        );
        parts
            .headers
            .insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    cors::allow(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
}

pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    media_type
        .get(..17)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"text/event-stream"))
}

/// Headers that say something of the very bytes of a body.
const OF_THE_BYTES: [&str; 8] = [
    "content-length",
    "etag",
    "last-modified",
    "accept-ranges",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
];

impl Gateway {
    /// Holds a short answer back, if it may be a list or answers to a batch of which some was refused, and makes
    /// of it what the caller may see.
    pub(crate) async fn hold_back(
        self: &Arc<Self>,
        journey: &Journey<'_>,
        mut passed: Passed,
        record: &mut Record,
    ) -> Result<Passed, Refusal> {
        let told = std::mem::take(&mut record.told);
        let Some(exchange) = record.exchange().filter(|_| passed.parts.status.is_success()) else {
            return Ok(passed);
        };
        let listens = exchange.is_listening();
        let filter = Filter::of(self, exchange);
        if filter.is_none() && told.is_empty() {
            return Ok(passed);
        }
        let headers = &mut passed.parts.headers;
        if headers.contains_key(header::CONTENT_ENCODING) {
            // We asked for none: what it says cannot be judged.
            return Err(Refusal::Upstream(UpstreamTrouble::Broken));
        }
        for name in OF_THE_BYTES {
            headers.remove(name);
        }
        if is_event_stream(headers) || listens {
            if !told.is_empty() {
                let events = told
                    .iter()
                    .map(|told| format!("event: message\ndata: {told}\n\n"));
                passed.first = events.collect::<String>().into();
            }
            return Ok(passed);
        }
        let PassedBody::Incoming(incoming) = passed.body else {
            return Ok(passed);
        };
        let time = journey.route.timeouts.idle;
        let whole = async {
            let read = body::read(incoming, filter::LARGEST, time).await;
            read.map_err(|error| match error {
                body::ReadError::TooSlow => UpstreamTrouble::Slow,
                body::ReadError::TooLarge(_) | body::ReadError::Broken => UpstreamTrouble::Broken,
            })
        };
        let mut whole = self.while_it_counts(journey, whole).await?;
        if let Some(filter) = filter {
            whole = match filter.whole(whole.clone()) {
                Ok(filtered) => filtered,
                // No client takes this for an answer: the `Accepted` of the legacy transport, for instance.
                Err(Unfit) if !is_json(headers) => whole,
                Err(Unfit) => return Err(Refusal::Upstream(UpstreamTrouble::Broken)),
            };
        }
        if !told.is_empty() {
            whole = joined(&told, &whole);
            passed.parts.status = StatusCode::OK;
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        passed.body = PassedBody::Whole(whole);
        Ok(passed)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media_type.is_some_and(|text| text.to_ascii_lowercase().windows(4).any(|part| part == b"json"))
}

/// Our answers and the upstream's as one batch.
fn joined(told: &[String], body: &[u8]) -> Bytes {
    let body = body.trim_ascii();
    let theirs = body
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
        .unwrap_or(body);
    let comma = if theirs.trim_ascii().is_empty() { "" } else { "," };
    [b"[", told.join(",").as_bytes(), comma.as_bytes(), theirs, b"]"]
        .concat()
        .into()
}

/// The whole answer.
pub(crate) fn answer(gateway: &Arc<Gateway>, passed: Passed, mut record: Record) -> Response<Body> {
    let Passed {
        parts,
        body,
        first,
        rest,
        listening,
    } = passed;
    record.status = parts.status.as_u16();
    let incoming = match body {
        PassedBody::Incoming(incoming) => incoming,
        PassedBody::Whole(bytes) => {
            record.bytes_out = bytes.len() as u64;
            record.outcome = CallOutcome::Answered;
            return Response::from_parts(parts, body::full(bytes));
        }
    };
    let is_sse = is_event_stream(&parts.headers);
    let filter = record.exchange().filter(|_| parts.status.is_success());
    let filter = filter.and_then(|exchange| Filter::of(gateway, exchange));
    // A known length is a short answer. Anything else may go on for ever, whatever its media type says:
    // listening is answered as endless application/json too (TP-11).
    let body = if filter.is_none() && !is_sse && incoming.size_hint().exact().is_some() {
        Counted { incoming, record }.boxed_unsync()
    } else {
        let mut sieve = filter.map(|filter| Sieve::new(filter, is_sse));
        let rest = match &mut sieve {
            // What cannot be read now cannot be read when more of it comes.
            Some(sieve) => sieve.push(&rest).unwrap_or_default(),
            None => rest,
        };
        let first = Bytes::from([first, rest].concat());
        let streaming = Streaming {
            standing: gateway.standing().watch(),
            keep_alive: gateway.routes().keep_alive,
            gateway: Arc::clone(gateway),
            incoming: Some(incoming),
            record,
            is_sse,
            lines: Lines::default(),
            first: Some(first).filter(|first| !first.is_empty()),
            sieve,
            listening,
        };
        let steps = stream::unfold(streaming, |mut streaming| async move {
            let chunk = streaming.next().await?;
            Some((chunk.map(Frame::data), streaming))
        });
        StreamBody::new(steps).boxed_unsync()
    };
    Response::from_parts(parts, body)
}

/// A short answer: copied and counted.
struct Counted {
    incoming: Incoming,
    record: Record,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.incoming.is_end_stream() {
                    self.record.outcome = CallOutcome::Answered;
                }
            }
            Poll::Ready(Some(Err(_))) => self.record.outcome = CallOutcome::UpstreamFailed,
            Poll::Ready(None) => self.record.outcome = CallOutcome::Answered,
            Poll::Pending => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() && self.record.outcome == CallOutcome::Abandoned {
            self.record.outcome = CallOutcome::Answered;
        }
    }
}

/// A long answer: copied, kept alive, and ended when the caller's right to it ends (MA-56, DEC-3).
struct Streaming {
    gateway: Arc<Gateway>,
    incoming: Option<Incoming>,
    record: Record,
    standing: watch::Receiver<u64>,
    keep_alive: Duration,
    is_sse: bool,
    lines: Lines,
    first: Option<Bytes>,
    sieve: Option<Sieve>,
    listening: Option<Seat>,
}

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
}

async fn replaced(seat: Option<&Seat>) {
    match seat {
        Some(seat) => seat.taken_over().await,
        None => std::future::pending().await,
    }
}

impl Streaming {
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        if let Some(first) = self.first.take() {
            self.record.bytes_out += first.len() as u64;
            return Some(Ok(first));
        }
        let shutdown = self.gateway.tasks().shutting_down();
        tokio::pin!(shutdown);
        let listens = self.record.exchange().is_none_or(Exchange::is_listening);
        let mut quiet = Duration::ZERO;
        loop {
            // The caller's right may end before it is time for the next comment.
            let pause = self.keep_alive.min(self.left()).min(self.time_left());
            let incoming = self.incoming.as_mut()?;
            let next = tokio::select! {
                biased;
                changed = self.standing.changed() => if changed.is_ok() { Next::Look } else { Next::Drain },
                // An answer that is under way is finished; what has no end is ended.
                () = &mut shutdown, if listens => Next::Drain,
                () = replaced(self.listening.as_ref()) => Next::Replaced,
                frame = incoming.frame() => Next::Frame(frame),
                () = tokio::time::sleep(pause) => {
                    quiet += pause;
                    if self.is_too_quiet(quiet) || self.time_left().is_zero() { Next::Late } else { Next::Look }
                }
            };
            match next {
                Next::Frame(None) => {
                    let last = self.sieve.as_mut().map_or(Ok(Bytes::new()), Sieve::finish);
                    return self.last(last);
                }
                Next::Frame(Some(Ok(frame))) => {
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    if let Some(sieve) = &mut self.sieve {
                        data = match sieve.push(&data) {
                            Ok(data) if data.is_empty() => continue,
                            Ok(data) => data,
                            Err(Unfit) => return self.last(Err(Unfit)),
                        };
                    }
                    self.lines = self.lines.after(&data);
                    self.record.bytes_out += data.len() as u64;
                    return Some(Ok(data));
                }
                Next::Frame(Some(Err(error))) => {
                    self.end(CallOutcome::UpstreamFailed);
                    return Some(Err(error.into()));
                }
                Next::Look => {
                    if !self.still_counts().await {
                        return self.farewell(CallOutcome::Ended);
                    }
                    if quiet > Duration::ZERO && self.is_sse && self.lines == Lines::BetweenEvents {
                        return Some(Ok(Bytes::from_static(KEEP_ALIVE)));
                    }
                }
                Next::Late => return Some(self.give_up()),
                Next::Replaced => return self.end(CallOutcome::Ended),
                Next::Drain => return self.farewell(CallOutcome::Ended),
            }
        }
    }

    /// Ends the stream with what was still held back; breaks it off if that may not be passed on.
    fn last(&mut self, last: Result<Bytes, Unfit>) -> Option<Result<Bytes, BodyError>> {
        match last {
            Ok(last) => {
                self.record.bytes_out += last.len() as u64;
                self.end(CallOutcome::Answered);
                Some(last).filter(|last| !last.is_empty()).map(Ok)
            }
            Err(Unfit) => {
                self.end(CallOutcome::UpstreamFailed);
                Some(Err("the upstream's answer cannot be read".into()))
            }
        }
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
            .map(|exchange| exchange.caller.access.expires_at);
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

    /// Ends the stream; the upstream connection goes with it.
    fn end(&mut self, outcome: CallOutcome) -> Option<Result<Bytes, BodyError>> {
        self.record.outcome = outcome;
        self.incoming = None;
        None
    }

    /// The upstream takes too long: whoever waits is told so where an event can still be written, and elsewhere
    /// the answer is broken off, so that nobody takes it for a whole one (DEC-18).
    fn give_up(&mut self) -> Result<Bytes, BodyError> {
        let told = self
            .record
            .exchange()
            .filter(|_| self.is_sse && self.lines == Lines::BetweenEvents);
        let told = told.map(|exchange| {
            let tell = |waiting: &Waiting| {
                let text = refusal::told(UpstreamTrouble::Slow, waiting, exchange.modern);
                format!("event: message\ndata: {text}\n\n")
            };
            exchange.waiting.iter().map(tell).collect::<String>()
        });
        self.record.reason = Some(Refusal::Upstream(UpstreamTrouble::Slow).slug().to_owned());
        self.end(CallOutcome::UpstreamFailed);
        match told {
            Some(events) if !events.is_empty() => Ok(events.into()),
            _ => Err("the upstream took too long".into()),
        }
    }

    /// Ends the stream in good order. A subscription of the stateless era is told that it is complete
    /// (TP-78).
    fn farewell(&mut self, outcome: CallOutcome) -> Option<Result<Bytes, BodyError>> {
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
        // The client has gone away in the middle.
        let legacy = self
            .record
            .exchange()
            .is_some_and(|exchange| !exchange.modern && !exchange.waiting.is_empty());
        if let Some(incoming) = self.incoming.take()
            && legacy
        {
            linger::drain_behind(self.gateway.tasks(), incoming);
        }
    }
}
