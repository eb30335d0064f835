//! One request of a token to end itself, and what became of it.

use std::time::Duration;

use client::Found;
use http::{HeaderValue, Request as HttpRequest};
use model::ExposeSecret as _;
use net::Operators;
use scan::revocation::Request;
use url::Url;

use super::Became;
use crate::output::printable;

/// How long a provider may take, and how much of its answer is read.
const TIME: Duration = Duration::from_secs(20);
const LIMIT: usize = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(5);

/// Asks one provider; a door is asked first where.
pub(super) async fn ask(http: &Operators, request: &Request) -> Became {
    tokio::time::timeout(TIME, answered(http, request))
        .await
        .unwrap_or_else(|_| Became::NoAnswer(format!("it took longer than {} s", TIME.as_secs())))
}

/// The same request to where the door of a server has tokens revoked, which it says to everybody.
async fn found(http: &Operators, request: &Request) -> Result<Request, Became> {
    let Some(server) = request.server() else {
        return Ok(request.clone());
    };
    let metadata = match client::discover(http, server, None).await {
        Ok(Found::Guarded(discovered)) => discovered.metadata,
        Ok(Found::Open) => return Err(Became::NoAnswer("it asks nobody for a token".to_owned())),
        Err(error) => return Err(Became::NoAnswer(printable(&error.to_string()))),
    };
    let endpoint = metadata["revocation_endpoint"]
        .as_str()
        .and_then(|text| Url::parse(text).ok());
    let endpoint = endpoint.ok_or_else(|| Became::NoAnswer("it names no revocation endpoint".to_owned()))?;
    request.clone().at(endpoint).map_err(Became::Left)
}

async fn answered(http: &Operators, request: &Request) -> Became {
    let request = match found(http, request).await {
        Ok(request) => request,
        Err(became) => return became,
    };
    let mut asked = HttpRequest::builder().method(request.method()).uri(request.url());
    for (name, value) in request.headers() {
        let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) else {
            return Became::NoAnswer("it is no token that can be sent".to_owned());
        };
        value.set_sensitive(true);
        asked = asked.header(name, value);
    }
    let body = request.body().map_or_else(net::body::empty, |body| {
        net::body::full(body.expose_secret().to_owned())
    });
    let Ok(asked) = asked.body(body) else {
        return Became::NoAnswer("its address cannot be asked".to_owned());
    };
    let answer = match http.call(asked).await {
        Ok(answer) => answer,
        Err(error) => return Became::NoAnswer(error.to_string()),
    };
    let status = answer.status().as_u16();
    // One that breaks off has said its status all the same.
    let body = net::body::read(answer.into_body(), LIMIT, BODY_TIME)
        .await
        .unwrap_or_default();
    match request.outcome(status, &body) {
        Ok(()) => Became::Revoked,
        Err(answer) => Became::NotTaken(answer),
    }
}
