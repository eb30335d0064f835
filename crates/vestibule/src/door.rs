//! The first step of every request: who is calling, over what, under which name, and whose it is.

use std::sync::Arc;

use axum::Router;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use net::caller::Transport;
use net::listener::{Answer, Connection};
use net::{Body, Caller};
use serde_json::json;
use tower::ServiceExt as _;
use tracing::debug;

use crate::health::{Health, json_answer};
use crate::house::House;

/// Events that one request to a page may cause.
const EVENTS: u16 = 4;

/// Takes requests from the listener.
#[derive(Clone, Debug)]
pub struct Door {
    house: Arc<House>,
    pages: Router,
    health: Health,
}

impl Door {
    /// Before this house.
    pub fn new(house: Arc<House>, health: Health) -> Self {
        let pages = web::router::router(Arc::clone(&house.web));
        Self { house, pages, health }
    }

    async fn pages(&self, mut request: Request<Incoming>, caller: Caller) -> Response<Body> {
        let Ok(_seat) = self.house.foundation.recorder.ready(EVENTS).await else {
            let why = "the audit record has no room left; try again soon";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", why);
        };
        request.extensions_mut().insert(caller);
        let answered = self
            .pages
            .clone()
            .oneshot(request.map(axum::body::Body::new))
            .await;
        match answered {
            Ok(response) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
            Err(never) => match never {},
        }
    }
}

impl Answer for Door {
    async fn answer(self, request: Request<Incoming>, connection: Connection) -> Response<Body> {
        if let Some(answer) = self.health.answer(request.uri().path()) {
            return answer;
        }
        let current = self.house.current.load_full();
        let (peer, headers) = (connection.peer.ip(), request.headers());
        let caller = current.proxies.caller(peer, connection.tls, headers);
        if let Err(why) = check_transport(caller) {
            return refuse(StatusCode::FORBIDDEN, "insecure_transport", why);
        }
        let Some(authority) = authority(&request) else {
            let text = "a request names exactly one host";
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", text);
        };
        let Some(origin) = current.origins.by_authority(authority) else {
            debug!(host = ?request.headers().get(header::HOST), "a request under an unknown name");
            let text = format!(
                "this door is not known by that name; it is at {}",
                current.origins.public()
            );
            return refuse(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", &text);
        };
        let path = request.uri().path();
        if gateway::Gateway::owns(path) && !is_server_metadata(path) {
            self.house.gateway.handle(request, caller.address, origin).await
        } else {
            Box::pin(self.pages(request, caller)).await
        }
    }
}

/// Metadata of the authorization server below an MCP endpoint, where some clients look for it (CC-15).
fn is_server_metadata(path: &str) -> bool {
    use protocol::metadata::paths;
    path.ends_with(paths::OAUTH_METADATA) || path.ends_with(paths::OPENID_METADATA)
}

/// Plain HTTP is for this machine, or comes through a listed proxy that ended TLS.
fn check_transport(caller: Caller) -> Result<(), &'static str> {
    match caller.transport {
        Transport::Tls | Transport::PlainLoopback => Ok(()),
        Transport::PlainProxied => {
            Err("the proxy says that this request came to it in plain http; use https")
        }
        Transport::Plain => Err(
            "plain http is served to this machine and to the proxies in `trusted_proxies` alone; use https",
        ),
    }
}

/// The one name that the request came under (RFC 9112 section 3.2).
fn authority(request: &Request<Incoming>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn refuse(status: StatusCode, error: &str, text: &str) -> Response<Body> {
    json_answer(status, &json!({ "error": error, "error_description": text }))
}
