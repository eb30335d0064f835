//! A pipe on one side, a protected MCP server on the other: for programs that speak over standard input and output alone,
//! without a token in their configuration (CC-104).
//!
//! Messages are passed on as they are, of every era; only their heads are read. The bridge adds what HTTP wants: the
//! token, the session, the headers that repeat what the message says. Signing in happens beside the pipe. Each request
//! is answered once, by the server or with the reason why it is not; nothing else is ever said on the pipe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::World;
use net::{Egress, Tasks};
use protocol::mcp::answer;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::login::{Login, Screen, Surroundings};
use failure::Failure;
use gate::Gate;
use legacy_sse::LegacySse;
use mirrored::Mirrored;
use outgoing::{Outgoing, same};
use session::Sessions;
use wire::Wire;

mod beginning;
mod exchange;
mod failure;
mod gate;
mod incoming;
mod legacy_sse;
mod lines;
mod listening;
mod mending;
mod mirrored;
mod outgoing;
mod reading;
mod session;
#[cfg(test)]
mod tests;
mod wire;

pub use failure::SIGN_IN;
pub use lines::{Line, Lines};

/// A message is no longer than this, in either direction.
pub const MOST_BYTES: usize = 32 << 20;
/// So many requests are under way at once.
const MOST_REQUESTS: usize = 512;
/// So many messages that are no requests wait to be sent, and so many of the server's to be read.
const QUEUE: usize = 64;
/// A request waits no longer for what was said before it, and a line no longer for a place in a queue that does not move:
/// longer than a message may take that is never acknowledged.
const IN_TURN: Duration = Duration::from_secs(15);
/// How long the server may take to end a session.
const ENDING: Duration = Duration::from_secs(1);

/// How a bridge behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How a sign-in is done, if one is needed.
    pub login: Login,
    /// How long a request waits for it.
    pub waiting: Duration,
    /// For how long a server that cannot be reached is tried again.
    pub connecting: Duration,
    /// How connections are made anew after the machine slept.
    pub egress: Egress,
}

/// A bridge to one server.
#[derive(Debug)]
pub struct Bridge {
    pipe: Arc<Pipe>,
    /// Messages that are no requests, which are sent in their order.
    notes: mpsc::Sender<Outgoing>,
    /// How many of them there were.
    noted: u64,
    sent: watch::Receiver<u64>,
    /// How many had been sent when the queue was found not to move.
    stuck_at: Option<u64>,
}

/// What the tasks of a bridge share.
pub(crate) struct Pipe {
    server: Url,
    world: World,
    wire: Wire,
    gate: Gate,
    sessions: Sessions,
    mirrored: Mirrored,
    legacy: LegacySse,
    out: mpsc::Sender<String>,
    notes: Notes,
    tasks: Tasks,
    running: Mutex<HashMap<String, Running>>,
    /// The last session whose stream is open, or will not be.
    listened: watch::Sender<u64>,
    /// How many requests are under way.
    count: watch::Sender<usize>,
}

/// Tells the person something.
pub(crate) type Notes = Arc<dyn Fn(&str) + Send + Sync>;

/// A request that is under way.
#[derive(Clone, Debug)]
struct Running {
    end: CancellationToken,
    is_stateless: bool,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipe({})", self.server)
    }
}

impl Bridge {
    /// Opens one; nothing is sent yet. What the server says comes out of the receiver, a line each.
    pub fn open(
        server: Url,
        around: Surroundings,
        settings: Settings,
        screen: Arc<impl Screen + 'static>,
    ) -> (Self, mpsc::Receiver<String>) {
        let (out, lines) = mpsc::channel(QUEUE);
        let (notes, waiting) = mpsc::channel(QUEUE);
        let (opened, streams) = mpsc::channel(1);
        let (sender, sent) = watch::channel(0);
        let tasks = Tasks::new();
        let says = Arc::clone(&screen);
        let told: Notes = Arc::new(move |text| says.note(text));
        let Settings {
            login,
            waiting: patience,
            connecting,
            egress,
        } = settings;
        let pipe = Arc::new(Pipe {
            server: server.clone(),
            world: around.world.clone(),
            wire: Wire::new(
                server.clone(),
                around.clone(),
                (egress, connecting),
                Arc::clone(&told),
            ),
            gate: Gate::new(server, around, (patience, login), tasks.clone(), screen),
            sessions: Sessions::new(),
            mirrored: Mirrored::default(),
            legacy: LegacySse::new(opened),
            out,
            notes: told,
            tasks,
            running: Mutex::default(),
            listened: watch::Sender::new(0),
            count: watch::Sender::new(0),
        });
        pipe.start(
            "notes",
            |pipe| async move { pipe.send_notes(waiting, sender).await },
        );
        pipe.start("listen", |pipe| async move { pipe.listen().await });
        pipe.start("legacy SSE", |pipe| async move {
            pipe.read_streams(streams).await;
        });
        let this = Self {
            pipe,
            notes,
            noted: 0,
            sent,
            stuck_at: None,
        };
        (this, lines)
    }

    /// Passes on a line of the client's. Waits only for messages before it that are no requests, if there are many, and not
    /// for ever. May be given up when the bridge is to end.
    pub async fn take(&mut self, line: Line) {
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong { id } => {
                let text = format!("a message is longer than {MOST_BYTES} bytes");
                let refusal = answer::error(id.as_deref(), answer::INVALID_REQUEST, &text);
                return self.pipe.say(refusal).await;
            }
        };
        match Outgoing::read(text) {
            Err(error) => self.pipe.say(exchange::unreadable(&error)).await,
            Ok(message) if message.requests.is_empty() => self.note(message).await,
            Ok(message) => self.request(message).await,
        }
    }

    async fn note(&mut self, message: Outgoing) {
        if let Some(running) = message.cancels.as_ref().and_then(|id| self.pipe.running(id)) {
            // At once: what waits in the queue before it is no reason to go on.
            running.end.cancel();
            // To hang up is to cancel in that era, and there is no such message (TP-49, TP-59).
            if running.is_stateless {
                return;
            }
        }
        self.queue(message).await;
    }

    /// Puts a message behind those that wait. A queue that is full is waited for while it moves; of one that does not, the
    /// rest is lost, because requests come on the same pipe and have to be answered.
    async fn queue(&mut self, message: Outgoing) {
        let sent = *self.sent.borrow();
        let is_stuck = self.stuck_at == Some(sent);
        let patience = if is_stuck { Duration::ZERO } else { IN_TURN };
        match tokio::time::timeout(patience, self.notes.reserve()).await {
            Ok(Ok(place)) => {
                place.send(message);
                self.noted += 1;
            }
            // It is over.
            Ok(Err(_)) => {}
            Err(_) => {
                self.stuck_at = Some(sent);
                if !is_stuck {
                    let text = format!(
                        "{QUEUE} messages wait for the server; more are not passed on until one goes"
                    );
                    self.pipe.note(&text);
                }
            }
        }
    }

    async fn request(&mut self, message: Outgoing) {
        let end = CancellationToken::new();
        if !self.pipe.enter(&message, &end) {
            let failure = Failure::TooMany(MOST_REQUESTS);
            return self.pipe.give_up(&failure, &message.requests).await;
        }
        let (before, mut sent) = (self.noted, self.sent.clone());
        self.pipe.start("request", move |pipe| async move {
            let work = async {
                // Whoever says something and then asks means it in that order.
                let (since, in_turn) = (pipe.world.elapsed(), sent.wait_for(|sent| *sent >= before));
                let _ = tokio::time::timeout(IN_TURN, in_turn).await;
                pipe.listening().await;
                let waited = pipe.world.elapsed().saturating_sub(since);
                let patience = pipe.gate.waiting.saturating_sub(waited);
                pipe.exchange(&message, patience).await;
            };
            tokio::select! {
                () = work => {}
                () = end.cancelled() => {}
            }
            pipe.leave(&message);
        });
    }

    /// Ends it: requests that are under way have so long to be answered, and what else was said to be sent; the server is
    /// told that the session is over.
    pub async fn close(self, patience: Duration) {
        let Self {
            pipe,
            noted,
            mut sent,
            ..
        } = self;
        let mut count = pipe.count.subscribe();
        let all = async {
            let _ = count.wait_for(|count| *count == 0).await;
            let _ = sent.wait_for(|sent| *sent >= noted).await;
        };
        let _ = tokio::time::timeout(patience, all).await;
        for running in pipe.lock().values() {
            running.end.cancel();
        }
        let session = pipe.sessions.current();
        if session.id.is_some() {
            let ending = async {
                if let Ok(token) = pipe.gate.token().await {
                    let headers = wire::of_session(&session, token.as_ref());
                    pipe.wire.delete(&headers).await;
                }
            };
            let _ = tokio::time::timeout(ENDING, ending).await;
        }
        pipe.tasks.shut_down(Duration::ZERO).await;
    }
}

impl Pipe {
    /// Runs work until the bridge ends.
    fn start<F>(self: &Arc<Self>, name: &'static str, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (work, over) = (work(Arc::clone(self)), self.tasks.shutting_down());
        self.tasks.spawn_bare(name, async move {
            tokio::select! {
                () = work => {}
                () = over => {}
            }
        });
    }

    async fn send_notes(&self, mut notes: mpsc::Receiver<Outgoing>, sent: watch::Sender<u64>) {
        while let Some(message) = notes.recv().await {
            // Nobody waits for it, and nobody says again that a session is ready: for as long as a sign-in goes on.
            self.exchange(&message, Duration::MAX).await;
            if message.is("notifications/initialized") {
                self.sessions.is_ready(message.text.clone());
            }
            sent.send_modify(|count| *count += 1);
        }
    }

    /// Says something to the client; waits while it does not read.
    async fn say(&self, message: String) {
        let _ = self.out.send(message).await;
    }

    /// Says something to the person.
    fn note(&self, text: &str) {
        (self.notes)(text);
    }

    fn running(&self, id: &str) -> Option<Running> {
        self.lock().get(&same(id)).cloned()
    }

    /// Notes that a message is under way; not if too many are. One of a batch cannot be cancelled without the others.
    fn enter(&self, message: &Outgoing, end: &CancellationToken) -> bool {
        let mut running = self.lock();
        if running.len() >= MOST_REQUESTS {
            return false;
        }
        let is_stateless = message.is_stateless();
        let end = if message.requests.len() == 1 {
            end.clone()
        } else {
            CancellationToken::new()
        };
        for id in &message.requests {
            running.insert(
                same(id),
                Running {
                    end: end.clone(),
                    is_stateless,
                },
            );
        }
        self.count.send_replace(running.len());
        true
    }

    fn leave(&self, message: &Outgoing) {
        let mut running = self.lock();
        for id in &message.requests {
            running.remove(&same(id));
        }
        self.count.send_replace(running.len());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
