//! What the server says by itself, on a stream that is held open for it (TP-32 to TP-35).
//!
//! Nobody is asked to sign in for it: a machine that wakes in the morning would open a tab although nobody called.

use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;

use super::Pipe;
use super::incoming::Incoming;
use super::mending::wants_more;
use super::reading::{Place, Reading, is_events};
use super::session::Session;
use super::wire;
use relying::challenge::challenge;

/// How often it is looked whether the machine slept.
const LOOK: Duration = Duration::from_secs(5);
/// So much more of the wall clock than of the other one passes only in sleep.
const SLEPT: Duration = Duration::from_secs(20);

/// How long a request waits for the stream: some servers say nothing of it before there is something to say.
const OPENING: Duration = Duration::from_millis(500);

/// Why listening to a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The server has no such stream.
    NotOffered,
    /// The server has forgotten the session.
    SessionEnded,
}

/// Waits for a session that is like this; none if there will be none.
async fn until(sessions: &mut watch::Receiver<Session>, like: impl Fn(&Session) -> bool) -> Option<Session> {
    let session = sessions.wait_for(|session| like(session)).await;
    session.ok().map(|session| session.clone())
}

impl Pipe {
    /// Listens to each session, one after the other, for as long as the bridge is there.
    pub(crate) async fn listen(&self) {
        let mut sessions = self.sessions.watch();
        loop {
            let Some(session) = until(&mut sessions, |session| session.is_ready).await else {
                return;
            };
            let is_another = |now: &Session| now.number != session.number;
            let over = tokio::select! {
                over = self.listen_to(&session) => over,
                _ = until(&mut sessions, is_another) => continue,
            };
            let is_renewed = over == Over::SessionEnded && self.begin_again(session.number).await.is_ok();
            if !is_renewed && until(&mut sessions, is_another).await.is_none() {
                return;
            }
        }
    }

    /// Waits until a session is listened to. What servers ask of the client while they work on a request, many ask on that
    /// stream alone, and forget it if there is none.
    pub(super) async fn listening(&self) {
        let session = self.sessions.current();
        if !session.is_ready {
            return;
        }
        let mut listened = self.listened.subscribe();
        let opened = listened.wait_for(|number| *number >= session.number);
        if tokio::time::timeout(OPENING, opened).await.is_err() {
            self.listens_to(&session);
        }
    }

    /// Nobody has to wait for this session any more.
    fn listens_to(&self, session: &Session) {
        self.listened
            .send_modify(|number| *number = session.number.max(*number));
    }

    async fn listen_to(&self, session: &Session) -> Over {
        let mut place = Place::default();
        let mut was_open = false;
        if self.legacy.last().is_some() {
            // It is one stream there, which is open.
            self.listens_to(session);
            return Over::NotOffered;
        }
        loop {
            let Ok(token) = self.gate.token().await else {
                tokio::time::sleep(place.patient_pause()).await;
                continue;
            };
            let headers = wire::of_session(session, token.as_ref());
            let answered = self.wire.get(&headers, place.id.as_deref()).await;
            self.listens_to(session);
            match answered {
                Ok(response) if response.status().is_success() && is_events(&response) => {
                    was_open = true;
                    self.hear(Reading::new(response, false), &mut place).await;
                }
                Ok(response) => match response.status() {
                    StatusCode::UNAUTHORIZED => {
                        let mut news = self.gate.news.subscribe();
                        let demand = challenge(response.headers());
                        // A token of the same sign-in would be no better.
                        let is_renewed = !wants_more(StatusCode::UNAUTHORIZED, &demand)
                            && matches!(self.gate.renewed(token.as_ref()).await, Ok(Some(_)));
                        if !is_renewed {
                            let _ = news.changed().await;
                        }
                    }
                    // Whoever never had the stream says so in this way too.
                    StatusCode::NOT_FOUND if was_open && session.id.is_some() => return Over::SessionEnded,
                    status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                        return Over::NotOffered;
                    }
                    _ => {}
                },
                Err(_) => {}
            }
            tokio::time::sleep(place.patient_pause()).await;
        }
    }

    /// Passes on what comes, until the stream ends or the machine slept, after which it may be dead.
    async fn hear(&self, mut reading: Reading, place: &mut Place) {
        let passing = async {
            while let Ok(Some(piece)) = reading.next().await {
                place.note(&piece);
                if let Some(found) = Incoming::read(&piece.text) {
                    self.say(found.text).await;
                }
            }
        };
        tokio::select! {
            () = passing => {}
            () = self.slept() => {}
        }
    }

    /// Resolves when the machine has slept.
    pub(super) async fn slept(&self) {
        let world = &self.world;
        loop {
            let before = (world.now(), world.elapsed());
            tokio::time::sleep(LOOK).await;
            let awake = world.elapsed().saturating_sub(before.1);
            if world.now().since(before.0) > awake + SLEPT {
                return;
            }
        }
    }
}
