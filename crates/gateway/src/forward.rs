//! The step that calls the upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Either;
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

/// Waits for the head of what [`call`](net::operators::Operators::call) of this route's client gives. The log names the
/// address; the answer to the caller never does (TP-16). Nothing is sent to an upstream that is known to be gone.
pub(crate) async fn forward(
    world: &World,
    route: &Route,
    call: impl Future<Output = Result<Response<Incoming>, CallError>>,
) -> Result<Response<Incoming>, UpstreamTrouble> {
    if !route.health.admits(world.elapsed()) {
        return Err(UpstreamTrouble::Unreachable);
    }
    let outcome = in_time(route, call).await;
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

async fn in_time(
    route: &Route,
    call: impl Future<Output = Result<Response<Incoming>, CallError>>,
) -> Result<Response<Incoming>, UpstreamTrouble> {
    let trouble = match tokio::time::timeout(route.timeouts.first_byte, call).await {
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

fn abandoned((outcome, under_way): Lingering) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if let Ok(response) = outcome {
            drain(response.into_body()).await;
        }
        drop(under_way);
    })
}

impl Gateway {
    /// Sends a request. A call of the session era goes on if its caller goes away (TP-31).
    pub(crate) fn call(
        &self,
        journey: &Journey<'_>,
        request: Request<Body>,
        lingers: bool,
    ) -> impl Future<Output = Result<Response<Incoming>, Refusal>> {
        let call = journey.route.client.call(request);
        let work = if lingers {
            let (world, route) = (self.world().clone(), Arc::clone(journey.route));
            let under_way = journey.under_way.clone();
            let work = async move { (forward(&world, &route, call).await, under_way) };
            let lingering = Linger::new(self.tasks().clone(), work, abandoned);
            Either::Left(lingering.map(|(outcome, _)| outcome))
        } else {
            Either::Right(Box::pin(forward(self.world(), journey.route, call)))
        };
        self.while_it_counts(journey, work)
    }

    /// Waits for the upstream for as long as the caller's right to its answer lasts (MA-56). A quick answer is
    /// not watched over.
    pub(crate) fn while_it_counts<T>(
        &self,
        journey: &Journey<'_>,
        work: impl Future<Output = Result<T, UpstreamTrouble>>,
    ) -> impl Future<Output = Result<T, Refusal>> {
        self.while_caller_counts(journey.caller, &journey.route.resource, work)
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
        Box::pin(self.while_still_counts(caller, resource, work)).await
    }

    async fn while_still_counts<T>(
        &self,
        caller: &Caller,
        resource: &Resource,
        mut work: Pin<&mut impl Future<Output = Result<T, UpstreamTrouble>>>,
    ) -> Result<T, Refusal> {
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
