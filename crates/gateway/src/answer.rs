//! The step that brings the upstream's answer back: its status judged, its headers cleaned, what may be a list held
//! back, everything else copied as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use audit::CallOutcome;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use net::{Body, BodyError, body};

use crate::cors;
use crate::credential::connection_tokens;
use crate::filter::{self, Care, Filter, Unfit};
use crate::gateway::Gateway;
use crate::journey::{Journey, Passed, PassedBody};
use crate::names;
use crate::record::Record;
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::stream::{self, Begun};

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
pub(crate) fn is_dropped(name: &header::HeaderName) -> bool {
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
    parts.headers.remove(&names::SESSION);
    if let Some(session) = session {
        parts.headers.insert(names::SESSION.clone(), session);
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
        record.ids = std::mem::take(&mut passed.ids);
        let status = passed.parts.status;
        // Whoever begins a new session after a 404 asks everything again. After anything else each request still
        // waits, those that were refused here too.
        if !status.is_success() && status != StatusCode::NOT_FOUND && !told.is_empty() {
            return Err(Refusal::Upstream(UpstreamTrouble::Broken));
        }
        let Some(exchange) = record.exchange().filter(|_| status.is_success()) else {
            return Ok(passed);
        };
        let (listens, care, modern) = (exchange.is_listening(), Care::of(exchange), exchange.modern);
        let is_sse = is_event_stream(&passed.parts.headers);
        let is_copied = care == Care::None || (care == Care::Events && !is_sse);
        if is_copied && told.is_empty() {
            return Ok(passed);
        }
        if is_encoded(&passed.parts.headers) {
            // In the stateless era every stream is read: it may not ask anything (TP-57).
            let is_read = care == Care::Messages || (modern && is_sse);
            if !is_read && told.is_empty() {
                return Ok(passed);
            }
            // We asked for none: what it says cannot be judged.
            return Err(Refusal::Upstream(UpstreamTrouble::Broken));
        }
        let filter = (!is_sse).then(|| Filter::of(self, exchange)).flatten();
        if care == Care::Tasks && !is_sse && told.is_empty() {
            return Box::pin(self.glance(journey, passed, filter)).await;
        }
        let headers = &mut passed.parts.headers;
        for name in OF_THE_BYTES {
            headers.remove(name);
        }
        if is_sse || listens {
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
        let mut whole = Box::pin(self.while_it_counts(journey, whole)).await?;
        if let Some(mut filter) = filter {
            whole = match filter.whole(whole.clone()) {
                Ok(filtered) => filtered,
                // The `Accepted` of the legacy transport is no answer.
                Err(Unfit) if passed.parts.status == StatusCode::ACCEPTED => whole,
                Err(Unfit) => return Err(Refusal::Upstream(UpstreamTrouble::Broken)),
            };
            Box::pin(self.bind_tasks(journey.route, journey.caller, filter.begun())).await?;
        }
        if !told.is_empty() {
            whole = joined(&told, &whole);
            passed.parts.status = StatusCode::OK;
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        passed.body = PassedBody::Whole(whole);
        Ok(passed)
    }

    /// Looks into an answer that may begin a task and is small enough for that; any other goes on as it comes.
    async fn glance(
        &self,
        journey: &Journey<'_>,
        mut passed: Passed,
        filter: Option<Filter>,
    ) -> Result<Passed, Refusal> {
        let (Some(mut filter), PassedBody::Incoming(mut incoming)) = (filter, passed.body) else {
            return Err(Refusal::Upstream(UpstreamTrouble::Broken));
        };
        let (mut beginning, mut is_whole) = (Bytes::new(), false);
        if incoming.size_hint().lower() <= filter::LARGEST_GLANCE as u64 {
            let time = journey.route.timeouts.idle;
            (beginning, is_whole) = self.while_it_counts(journey, begin(&mut incoming, time)).await?;
        }
        if is_whole {
            filter.glance(&beginning);
            self.bind_tasks(journey.route, journey.caller, filter.begun())
                .await?;
            passed.body = PassedBody::Whole(beginning);
        } else {
            passed.first = beginning;
            passed.body = PassedBody::Incoming(incoming);
        }
        Ok(passed)
    }
}

/// Reads the beginning of a body: all of it, if it is small. Says whether it was.
async fn begin(incoming: &mut Incoming, time: Duration) -> Result<(Bytes, bool), UpstreamTrouble> {
    let mut beginning = BytesMut::new();
    while beginning.len() <= filter::LARGEST_GLANCE {
        let frame = tokio::time::timeout(time, incoming.frame()).await;
        let Some(frame) = frame.map_err(|_| UpstreamTrouble::Slow)? else {
            return Ok((beginning.freeze(), true));
        };
        if let Ok(data) = frame.map_err(|_| UpstreamTrouble::Broken)?.into_data() {
            beginning.extend_from_slice(&data);
        }
    }
    Ok((beginning.freeze(), false))
}

/// Whether a body is compressed.
fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
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

/// The whole answer; there at once, if it is a short one.
pub(crate) fn answer(
    gateway: &Arc<Gateway>,
    passed: Passed,
    mut record: Record,
) -> impl Future<Output = Response<Body>> {
    let Passed {
        parts,
        body,
        first,
        rest,
        listening,
        mailbox,
        ids: _,
    } = passed;
    record.status = parts.status.as_u16();
    let incoming = match body {
        PassedBody::Incoming(incoming) => incoming,
        PassedBody::Whole(bytes) => {
            record.passes(&bytes);
            record.outcome = CallOutcome::Answered;
            return Either::Left(ready(Response::from_parts(parts, body::full(bytes))));
        }
    };
    let is_sse = is_event_stream(&parts.headers);
    let filter = record.exchange().filter(|exchange| {
        let is_read = Care::of(exchange) == Care::Messages || (is_sse && !is_encoded(&parts.headers));
        parts.status.is_success() && is_read
    });
    let filter = filter.and_then(|exchange| Filter::of(gateway, exchange));
    // A known length is a short answer. Anything else may go on for ever, whatever its media type says:
    // listening is answered as endless application/json too (TP-11).
    if filter.is_none() && !is_sse && first.is_empty() && incoming.size_hint().exact().is_some() {
        let body = Counted { incoming, record }.boxed_unsync();
        return Either::Left(ready(Response::from_parts(parts, body)));
    }
    let begun = Begun {
        incoming,
        first,
        rest,
        listening,
        mailbox,
        is_sse,
    };
    let body = stream::body(gateway, begun, filter, record);
    Either::Right(Box::pin(body.map(|body| Response::from_parts(parts, body))))
}

/// A short answer: copied and counted.
pub(crate) struct Counted {
    pub(crate) incoming: Incoming,
    pub(crate) record: Record,
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
                if let Some(data) = frame.data_ref() {
                    self.record.passes(data);
                }
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
