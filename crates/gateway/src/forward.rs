//! The step that calls the upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use issuer::Resource;
use model::World;
use net::Body;
use net::operators::CallError;
use tracing::{info, warn};

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::health::Turn;
use crate::journey::Journey;
use crate::linger::{Linger, drain};
use crate::record::UnderWay;
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::route::Route;

/// An upstream that answers so soon is not watched over while it does.
const QUICK: Duration = Duration::from_millis(250);

/// The right to a slow answer is looked at again this often, whatever is heard of it.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A request that is ready to go.
pub(crate) fn request(method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request
}

/// Sends it and waits for the answer's head. The log names the address; the answer to the caller never
/// does (TP-16). Nobody waits for an upstream that is known to be gone.
pub(crate) async fn forward(
    world: &World,
    route: &Route,
    request: Request<Body>,
) -> Result<Response<Incoming>, UpstreamTrouble> {
    if !route.health.admits(world.elapsed()) {
        return Err(UpstreamTrouble::Unreachable);
    }
    let outcome = send(route, request).await;
    note(
        world,
        route,
        outcome.as_ref().map(Response::status).map_err(|trouble| *trouble),
    );
    outcome
}

/// Takes over how a call went.
pub(crate) fn note(world: &World, route: &Route, shown: Result<StatusCode, UpstreamTrouble>) {
    match route.health.note(shown, world.elapsed()) {
        Some(Turn::Gone) => {
            warn!(server = %route.name(), "the server counts as gone; it is tried now and then");
        }
        Some(Turn::Back) => info!(server = %route.name(), "the server is back"),
        None => {}
    }
}

async fn send(route: &Route, request: Request<Body>) -> Result<Response<Incoming>, UpstreamTrouble> {
    let trouble = match tokio::time::timeout(route.timeouts.first_byte, route.client.call(request)).await {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(error)) => {
            warn!(server = %route.name(), upstream = %route.upstream, %error, "upstream call failed");
            match error {
                CallError::Connect(_) | CallError::Proxy(_) => UpstreamTrouble::Unreachable,
                CallError::Broken(_) => UpstreamTrouble::Broken,
            }
        }
        Err(_) => {
            warn!(server = %route.name(), upstream = %route.upstream, "upstream did not answer in time");
            UpstreamTrouble::Slow
        }
    };
    Err(trouble)
}

/// What a call that goes on without its caller gives: its answer, and what it takes up until that has ended.
type Lingering = (Result<Response<Incoming>, UpstreamTrouble>, Option<Arc<UnderWay>>);

impl Gateway {
    /// Sends a request. A call of the session era goes on if its caller goes away (TP-31).
    pub(crate) async fn call(
        &self,
        journey: &Journey<'_>,
        request: Request<Body>,
        lingers: bool,
    ) -> Result<Response<Incoming>, Refusal> {
        let route = journey.route;
        if !lingers {
            let work = forward(self.world(), route, request);
            return self.while_it_counts(journey, work).await;
        }
        let route = Arc::clone(route);
        let (world, under_way) = (self.world().clone(), journey.under_way.clone());
        let work = async move { (forward(&world, &route, request).await, under_way) };
        let abandoned = |(outcome, under_way): Lingering| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                if let Ok(response) = outcome {
                    drain(response.into_body()).await;
                }
                drop(under_way);
            })
        };
        let work = Linger::new(self.tasks().clone(), work, abandoned);
        let work = async move { work.await.0 };
        self.while_it_counts(journey, work).await
    }

    /// Waits for the upstream for as long as the caller's right to its answer lasts (MA-56). A quick answer is
    /// not watched over.
    pub(crate) async fn while_it_counts<T>(
        &self,
        journey: &Journey<'_>,
        work: impl Future<Output = Result<T, UpstreamTrouble>>,
    ) -> Result<T, Refusal> {
        let resource = &journey.route.resource;
        self.while_caller_counts(journey.caller, resource, work).await
    }

    /// The same, without a journey.
    pub(crate) async fn while_caller_counts<T>(
        &self,
        caller: &Caller,
        resource: &Resource,
        work: impl Future<Output = Result<T, UpstreamTrouble>>,
    ) -> Result<T, Refusal> {
        tokio::pin!(work);
        if let Ok(outcome) = tokio::time::timeout(QUICK, &mut work).await {
            return outcome.map_err(Refusal::Upstream);
        }
        let mut standing = self.standing().watch();
        loop {
            let left = caller.proof.expires_at().since(self.now()).min(LOOK_AGAIN);
            if !self.still_counts(caller, resource).await {
                return Err(Refusal::BadToken("the token does not count any more"));
            }
            tokio::select! {
                outcome = &mut work => return outcome.map_err(Refusal::Upstream),
                _ = standing.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}
