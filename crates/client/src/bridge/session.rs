//! The session with the server (2025-03-26 to 2025-11-25), begun again when the server has forgotten it (TP-39, TP-40).
//!
//! Many clients on pipes never begin a second session, and on a pipe there is none to begin. So what the client said to
//! begin the first one is remembered, and said again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::watch;

use super::outgoing::Outgoing;

/// So much of what a client asked to be told is remembered.
const MOST_KEPT: usize = 256;

/// A session as requests name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its id, if the server gave one.
    pub(crate) id: Option<HeaderValue>,
    /// The revision that was agreed on.
    pub(crate) version: Option<String>,
    /// Which session of this bridge it is.
    pub(crate) number: u64,
    /// Whether the client has said that it is ready for what the server says by itself.
    pub(crate) is_ready: bool,
}

/// The sessions of one bridge, one after the other.
#[derive(Debug)]
pub(crate) struct Sessions {
    current: watch::Sender<Session>,
    kept: Mutex<Kept>,
    /// One begins a session anew, the others wait for it.
    pub(crate) renewing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    initialize: Option<Arc<Outgoing>>,
    initialized: Option<Bytes>,
    /// What the server was asked to tell, and how loudly: by what it is about, in the order in which it was asked.
    wishes: Vec<(String, Outgoing)>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            current: watch::Sender::new(Session::default()),
            kept: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    /// The one that requests are of now.
    pub(crate) fn current(&self) -> Session {
        self.current.borrow().clone()
    }

    /// To see when it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Session> {
        self.current.subscribe()
    }

    /// A session was begun, by this message.
    pub(crate) fn begun(&self, by: &Outgoing, id: Option<HeaderValue>, version: Option<String>) {
        self.lock().initialize = Some(Arc::new(by.clone()));
        self.current.send_modify(|session| {
            *session = Session {
                id,
                version,
                number: session.number + 1,
                is_ready: false,
            };
        });
    }

    /// The client has told the server that it is ready.
    pub(crate) fn is_ready(&self, said: Bytes) {
        self.lock().initialized = Some(said);
        self.current.send_modify(|session| session.is_ready = true);
    }

    /// Whether a request asks for something that is to hold in a new session too.
    pub(crate) fn keeps(message: &Outgoing) -> bool {
        ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
            .into_iter()
            .any(|method| message.is(method))
    }

    /// A request succeeded: what it asks for is asked for again in a new session.
    pub(crate) fn granted(&self, message: &Outgoing) {
        if !Self::keeps(message) {
            return;
        }
        // There is one level, and each resource by itself.
        let about = message.target.clone().unwrap_or_default();
        let is_over = message.is("resources/unsubscribe");
        let mut kept = self.lock();
        kept.wishes.retain(|(other, _)| *other != about);
        if !is_over && kept.wishes.len() < MOST_KEPT {
            kept.wishes.push((about, message.clone()));
        }
    }

    /// What to say to begin again: the first message, that the client is ready, and what it wants to be told.
    pub(crate) fn to_begin(&self) -> Option<(Arc<Outgoing>, Option<Bytes>, Vec<Outgoing>)> {
        let kept = self.lock();
        let wishes = kept.wishes.iter().map(|(_, message)| message.clone()).collect();
        Some((kept.initialize.clone()?, kept.initialized.clone(), wishes))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_asked_for_again_once() {
        let sessions = Sessions::new();
        let say = |method: &str, uri: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"uri":"{uri}","level":"{uri}"}}}}"#
            );
            Outgoing::read(text.into_bytes()).unwrap()
        };
        assert!(sessions.to_begin().is_none());
        sessions.begun(&say("initialize", ""), None, None);
        for (method, uri) in [
            ("logging/setLevel", "debug"),
            ("resources/subscribe", "a"),
            ("resources/subscribe", "b"),
            ("resources/subscribe", "a"),
            ("resources/unsubscribe", "b"),
            ("tools/list", "c"),
            ("logging/setLevel", "error"),
        ] {
            sessions.granted(&say(method, uri));
        }
        let (_, _, wishes) = sessions.to_begin().unwrap();
        let wishes: Vec<_> = wishes.iter().map(|wish| wish.text.clone()).collect();
        assert_eq!(
            wishes,
            [
                say("resources/subscribe", "a").text,
                say("logging/setLevel", "error").text
            ]
        );
    }
}
