//! The step that calls an API: both sides may take as long as something moves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use net::body::ReadError;
use net::operators::CallError;
use net::{Body, body};
use tracing::warn;

use super::form::Form;
use super::upload::{Awaits, Progress, Trouble, Upload};
use crate::caller::Caller;
use crate::forward::note;
use crate::gateway::Gateway;
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::route::Route;

/// A request that is shorter is read before it is sent, so that it can be sent again with a renewed credential.
const SHORT: usize = 64 << 10;

/// The body of a request, before it is sent.
pub(super) enum Load {
    /// It has come.
    Whole(Bytes),
    /// It comes.
    Streams(Box<Upload>),
}

impl Load {
    /// The body, and another one like it if there can be one.
    pub(super) fn into_body(self) -> (Body, Option<Bytes>) {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => (body::empty(), Some(bytes)),
            Self::Whole(bytes) => (body::full(bytes.clone()), Some(bytes)),
            Self::Streams(upload) => (upload.boxed_unsync(), None),
        }
    }
}

impl Gateway {
    /// Makes ready what comes with a request. Asking for a body is what tells a client to send it (`100 Continue`), so this
    /// is the last step before it is sent.
    pub(super) async fn load(
        &self,
        route: &Route,
        head: &request::Parts,
        incoming: Incoming,
        progress: &Arc<Progress>,
    ) -> Result<Load, Refusal> {
        let length = incoming.size_hint().exact();
        // hyper sends no body with these unless it knows how long it is; what was allowed would not be what arrives.
        let is_held = length.is_none() && matches!(head.method, Method::GET | Method::HEAD);
        let limit = if is_held {
            route.body_limit.min(SHORT)
        } else {
            route.body_limit
        };
        if incoming.size_hint().lower() > limit as u64 {
            return Err(Refusal::TooLarge(limit));
        }
        let names = route.api.as_ref().map(|api| &api.refused_names);
        let mut form = names.and_then(|names| Form::of(&head.method, &head.headers, names));
        if !is_held && length.is_none_or(|length| length > SHORT as u64) {
            progress.move_on(self.elapsed());
            return Ok(Load::Streams(Box::new(Upload {
                incoming: Some(incoming),
                limit: limit as u64,
                form,
                progress: Arc::clone(progress),
                world: self.world().clone(),
                tasks: self.tasks().clone(),
            })));
        }
        let read = body::read(incoming, limit, route.timeouts.body).await;
        let bytes = read.map_err(|error| match error {
            ReadError::TooLarge(limit) => Refusal::TooLarge(limit),
            ReadError::TooSlow | ReadError::Broken => Refusal::NoBody,
        })?;
        let look = |form: &mut Form| form.look(&bytes).or_else(|| form.end());
        if let Some(wrong) = form.as_mut().and_then(look) {
            return Err(wrong.into());
        }
        progress.whole(bytes.len(), self.elapsed());
        Ok(Load::Whole(bytes))
    }

    /// Sends it and waits for the answer's head, for as long as the request moves and, once it has been sent, as long as an
    /// answer may take.
    pub(super) async fn call_api(
        &self,
        route: &Route,
        request: http::Request<Body>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Refusal> {
        let world = self.world();
        if !route.health.admits(world.elapsed()) {
            return Err(Refusal::Upstream(UpstreamTrouble::Unreachable));
        }
        let outcome = tokio::select! {
            biased;
            outcome = route.client.call(request) => outcome.map_err(|error| why(route, progress, &error)),
            awaits = self.too_slow(route, progress) => Err(match awaits {
                Awaits::Client => Refusal::NoBody,
                Awaits::Room | Awaits::Answer => {
                    warn!(server = %route.name(), upstream = %route.upstream, "upstream did not answer in time");
                    Refusal::Upstream(UpstreamTrouble::Slow)
                }
            }),
        };
        match &outcome {
            Ok(response) => note(world, route, Ok(response.status())),
            Err(Refusal::Upstream(trouble)) => note(world, route, Err(*trouble)),
            // The client's own doing says nothing of the upstream.
            Err(_) => {}
        }
        outcome
    }

    /// Resolves when what is waited for has taken too long, with what that is.
    async fn too_slow(&self, route: &Route, progress: &Progress) -> Awaits {
        loop {
            let (awaits, since) = progress.awaits();
            let most = match awaits {
                Awaits::Client => route.timeouts.body,
                Awaits::Room => route.timeouts.idle,
                Awaits::Answer => route.timeouts.first_byte,
            };
            let left = (since + most).saturating_sub(self.elapsed());
            if left.is_zero() {
                return awaits;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Watches over what still goes up when its answer has begun: its limits hold, and so does the caller's right to it
    /// (MA-56), whether anybody reads the answer or not.
    pub(super) fn watch_over(
        self: &Arc<Self>,
        route: &Arc<Route>,
        caller: &Caller,
        progress: &Arc<Progress>,
    ) {
        if progress.has_ended() {
            return;
        }
        let (gateway, route, caller) = (Arc::clone(self), Arc::clone(route), caller.clone());
        let progress = Arc::clone(progress);
        self.tasks().spawn("upload", async move {
            let ends = async {
                tokio::select! {
                    () = progress.ended() => {}
                    _ = gateway.too_slow(&route, &progress) => {}
                }
                Ok(())
            };
            // Whatever it was, nothing more goes up.
            let _ = gateway.while_caller_counts(&caller, &route.resource, ends).await;
            progress.stop();
        });
    }
}

/// What is waited for changes while it is waited; it is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

fn why(route: &Route, progress: &Progress, error: &CallError) -> Refusal {
    match progress.trouble() {
        Some(Trouble::TooLarge) => return Refusal::TooLarge(route.body_limit),
        Some(Trouble::Broken | Trouble::Stopped) => return Refusal::NoBody,
        Some(Trouble::Unacceptable(wrong)) => return wrong.clone().into(),
        None => {}
    }
    warn!(server = %route.name(), upstream = %route.upstream, %error, "upstream call failed");
    Refusal::Upstream(match error {
        CallError::Connect(_) | CallError::Proxy(_) => UpstreamTrouble::Unreachable,
        CallError::Broken(_) => UpstreamTrouble::Broken,
    })
}

/// The headers of the outgoing request; an answer may be compressed for whoever asked for that, since nobody reads it here.
pub(super) fn outgoing(incoming: &HeaderMap, route: &Route) -> HeaderMap {
    let mut headers = crate::credential::outgoing(incoming, route);
    headers.remove(http::header::ACCEPT_ENCODING);
    for value in incoming.get_all(http::header::ACCEPT_ENCODING) {
        headers.append(http::header::ACCEPT_ENCODING, value.clone());
    }
    headers
}
