//! The transport of 2024-11-05: HTTP+SSE (TP-91 to TP-98).
//!
//! The upstream's first event says where messages go. That address is replaced by one of ours, which
//! carries the upstream's sealed and bound to the caller; an upstream that names another origin than its
//! own is cut off, because our credential would go there (TP-92).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use keys::Sealer;
use net::{Body, body};
use protocol::mcp::sse::{Events, encode};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tracing::warn;
use url::Url;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::journey::{Journey, Passed, PassedBody};
use crate::message::Read;
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::route::Route;
use crate::session::{open_endpoint, seal_endpoint};
use crate::{answer, credential, forward};

/// How long the first event may take, and how large it may be.
const FIRST: Duration = Duration::from_secs(30);
const LARGEST: usize = 64 * 1024;

impl Gateway {
    /// The stream of the legacy transport.
    pub(crate) async fn legacy_stream(self: &Arc<Self>, journey: &Journey<'_>) -> Result<Passed, Refusal> {
        let mut headers = credential::outgoing(journey.headers, journey.route);
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.dress(&mut headers, journey)?;
        let uri = journey.route.uri.clone();
        let request = forward::request(Method::GET, uri, headers, body::empty());
        let response = self.call(journey, request, false).await?;
        let (mut parts, mut incoming) = response.into_parts();
        if let Err(trouble) = answer::judge(parts.status) {
            let worn = journey.worn.as_ref();
            return Err(self.troubled(journey, worn, trouble, parts.status).await);
        }
        let (mut first, mut rest) = (Bytes::new(), Bytes::new());
        let mut mailbox = None;
        if parts.status.is_success() {
            if !answer::is_event_stream(&parts.headers) {
                return Err(Refusal::Upstream(UpstreamTrouble::Broken));
            }
            let path;
            (first, rest, path) = begin(&mut incoming, journey.route, journey.caller, self.sealer())
                .await
                .map_err(Refusal::Upstream)?;
            parts.headers.remove(header::CONTENT_LENGTH);
            mailbox = Some(Mailbox::open(self, journey, &path));
        }
        answer::clean(&mut parts, None);
        Ok(Passed {
            parts,
            body: PassedBody::Incoming(incoming),
            first,
            rest,
            listening: None,
            mailbox,
            ids: Vec::new(),
        })
    }

    /// A message of the legacy transport.
    pub(crate) async fn legacy_message(
        self: &Arc<Self>,
        journey: &Journey<'_>,
        ticket: &str,
        read: Option<Read>,
    ) -> Result<Passed, Refusal> {
        let path = open_endpoint(self.sealer(), journey.route, journey.caller, ticket);
        let path = path.ok_or(Refusal::Session)?;
        let uri = message_uri(journey.route, &path).ok_or(Refusal::Session)?;
        let mut headers = credential::outgoing(journey.headers, journey.route);
        self.dress(&mut headers, journey)?;
        let bytes = read.map(|read| read.bytes).unwrap_or_default();
        let request = forward::request(Method::POST, uri, headers, body::full(bytes));
        let response = self.call(journey, request, true).await?;
        let (mut parts, incoming) = response.into_parts();
        if let Err(trouble) = answer::judge(parts.status) {
            let worn = journey.worn.as_ref();
            return Err(self.troubled(journey, worn, trouble, parts.status).await);
        }
        answer::clean(&mut parts, None);
        Ok(Passed {
            parts,
            body: PassedBody::Incoming(incoming),
            first: Bytes::new(),
            rest: Bytes::new(),
            listening: None,
            mailbox: None,
            ids: Vec::new(),
        })
    }
}

/// Answers that wait for a caller's stream; more than this and they are told in the answer to the POST.
const WAITING: usize = 64;

/// The way to a mailbox, for as long as its stream is open here.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    letters: mpsc::Sender<Bytes>,
    /// What the program called itself. It says so once, and holds nothing by then in which that could be kept.
    agent: Arc<OnceLock<String>>,
}

/// Where answers of ours go that a client of this transport looks for on its stream and nowhere else.
pub(crate) struct Mailbox {
    gateway: Arc<Gateway>,
    key: String,
    letters: mpsc::Receiver<Bytes>,
}

impl Mailbox {
    fn open(gateway: &Arc<Gateway>, journey: &Journey<'_>, path: &str) -> Self {
        let (sender, letters) = mpsc::channel(WAITING);
        let key = mailbox_key(journey.route, journey.caller, path);
        let slot = Slot {
            letters: sender,
            agent: Arc::default(),
        };
        gateway.mailboxes.pin().insert(key.clone(), slot);
        Self {
            gateway: Arc::clone(gateway),
            key,
            letters,
        }
    }

    /// The next event to be said. Never, once another stream has taken the place.
    pub(crate) async fn next(&mut self) -> Bytes {
        match self.letters.recv().await {
            Some(letter) => letter,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // One that another stream has taken over is not ours to close.
        self.letters.close();
        let _ = self
            .gateway
            .mailboxes
            .pin()
            .remove_if(&self.key, |_, slot| slot.letters.is_closed());
    }
}

fn mailbox_key(route: &Route, caller: &Caller, path: &str) -> String {
    let holder = caller.proof.holder();
    format!("{}\0{}\0{holder}\0{path}", route.name(), caller.account.id)
}

impl Gateway {
    /// Says JSON-RPC answers on the stream that a message of the legacy transport belongs to. `false` if there is none,
    /// or it does not read.
    pub(crate) fn tell_on_stream(
        &self,
        route: &Route,
        caller: &Caller,
        ticket: &str,
        answers: &[String],
    ) -> bool {
        let Some(slot) = self.slot(route, caller, ticket) else {
            return false;
        };
        let events: String = answers.iter().map(|answer| encode("message", answer)).collect();
        slot.letters.try_send(events.into()).is_ok()
    }

    /// What the program calls itself: as a message says, else as the first one on its stream did that said so (TP-120).
    pub(crate) fn agent_on_stream(
        &self,
        route: &Route,
        caller: &Caller,
        ticket: &str,
        said: Option<String>,
    ) -> Option<String> {
        let Some(slot) = self.slot(route, caller, ticket) else {
            return said;
        };
        match said {
            Some(said) => {
                slot.agent.get_or_init(|| said.clone());
                Some(said)
            }
            None => slot.agent.get().cloned(),
        }
    }

    fn slot(&self, route: &Route, caller: &Caller, ticket: &str) -> Option<Slot> {
        let path = open_endpoint(self.sealer(), route, caller, ticket)?;
        self.mailboxes
            .pin()
            .get(&mailbox_key(route, caller, &path))
            .cloned()
    }
}

/// Moves an answer of ours to the stream: of the answer to a POST, clients of this transport read nothing but whether
/// it succeeded, and would wait for ever.
pub(crate) async fn on_the_stream(
    gateway: &Gateway,
    route: &Route,
    caller: &Caller,
    ticket: &str,
    response: Response<Body>,
) -> Response<Body> {
    let (mut parts, told) = response.into_parts();
    let text = told
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let each: Result<Vec<&RawValue>, _> = serde_json::from_str(&text);
    let answers = match each {
        Ok(each) => each.iter().map(ToString::to_string).collect(),
        Err(_) => vec![text.clone()],
    };
    if !gateway.tell_on_stream(route, caller, ticket, &answers) {
        return Response::from_parts(parts, body::full(text));
    }
    parts.status = StatusCode::ACCEPTED;
    parts.headers.remove(header::CONTENT_TYPE);
    Response::from_parts(parts, body::empty())
}

/// Reads up to the `endpoint` event and gives what goes to the client in its place, and whatever came behind
/// it.
async fn begin(
    incoming: &mut Incoming,
    route: &Route,
    caller: &Caller,
    sealer: &Sealer,
) -> Result<(Bytes, Bytes, String), UpstreamTrouble> {
    match tokio::time::timeout(FIRST, rewrite(incoming, route, caller, sealer)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(UpstreamTrouble::Slow),
    }
}

async fn rewrite(
    incoming: &mut Incoming,
    route: &Route,
    caller: &Caller,
    sealer: &Sealer,
) -> Result<(Bytes, Bytes, String), UpstreamTrouble> {
    let mut events = Events::new(LARGEST);
    let mut out = Vec::new();
    loop {
        while let Some((event, raw)) = events.next_event().map_err(|_| UpstreamTrouble::Broken)? {
            if event.kind != "endpoint" {
                out.extend_from_slice(&raw);
                continue;
            }
            let Some(path) = resolve(&route.upstream, &event.data) else {
                warn!(server = %route.name(), "the upstream named a message endpoint that is not its own");
                return Err(UpstreamTrouble::Broken);
            };
            let ticket = seal_endpoint(sealer, route, caller, &path);
            // Path-absolute, so that it resolves to the origin that the client used (TP-93).
            out.extend_from_slice(
                encode("endpoint", &format!("/mcp/{}/message/{ticket}", route.name())).as_bytes(),
            );
            return Ok((out.into(), events.into_rest(), path));
        }
        let frame = incoming
            .frame()
            .await
            .ok_or(UpstreamTrouble::Broken)?
            .map_err(|_| UpstreamTrouble::Broken)?;
        if let Ok(data) = frame.into_data() {
            events.push(&data);
        }
        if out.len() > LARGEST {
            return Err(UpstreamTrouble::Broken);
        }
    }
}

/// Path and query of the message endpoint, if it is on the upstream's own origin.
fn resolve(upstream: &Url, endpoint: &str) -> Option<String> {
    let url = upstream.join(endpoint.trim()).ok()?;
    let same = url.scheme() == upstream.scheme()
        && url.host() == upstream.host()
        && url.port_or_known_default() == upstream.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none();
    same.then(|| match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

/// The URI that a ticket's path means on the upstream.
fn message_uri(route: &Route, path: &str) -> Option<http::Uri> {
    let url = route.upstream.join(path).ok()?;
    // The path was resolved against the upstream before it was sealed; the configuration may have changed.
    (url.origin() == route.upstream.origin())
        .then(|| url.as_str().parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tp_92_only_the_upstreams_own_origin() {
        let upstream: Url = "http://up.test:8080/a/sse?k=v".parse().unwrap();
        assert_eq!(
            resolve(&upstream, "/messages?s=1").as_deref(),
            Some("/messages?s=1")
        );
        assert_eq!(resolve(&upstream, "messages").as_deref(), Some("/a/messages"));
        assert_eq!(resolve(&upstream, "http://up.test:8080/m").as_deref(), Some("/m"));
        for evil in [
            "http://evil.test/m",
            "//evil.test/m",
            "https://up.test:8080/m",
            "http://up.test/m",
            "http://u@up.test:8080/m",
        ] {
            assert_eq!(resolve(&upstream, evil), None, "{evil}");
        }
    }
}
