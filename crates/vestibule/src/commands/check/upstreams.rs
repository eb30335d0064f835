//! Whether the upstreams answer, with the credentials that the door holds for them.

use std::time::Duration;

use bytes::Bytes;
use gateway::{Route, Transport};
use http::{HeaderMap, Method, Request, StatusCode, header};
use model::World;
use net::body;
use serde_json::json;
use vault::{Credential, Provider, WhoError};

use super::Findings;
use crate::compose::Snapshot;

/// How long an upstream may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A clock may differ by this much from those of the upstreams.
const CLOCK: Duration = Duration::from_secs(30);

/// Asks each for a sign of life.
pub(super) async fn upstreams(snapshot: &Snapshot, world: &World, findings: &mut Findings) {
    let mut routes: Vec<_> = snapshot.routes.servers.values().collect();
    routes.sort_by(|a, b| a.name().cmp(b.name()));
    for route in routes {
        upstream(route, world, findings).await;
    }
}

/// Asks an upstream for a sign of life, with the credential that the door holds for it.
async fn upstream(route: &Route, world: &World, findings: &mut Findings) {
    let key = format!("servers.{}", route.name());
    let shown = &route.upstream;
    let answered = tokio::time::timeout(PATIENCE, route.client.call(ping(route))).await;
    let response = match answered {
        Err(_) => {
            let patience = PATIENCE.as_secs();
            return findings.problem(key, format_args!("{shown} did not answer within {patience} s"));
        }
        Ok(Err(error)) => return findings.problem(key, format_args!("{shown}: {error}")),
        Ok(Ok(response)) => response,
    };
    clock(&key, response.headers(), world, findings);
    match response.status() {
        // Nobody's own credential is at hand.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if route.recipe.is_some() => {
            findings.good(key, format_args!("{shown} answers, and wants a credential"));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if route.credential.names().next().is_none() => {
            findings.problem(
                key,
                format_args!("{shown} wants a credential; give one in `credential.headers`"),
            );
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            findings.problem(
                key,
                format_args!("{shown} refused the credential in `credential.headers`"),
            );
        }
        // Before all of its paths an API may have nothing, or send to a page.
        status if route.api.is_some() && (status.is_redirection() || status == StatusCode::NOT_FOUND) => {
            findings.good(key, format_args!("{shown} answers"));
        }
        StatusCode::NOT_FOUND => {
            findings.problem(key, format_args!("{shown} answers 404; is the path right?"));
        }
        status if status.is_redirection() => {
            findings.problem(
                key,
                format_args!("{shown} answers {status}; redirects are not followed"),
            );
        }
        status if status.is_server_error() => {
            findings.warning(key, format_args!("{shown} answers {status}"));
        }
        _ => findings.good(key, format_args!("{shown} answers")),
    }
}

/// Asks each connector's provider who nobody is: it must answer, and must not know.
pub(super) async fn connectors(snapshot: &Snapshot, world: &World, findings: &mut Findings) {
    for (name, connector) in &snapshot.connectors.by_name {
        let key = format!("connectors.{name}");
        let found = match connector.oauth.as_ref().map(|oauth| &oauth.provider) {
            Some(Provider::Configured(client)) => client.endpoints(world.now()).await.map(drop),
            Some(Provider::Guards(server)) => server.find(world.now()).await.map(|(guard, _)| {
                let key = format!("{key}.oauth.discover");
                findings.good(
                    &key,
                    format_args!("{} is guarded by {}", server.url, guard.issuer),
                );
            }),
            None => Ok(()),
        };
        if let Err(error) = found {
            findings.problem(format!("{key}.oauth"), error);
        }
        let nobody = Credential::new("vestibule-check".to_owned().into(), None);
        let url = connector.whose.url();
        match connector.whose.ask(&connector.client, &nobody).await {
            Err(WhoError::Refused | WhoError::Forbidden) => findings.good(key, format_args!("{url} answers")),
            Err(error) => findings.problem(key, format_args!("{url}: {error}")),
            Ok(_) => findings.problem(
                key,
                format_args!("{url} takes a token that nobody made: it does not say whose a token is"),
            ),
        }
    }
}

fn ping(route: &Route) -> Request<net::Body> {
    let (method, body, accept) = match route.transport {
        _ if route.api.is_some() => (Method::GET, String::new(), "*/*"),
        Transport::Streamable => (
            Method::POST,
            json!({ "jsonrpc": "2.0", "id": "vestibule-check", "method": "ping" }).to_string(),
            "application/json, text/event-stream",
        ),
        Transport::Sse => (Method::GET, String::new(), "text/event-stream"),
    };
    let mut request = Request::new(body::full(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = route.uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    for (name, value) in route.credential.headers().iter() {
        headers.append(name.clone(), value.clone());
    }
    request
}

/// Tokens are good or not by the clock: one that is wrong breaks sign-ins in ways that are hard to read.
fn clock(key: &str, headers: &HeaderMap, world: &World, findings: &mut Findings) {
    let theirs = headers
        .get(header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let Some(theirs) = theirs else { return };
    let theirs = model::Timestamp::from_seconds(theirs.timestamp().as_second());
    let now = world.now();
    let apart = now.since(theirs).max(theirs.since(now));
    if apart > CLOCK {
        findings.warning(
            "clock",
            format_args!(
                "this machine's clock and that of {key} are {} s apart",
                apart.as_secs()
            ),
        );
    }
}
