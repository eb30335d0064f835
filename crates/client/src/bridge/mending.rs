//! What to do about a refusal: what makes a message worth sending again, each thing once, and what to say otherwise.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming as Body;
use net::body;
use protocol::mcp::answer;
use serde_json::Value;
use tokio::time::Instant;

use super::exchange::{Shown, Unanswered};
use super::failure::{Failure, words};
use super::gate::Closed;
use super::incoming::{Incoming, error_of};
use super::outgoing::Outgoing;
use super::{MOST_BYTES, Pipe};
use relying::challenge::{Challenge, challenge};
use relying::protected_resource::adds_a_slash;

/// How long the words of a refusal may take to arrive.
const REFUSAL: Duration = Duration::from_secs(10);

/// What makes a refused message worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    More,
    Session,
    Slash,
    Head,
    Transport,
}

/// What was tried already for a message.
#[derive(Debug)]
pub(super) struct Tried {
    /// Until when it waits for sign-ins; for ever if there is no such time.
    until: Option<Instant>,
    tokens: u32,
    mended: Vec<Mend>,
}

impl Tried {
    /// Nothing, of a message that waits so long for sign-ins.
    pub(super) fn nothing(patience: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(patience),
            tokens: 0,
            mended: Vec::new(),
        }
    }

    /// How long a sign-in may take.
    pub(super) fn patience(&self) -> Duration {
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

impl Pipe {
    /// Does what makes a refused message worth sending again, each thing once. Gives whether it is.
    pub(super) async fn mends(
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
        if let (StatusCode::NOT_FOUND, Some(stream)) = (status, &shown.stream)
            && tried.first(Mend::Session)
        {
            // Nobody there knows where it was sent.
            stream.end();
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
                if message.is("initialize")
                    && self.legacy.last().is_none()
                    && tried.first(Mend::Transport) =>
            {
                self.speaks_legacy_sse().await
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
    pub(super) async fn refusal(
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
