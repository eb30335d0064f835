//! The way to the server: requests of both eras, connections that are made again, and a machine that slept meanwhile.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming as Body;
use model::{ExposeSecret as _, SecretString, Timestamp};
use net::operators::CallError;
use net::{Egress, Operators, body};
use protocol::mcp::{Revision, mirror};
use tokio::time::Instant;
use url::Url;

use super::Notes;
use super::failure::Failure;
use super::outgoing::Outgoing;
use super::session::Session;
use crate::login::Surroundings;

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Connections that nobody used for longer may be dead without anybody knowing: the machine slept, and its own clock
/// for idle connections with it.
const STALE: Duration = Duration::from_secs(45);
/// How long to wait before connecting again, for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long a server may take to say that it has a message that wants no answer: longer than to connect, which is tried
/// again.
const ACKNOWLEDGING: Duration = Duration::from_secs(12);

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    /// It may be sent again if the connection broke before anything was answered.
    pub(crate) repeatable: bool,
    /// How long the head of the answer is waited for, all attempts to connect included.
    pub(crate) patience: Duration,
}

impl Sending {
    /// Of what only says again what was said before.
    pub(crate) const AGAIN: Self = Self {
        repeatable: true,
        patience: Duration::MAX,
    };

    /// As a message wants to be sent. Nobody waits for the answer to one that is no request, and others wait behind it.
    pub(crate) fn of(message: &Outgoing) -> Self {
        Self {
            repeatable: message.is_repeatable(),
            patience: if message.requests.is_empty() {
                ACKNOWLEDGING
            } else {
                Duration::MAX
            },
        }
    }
}

/// The way to one server.
pub(crate) struct Wire {
    around: Surroundings,
    egress: Egress,
    /// For how long a server that cannot be reached is tried again, from the first attempt on.
    connecting: Duration,
    notes: Notes,
    state: Mutex<State>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.endpoint())
    }
}

#[derive(Debug)]
struct State {
    endpoint: Url,
    http: Operators,
    used_at: Timestamp,
}

impl Wire {
    pub(crate) fn new(
        endpoint: Url,
        around: Surroundings,
        (egress, connecting): (Egress, Duration),
        notes: Notes,
    ) -> Self {
        let state = State {
            endpoint,
            http: around.http.clone(),
            used_at: around.world.now(),
        };
        Self {
            around,
            egress,
            connecting,
            notes,
            state: Mutex::new(state),
        }
    }

    /// Where messages go.
    pub(crate) fn endpoint(&self) -> Url {
        self.lock().endpoint.clone()
    }

    /// The server is behind another spelling of the same address.
    pub(crate) fn moved_to(&self, endpoint: Url) {
        self.lock().endpoint = endpoint;
    }

    /// Sends a message. Who cannot be reached has not heard it, so connecting is tried again.
    pub(crate) async fn post(
        &self,
        to: &Url,
        headers: &HeaderMap,
        text: &Bytes,
        sending: Sending,
    ) -> Result<Response<Body>, Failure> {
        let mut headers = headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        self.send((Method::POST, to), &headers, text, sending).await
    }

    /// Opens a stream of events, or takes one up behind an event.
    pub(crate) async fn get(
        &self,
        headers: &HeaderMap,
        behind: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let mut headers = headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = behind.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT, id);
        }
        let to = (Method::GET, &self.endpoint());
        self.send(to, &headers, &Bytes::new(), Sending::AGAIN).await
    }

    /// Ends a session.
    pub(crate) async fn delete(&self, headers: &HeaderMap) {
        let request = request((Method::DELETE, &self.endpoint()), headers, &Bytes::new());
        let _ = self.http().call(request).await;
    }

    async fn send(
        &self,
        to: (Method, &Url),
        headers: &HeaderMap,
        text: &Bytes,
        sending: Sending,
    ) -> Result<Response<Body>, Failure> {
        let (mut pause, mut is_told, mut is_again) = (FIRST_PAUSE, false, false);
        // With the attempts themselves: one that nobody refuses takes its time too.
        let begun = Instant::now();
        loop {
            let request = request((to.0.clone(), to.1), headers, text);
            let http = self.http();
            let left = sending.patience.saturating_sub(begun.elapsed());
            let answered = tokio::time::timeout(left, http.call(request)).await;
            match answered.map_err(|_| Failure::Unacknowledged(sending.patience))? {
                Err(CallError::Broken(_)) if sending.repeatable && !is_again => is_again = true,
                Err(CallError::Connect(why)) if begun.elapsed() < self.connecting => {
                    if !is_told {
                        is_told = true;
                        (self.notes)(&format!("{} cannot be reached, and is tried again: {why}", to.1));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(why) => {
                    let server = to.1.clone();
                    return Err(Failure::Unreachable { server, why });
                }
                Ok(response) => return Ok(response),
            }
        }
    }

    /// Connections that can be alive.
    fn http(&self) -> Operators {
        let now = self.around.world.now();
        let mut state = self.lock();
        if now.since(state.used_at) > STALE
            && let Ok(fresh) = Operators::new(&self.egress)
        {
            state.http = fresh;
        }
        state.used_at = now;
        state.http.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request((method, url): (Method, &Url), headers: &HeaderMap, text: &Bytes) -> Request<net::Body> {
    let mut request = Request::new(body::full(text.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    request.headers_mut().clone_from(headers);
    request
}

/// What each request of a session says: who asks, and of which session it is.
pub(crate) fn of_session(session: &Session, token: Option<&SecretString>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let agent = concat!("vestibule/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    let bearer =
        token.and_then(|token| HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok());
    if let Some(mut bearer) = bearer {
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    if let Some(id) = &session.id {
        headers.insert(SESSION, id.clone());
    }
    // Of revisions before 2025-06-18 there is no such header (TP-45).
    let version = session.version.as_deref();
    let version = version.filter(|version| *version >= Revision::V2025_06_18.as_str());
    if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
        headers.insert(VERSION, version);
    }
    headers
}

/// What a message of the stateless era says of itself in its head (TP-52, TP-62); a session is not named there.
pub(crate) fn of_message(message: &Outgoing, token: Option<&SecretString>) -> HeaderMap {
    let mut headers = of_session(&Session::default(), token);
    let mut say = |name: HeaderName, text: Option<&str>| {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&mirror::encode(text)).ok()) {
            headers.insert(name, value);
        }
    };
    say(VERSION, message.revision.as_deref());
    say(METHOD, message.method.as_deref());
    let names_it = !message.is("resources/subscribe") && !message.is("resources/unsubscribe");
    say(NAME, message.target.as_deref().filter(|_| names_it));
    headers
}
