//! The way of one message: sent with a token, sent again where that helps, and answered once whatever happens.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode, header};
use hyper::body::Incoming as Body;
use model::SecretString;
use net::body;
use protocol::mcp::answer;
use serde_json::Value;
use url::Url;

use super::Pipe;
use super::failure::Failure;
use super::incoming::Incoming;
use super::legacy_sse::Stream;
use super::mending::Tried;
use super::outgoing::{Outgoing, same};
use super::reading::{Place, Reading, is_events};
use super::session::{Session, Sessions};
use super::wire::{self, Sending};
use relying::challenge::challenge;

/// How long a connection is waited for that could be used again.
const LINGER: Duration = Duration::from_millis(200);

/// What was shown to the server.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) session: Session,
    pub(super) token: Option<SecretString>,
    pub(super) endpoint: Url,
    /// The stream that answers, of a server that speaks the transport of 2024-11-05.
    pub(super) stream: Option<Arc<Stream>>,
}

/// The requests that nobody has answered yet, as JSON text.
#[derive(Debug)]
pub(crate) struct Unanswered(pub(super) Vec<String>);

impl Unanswered {
    pub(crate) fn of(message: &Outgoing) -> Self {
        Self(message.requests.clone())
    }

    pub(super) fn note(&mut self, message: &Incoming) {
        let answers: Vec<_> = message.answers.iter().map(|id| same(id)).collect();
        self.0.retain(|id| !answers.contains(&same(id)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pipe {
    /// Sends a message and passes on what it is answered with, or says why it is not. If somebody has to sign in first, it
    /// waits for so long.
    pub(crate) async fn exchange(&self, message: &Outgoing, patience: Duration) {
        let mut unanswered = Unanswered::of(message);
        let tried = Tried::nothing(patience);
        if let Err(failure) = self.try_exchange(message, tried, &mut unanswered).await {
            if message.requests.is_empty() {
                self.note(&format!(
                    "as far as is known, a message was not delivered: {failure}"
                ));
            }
            self.give_up(&failure, &unanswered.0).await;
        }
    }

    /// Answers requests that nobody else will.
    pub(crate) async fn give_up(&self, failure: &Failure, ids: &[String]) {
        for id in ids {
            self.say(failure.answer(id)).await;
        }
    }

    async fn try_exchange(
        &self,
        message: &Outgoing,
        mut tried: Tried,
        unanswered: &mut Unanswered,
    ) -> Result<(), Failure> {
        loop {
            let stream = self.stream_for(message).await?;
            let endpoint = stream.as_ref().map(|stream| stream.to.clone());
            let shown = Shown {
                session: self.sessions.current(),
                token: self.gate.token().await?,
                endpoint: endpoint.unwrap_or_else(|| self.wire.endpoint()),
                stream,
            };
            let expect = |stream: &Arc<Stream>| stream.expect(&message.requests);
            let answers = shown.stream.as_ref().map(expect);
            let response = self.post(message, &shown).await?;
            if response.status().is_success() {
                let Some(answers) = answers else {
                    return self.read((message, &shown), response, unanswered, &tried).await;
                };
                body::pass_over(response.into_body()).await;
                return self.read_answers(message, answers, unanswered).await;
            }
            if !self.mends(message, &shown, &response, &mut tried).await? {
                let Some(refusal) = self
                    .refusal(message, &shown, response, (&mut tried, unanswered))
                    .await?
                else {
                    continue;
                };
                self.say(refusal).await;
                return Ok(());
            }
        }
    }

    pub(super) async fn post(&self, message: &Outgoing, shown: &Shown) -> Result<Response<Body>, Failure> {
        let token = shown.token.as_ref();
        let headers = if message.is_stateless() {
            let mut headers = wire::of_message(message, token);
            headers.extend(self.mirrored.headers(message));
            headers
        } else if message.is("initialize") {
            wire::of_session(&Session::default(), token)
        } else {
            wire::of_session(&shown.session, token)
        };
        let (to, text) = (&shown.endpoint, &message.text);
        self.wire.post(to, &headers, text, Sending::of(message)).await
    }

    /// Passes on what a message is answered with.
    async fn read(
        &self,
        (message, shown): (&Outgoing, &Shown),
        response: Response<Body>,
        unanswered: &mut Unanswered,
        tried: &Tried,
    ) -> Result<(), Failure> {
        if unanswered.is_empty() {
            body::pass_over(response.into_body()).await;
            return Ok(());
        }
        let id = response.headers().get(wire::SESSION).cloned();
        let mut reading = Reading::new(response, message.is("subscriptions/listen"));
        let mut place = Place::default();
        loop {
            match reading.next().await {
                Ok(Some(piece)) => {
                    place.note(&piece);
                    if piece.text.is_empty() {
                        continue;
                    }
                    let Some(mut found) = Incoming::read(&piece.text) else {
                        if !reading.is_events() {
                            return Err(Failure::Nothing);
                        }
                        self.note("the server sent an event that is no message");
                        continue;
                    };
                    self.learn(message, &mut found, id.as_ref());
                    unanswered.note(&found);
                    self.say(found.text).await;
                    if unanswered.is_empty() {
                        self.linger(reading).await;
                        return Ok(());
                    }
                    continue;
                }
                Ok(None) if !reading.is_events() => return Err(Failure::Nothing),
                Ok(None) | Err(Failure::Ended) => {}
                Err(failure) => return Err(failure),
            }
            if message.is_stateless() || place.id.is_none() {
                return Err(Failure::Ended);
            }
            reading = self.resume(&shown.session, &mut place, tried).await?;
        }
    }

    /// What an answer means for what comes after it.
    pub(super) fn learn(&self, message: &Outgoing, found: &mut Incoming, id: Option<&header::HeaderValue>) {
        let is_answer = message.requests.len() == 1 && !found.answers.is_empty();
        if !is_answer {
            return;
        }
        if message.is_stateless() {
            if message.is("tools/list") {
                self.mirrored.learn(&found.text);
                if let Some((text, names)) = self.mirrored.without_unusable(&found.text) {
                    let names = names.get(..10).unwrap_or(&names);
                    self.note(&format!(
                        "left out, because their x-mcp-header cannot be followed: {names:?}"
                    ));
                    found.text = text;
                }
            }
            return;
        }
        // Nothing else is worth reading: answers may be long.
        if !message.is("initialize") && !Sessions::keeps(message) {
            return;
        }
        let result: Value = serde_json::from_str(&found.text).unwrap_or_default();
        if result["result"].is_null() {
            return;
        }
        if message.is("initialize") {
            let version = result["result"]["protocolVersion"].as_str().map(str::to_owned);
            self.sessions.begun(message, id.cloned(), version);
        }
        self.sessions.granted(message);
    }

    /// Takes a stream up again that ended before its answer (TP-30, TP-35).
    async fn resume(&self, session: &Session, place: &mut Place, tried: &Tried) -> Result<Reading, Failure> {
        let mut tokens = 0;
        loop {
            let pause = place.pause().ok_or(Failure::Ended)?;
            tokio::time::sleep(pause).await;
            let token = self.gate.token().await?;
            let headers = wire::of_session(session, token.as_ref());
            let Ok(response) = self.wire.get(&headers, place.id.as_deref()).await else {
                continue;
            };
            match response.status() {
                StatusCode::UNAUTHORIZED if tokens < 2 => {
                    let (demand, patience) = (challenge(response.headers()), tried.patience());
                    self.gate
                        .another(token.as_ref(), tokens > 0, &demand, patience)
                        .await?;
                    tokens += 1;
                }
                StatusCode::NOT_FOUND => return Err(Failure::SessionEnded),
                status if status.is_success() && is_events(&response) => {
                    return Ok(Reading::new(response, false));
                }
                status if status.is_server_error() => {}
                _ => return Err(Failure::Ended),
            }
        }
    }

    /// Reads on to the end of an answer, so that its connection can be used again.
    async fn linger(&self, mut reading: Reading) {
        let rest = async {
            while let Ok(Some(piece)) = reading.next().await {
                if let Some(found) = Incoming::read(&piece.text) {
                    self.say(found.text).await;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
    }
}

/// The answer to a line that is no message.
pub(crate) fn unreadable(error: &protocol::mcp::message::MessageError) -> String {
    use protocol::mcp::message::MessageError;
    match error {
        MessageError::Syntax(_) => answer::error(None, answer::PARSE_ERROR, &error.to_string()),
        MessageError::Envelope { id, .. } => {
            answer::error(id.as_deref(), answer::INVALID_REQUEST, &error.to_string())
        }
    }
}
