//! The step that calls the upstream.

use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use net::Body;
use net::operators::CallError;
use tracing::warn;

use crate::refusal::UpstreamTrouble;
use crate::route::Route;

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
/// does (TP-16).
pub(crate) async fn forward(
    route: &Route,
    request: Request<Body>,
) -> Result<Response<Incoming>, UpstreamTrouble> {
    let trouble = match tokio::time::timeout(route.timeouts.first_byte, route.client.call(request)).await {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(error)) => {
            warn!(server = %route.name(), upstream = %route.upstream, %error, "upstream call failed");
            match error {
                CallError::Connect(_) => UpstreamTrouble::Unreachable,
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
