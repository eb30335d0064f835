//! The listening stream of a session: one at a time, the newest (CC-97, TP-32 to TP-34).

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use net::body;
use tokio_util::sync::CancellationToken;

use crate::forward;
use crate::gateway::Gateway;
use crate::journey::Journey;
use crate::refusal::Refusal;

/// A second listening stream of a session waits so long for the upstream to notice that the first is gone.
const REPLACED: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
];

impl Gateway {
    /// A listening stream. A new one of the same session takes the place of the one before, since clients
    /// reconnect before they notice that the old one is dead (CC-97).
    pub(crate) async fn listen(
        self: &Arc<Self>,
        journey: &Journey<'_>,
        headers: HeaderMap,
        session: Option<&str>,
    ) -> Result<(Response<Incoming>, Option<Seat>), Refusal> {
        let route = journey.route;
        let get = || {
            let request = forward::request(Method::GET, route.uri.clone(), headers.clone(), body::empty());
            self.call(journey, request, false)
        };
        let Some(session) = session else {
            return Ok((get().await?, None));
        };
        let key = format!("{}\0{session}", route.name());
        // A resumed stream may be another one than the listening one.
        let resumes = headers.contains_key("last-event-id");
        if !resumes {
            self.end_listening(&key);
        }
        let mut response = get().await?;
        for pause in REPLACED {
            if response.status() != StatusCode::CONFLICT {
                break;
            }
            // The upstream has not noticed yet that the stream before is gone.
            self.end_listening(&key);
            tokio::time::sleep(pause).await;
            response = get().await?;
        }
        let seat = (!resumes && response.status().is_success()).then(|| self.take_seat(key));
        Ok((response, seat))
    }

    fn take_seat(self: &Arc<Self>, key: String) -> Seat {
        let taken = Arc::new(CancellationToken::new());
        if let Some(before) = self.listening.pin().insert(key.clone(), Arc::clone(&taken)) {
            before.cancel();
        }
        Seat {
            gateway: Arc::clone(self),
            key,
            taken,
        }
    }

    fn end_listening(&self, key: &str) {
        if let Some(token) = self.listening.pin().remove(key) {
            token.cancel();
        }
    }
}

/// The one place for a listening stream that a session has. Given up when dropped.
pub(crate) struct Seat {
    gateway: Arc<Gateway>,
    key: String,
    taken: Arc<CancellationToken>,
}

impl Seat {
    /// Resolves once a newer stream has taken the place.
    pub(crate) async fn taken_over(&self) {
        self.taken.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self
            .gateway
            .listening
            .pin()
            .remove_if(&self.key, |_, holder| Arc::ptr_eq(holder, &self.taken));
    }
}
