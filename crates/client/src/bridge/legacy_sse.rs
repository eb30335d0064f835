//! The transport of 2024-11-05: the server says everything on one stream of events, which names first where messages go.
//!
//! A server that does not take `initialize` by POST is asked for such a stream, as later revisions have it of clients that
//! know both. A stream that ended is opened again with the next message, and what the client said to begin is said again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use net::body;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Pipe;
use super::exchange::{Shown, Unanswered};
use super::failure::Failure;
use super::incoming::Incoming;
use super::outgoing::{Outgoing, same};
use super::reading::{Reading, is_events};
use super::session::Session;
use super::wire;
use relying::challenge::challenge;

/// How long a stream may take to say where messages go.
const NAMING: Duration = Duration::from_secs(5);
/// How long a server may take to begin anew: every message waits for it.
const BEGINNING: Duration = Duration::from_secs(30);

/// A stream and who waits for what it says.
#[derive(Debug)]
pub(super) struct Stream {
    /// Where messages go.
    pub(super) to: Url,
    waiting: Mutex<HashMap<String, oneshot::Sender<Incoming>>>,
    over: CancellationToken,
}

/// A stream that is to be read.
pub(super) type Opened = (Arc<Stream>, Reading);

/// Whether the server speaks it: then the last stream, and who reads streams.
#[derive(Debug)]
pub(super) struct LegacySse {
    last: Mutex<Option<Arc<Stream>>>,
    opened: mpsc::Sender<Opened>,
}

impl LegacySse {
    /// Not as far as is known.
    pub(super) fn new(opened: mpsc::Sender<Opened>) -> Self {
        Self {
            last: Mutex::default(),
            opened,
        }
    }

    /// The last stream; none if the server speaks a later transport.
    pub(super) fn last(&self) -> Option<Arc<Stream>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn takes(&self, stream: &Arc<Stream>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(stream));
    }
}

/// Answers that are waited for; not any more when it is dropped.
#[derive(Debug)]
pub(super) struct Answers {
    stream: Arc<Stream>,
    expected: Vec<(String, oneshot::Receiver<Incoming>)>,
}

impl Stream {
    /// To be called before they can come.
    pub(super) fn expect(self: &Arc<Self>, requests: &[String]) -> Answers {
        let mut waiting = self.lock();
        let expected = requests.iter().map(|id| {
            let (sender, receiver) = oneshot::channel();
            waiting.insert(same(id), sender);
            (same(id), receiver)
        });
        Answers {
            expected: expected.collect(),
            stream: Arc::clone(self),
        }
    }

    /// Nothing more is sent for it.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Who waits for this message.
    fn awaits(&self, found: &Incoming) -> Option<oneshot::Sender<Incoming>> {
        let mut waiting = self.lock();
        found.answers.iter().find_map(|id| waiting.remove(&same(id)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Incoming>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// The next one; none when there are no more.
    async fn next(&mut self) -> Result<Option<Incoming>, Failure> {
        let Some((_, receiver)) = self.expected.last_mut() else {
            return Ok(None);
        };
        let found = tokio::select! {
            // What has arrived counts, even if nothing more will.
            biased;
            found = receiver => found.ok(),
            () = self.stream.over.cancelled() => None,
        };
        self.expected.pop();
        found.map(Some).ok_or(Failure::Ended)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let mut waiting = self.stream.lock();
        for (id, _) in &self.expected {
            waiting.remove(id);
        }
    }
}

impl Pipe {
    /// The stream on which this message will be answered; none if the server speaks a later transport.
    pub(super) async fn stream_for(&self, message: &Outgoing) -> Result<Option<Arc<Stream>>, Failure> {
        let is_open = |stream: &Arc<Stream>| !stream.over.is_cancelled();
        match self.legacy.last() {
            None => return Ok(None),
            Some(stream) if is_open(&stream) => return Ok(Some(stream)),
            Some(_) => {}
        }
        let _turn = self.sessions.renewing.lock().await;
        if let Some(stream) = self.legacy.last().filter(is_open) {
            return Ok(Some(stream));
        }
        let stream = self.open_stream().await?.ok_or(Failure::SessionEnded)?;
        if !message.is("initialize") {
            let begun = tokio::time::timeout(BEGINNING, self.begin_on(&stream)).await;
            begun.unwrap_or(Err(Failure::SessionEnded))?;
            self.note("the stream of the server had ended; a new one was begun");
        }
        self.legacy.takes(&stream);
        Ok(Some(stream))
    }

    /// Whether the server speaks it after all.
    pub(super) async fn speaks_legacy_sse(&self) -> Result<bool, Failure> {
        let stream = self.open_stream().await?;
        if let Some(stream) = &stream {
            self.legacy.takes(stream);
        }
        Ok(stream.is_some())
    }

    /// Opens a stream, which is read from then on; none if the server has none of this kind.
    async fn open_stream(&self) -> Result<Option<Arc<Stream>>, Failure> {
        let mut tokens = 0;
        let response = loop {
            let token = self.gate.token().await?;
            let headers = wire::of_session(&Session::default(), token.as_ref());
            let response = self.wire.get(&headers, None).await?;
            if response.status() != StatusCode::UNAUTHORIZED || tokens == 2 {
                break response;
            }
            let (demand, patience) = (challenge(response.headers()), self.gate.waiting);
            let another = self.gate.another(token.as_ref(), tokens > 0, &demand, patience);
            another.await?;
            tokens += 1;
        };
        if !response.status().is_success() || !is_events(&response) {
            return Ok(None);
        }
        let mut reading = Reading::new(response, false);
        let named = async {
            loop {
                match reading.next().await {
                    Ok(Some(piece)) if piece.endpoint.is_some() => break piece.endpoint,
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break None,
                }
            }
        };
        let named = tokio::time::timeout(NAMING, named).await.ok().flatten();
        let base = self.wire.endpoint();
        // The token goes there, so it is nobody else's.
        let to = named.and_then(|named| base.join(&named).ok());
        let Some(to) = to.filter(|to| to.origin() == base.origin()) else {
            return Ok(None);
        };
        let stream = Arc::new(Stream {
            to,
            waiting: Mutex::default(),
            over: CancellationToken::new(),
        });
        let is_read = self.legacy.opened.send((Arc::clone(&stream), reading)).await;
        Ok(is_read.is_ok().then_some(stream))
    }

    /// Says again what the client said to begin, and what it wants to be told.
    async fn begin_on(&self, stream: &Arc<Stream>) -> Result<(), Failure> {
        let (initialize, initialized, wishes) = self.sessions.to_begin().ok_or(Failure::SessionEnded)?;
        let said = initialized.and_then(|text| Outgoing::read(text.to_vec()).ok());
        for message in std::iter::once(&*initialize).chain(&said).chain(&wishes) {
            let shown = Shown {
                session: Session::default(),
                token: self.gate.token().await?,
                endpoint: stream.to.clone(),
                stream: Some(Arc::clone(stream)),
            };
            let mut answers = stream.expect(&message.requests);
            let response = self.post(message, &shown).await?;
            if !response.status().is_success() {
                return Err(Failure::SessionEnded);
            }
            body::pass_over(response.into_body()).await;
            // The client has had its answers to these long ago.
            while answers.next().await?.is_some() {}
        }
        Ok(())
    }

    /// Passes on what a message is answered with.
    pub(super) async fn read_answers(
        &self,
        message: &Outgoing,
        mut answers: Answers,
        unanswered: &mut Unanswered,
    ) -> Result<(), Failure> {
        while let Some(mut found) = answers.next().await? {
            self.learn(message, &mut found, None);
            unanswered.note(&found);
            self.say(found.text).await;
        }
        Ok(())
    }

    /// Reads streams, one after the other.
    pub(super) async fn read_streams(&self, mut opened: mpsc::Receiver<Opened>) {
        while let Some((stream, mut reading)) = opened.recv().await {
            let passing = async {
                while let Ok(Some(piece)) = reading.next().await {
                    let Some(found) = Incoming::read(&piece.text) else {
                        continue;
                    };
                    match stream.awaits(&found) {
                        Some(waiting) => drop(waiting.send(found)),
                        None => self.say(found.text).await,
                    }
                }
            };
            tokio::select! {
                () = passing => {}
                () = self.slept() => {}
                () = stream.over.cancelled() => {}
            }
            stream.end();
        }
    }
}
