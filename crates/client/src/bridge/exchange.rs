//! The way of one message: sent with a token, sent again where that helps, and answered once whatever happens.

use http::{Response, StatusCode, header};
use hyper::body::Incoming as Body;
use model::SecretString;
use net::body;
use protocol::mcp::answer;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

use super::failure::{Failure, words};
use super::gate::Closed;
use super::incoming::{Incoming, error_of};
use super::outgoing::{Outgoing, same};
use super::reading::{Place, Reading, is_events};
use super::session::{Session, Sessions};
use super::wire::{self, Sending};
use super::{MOST_BYTES, Pipe};
use crate::challenge::{Challenge, challenge};
use crate::discovery::adds_a_slash;

/// How long the words of a refusal may take to arrive.
const REFUSAL: Duration = Duration::from_secs(10);
/// How long a connection is waited for that could be used again.
const LINGER: Duration = Duration::from_millis(200);

/// What was shown to the server.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) session: Session,
    pub(super) token: Option<SecretString>,
    pub(super) endpoint: Url,
}

/// What makes a refused message worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mend {
    More,
    Session,
    Slash,
    Head,
    Transport,
}

/// What was tried already for a message.
#[derive(Debug)]
struct Tried {
    /// Until when it waits for sign-ins; for ever if there is no such time.
    until: Option<Instant>,
    tokens: u32,
    mended: Vec<Mend>,
}

impl Tried {
    /// How long a sign-in may take.
    fn patience(&self) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map_or(Duration::MAX, left)
    }

    /// Whether this is the first time.
    fn first(&mut self, mend: Mend) -> bool {
        let is_first = !self.mended.contains(&mend);
        self.mended.push(mend);
        is_first
    }
}

/// The requests that nobody has answered yet, as JSON text.
#[derive(Debug)]
pub(crate) struct Unanswered(Vec<String>);

impl Unanswered {
    pub(crate) fn of(message: &Outgoing) -> Self {
        Self(message.requests.clone())
    }

    pub(super) fn note(&mut self, message: &Incoming) {
        let answers: Vec<_> = message.answers.iter().map(|id| same(id)).collect();
        self.0.retain(|id| !answers.contains(&same(id)));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pipe {
    /// Sends a message and passes on what it is answered with, or says why it is not. If somebody has to sign in first, it
    /// waits for so long.
    pub(crate) async fn exchange(&self, message: &Outgoing, patience: Duration) {
        let mut unanswered = Unanswered::of(message);
        let tried = Tried {
            until: Instant::now().checked_add(patience),
            tokens: 0,
            mended: Vec::new(),
        };
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
            };
            let answers = stream.as_ref().map(|stream| stream.expect(&message.requests));
            let response = self.post(message, &shown).await?;
            if response.status().is_success() {
                let Some(answers) = answers else {
                    return self.read((message, &shown), response, unanswered, &tried).await;
                };
                body::pass_over(response.into_body()).await;
                return self.read_answers(message, answers, unanswered).await;
            }
            if let Some(stream) = &stream
                && response.status() == StatusCode::NOT_FOUND
                && tried.first(Mend::Session)
            {
                // Nobody there knows where it was sent.
                stream.end();
                continue;
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

    /// Does what makes a refused message worth sending again, each thing once. Gives whether it is.
    async fn mends(
        &self,
        message: &Outgoing,
        shown: &Shown,
        response: &Response<Body>,
        tried: &mut Tried,
    ) -> Result<bool, Failure> {
        let (status, demand) = (response.status(), challenge(response.headers()));
        if let Some(token) = shown
            .token
            .as_ref()
            .filter(|_| wants_more(status, &demand) && tried.first(Mend::More))
        {
            self.gate.more(token, &demand, tried.patience()).await?;
            return Ok(true);
        }
        match status {
            StatusCode::UNAUTHORIZED if tried.tokens < 2 => {
                let (token, again) = (shown.token.as_ref(), tried.tokens > 0);
                self.gate.another(token, again, &demand, tried.patience()).await?;
                tried.tokens += 1;
                Ok(true)
            }
            StatusCode::UNAUTHORIZED => Err(Closed::Refused(self.server.clone()).into()),
            StatusCode::NOT_FOUND if is_of_session(message, shown) && tried.first(Mend::Session) => {
                self.begin_again(shown.session.number).await?;
                Ok(true)
            }
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
                if message.is("initialize") && self.old.last().is_none() && tried.first(Mend::Transport) =>
            {
                self.speaks_old_transport().await
            }
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                if adds_a_slash(&shown.endpoint, response.headers()) && tried.first(Mend::Slash) =>
            {
                let mut endpoint = shown.endpoint.clone();
                endpoint.set_path(&format!("{}/", endpoint.path()));
                self.wire.moved_to(endpoint);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What a refusal says, as the answer to the request; none if it is worth sending again after all.
    async fn refusal(
        &self,
        message: &Outgoing,
        shown: &Shown,
        response: Response<Body>,
        (tried, unanswered): (&mut Tried, &mut Unanswered),
    ) -> Result<Option<String>, Failure> {
        let status = response.status();
        let body = body::read(response.into_body(), MOST_BYTES, REFUSAL)
            .await
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        // Some say 400 where 404 is meant (TP-40).
        let is_gone = status == StatusCode::BAD_REQUEST
            && is_of_session(message, shown)
            && text.to_ascii_lowercase().contains("session");
        if is_gone && tried.first(Mend::Session) {
            self.begin_again(shown.session.number).await?;
            return Ok(None);
        }
        let is_mismatch =
            message.is_stateless() && message.is("tools/call") && code_of(&text) == answer::HEADER_MISMATCH;
        if is_mismatch && tried.first(Mend::Head) {
            self.learn_tools(message, shown).await?;
            return Ok(None);
        }
        if let Some(message) = Incoming::read(&text).filter(|message| !message.answers.is_empty()) {
            unanswered.note(&message);
            if unanswered.is_empty() {
                return Ok(Some(message.text));
            }
            // Some of a batch have their answers all the same.
            self.say(message.text).await;
        }
        // An error that names no request is about the one that was sent.
        if let ([id], Some(error)) = (&unanswered.0[..], error_of(&text)) {
            return Ok(Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)));
        }
        Err(Failure::Status {
            server: self.server.clone(),
            status,
            text: words(&body),
        })
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

/// Whether the server says that the person can have what is missing (MA-30, RFC 9470 section 3).
pub(super) fn wants_more(status: StatusCode, demand: &Challenge) -> bool {
    match demand.error.as_deref() {
        Some("insufficient_user_authentication") => true,
        Some("insufficient_scope") => status == StatusCode::FORBIDDEN,
        _ => false,
    }
}

/// The code of an error; 0 if there is none.
fn code_of(text: &str) -> i64 {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    answer["error"]["code"].as_i64().unwrap_or_default()
}

/// Whether a message was sent within a session.
fn is_of_session(message: &Outgoing, shown: &Shown) -> bool {
    shown.session.id.is_some() && !message.is_stateless() && !message.is("initialize")
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
