//! The yardstick: hyper's server and hyper-util's client, and nothing between them.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header, uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::listener;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Copies everything to `upstream` and back.
///
/// # Errors
/// If it cannot listen.
pub async fn serve(address: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let authority: uri::Authority = upstream.to_string().parse()?;
    listener::serve(address, move |request| {
        copy(client.clone(), authority.clone(), request)
    })
    .await
}

async fn copy(
    client: Client<HttpConnector, Incoming>,
    authority: uri::Authority,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(header::HOST);
    match client.request(request).await {
        Ok(response) => response.map(BodyExt::boxed_unsync),
        Err(_) => {
            let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
