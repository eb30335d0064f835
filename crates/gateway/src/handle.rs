//! Where requests come in: who may go on, and what the others are told.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;
use net::{Body, body};
use protocol::Origin;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::refusal::{Circumstances, Refusal};
use crate::route::{Leg, Route, Routes};
use crate::{cors, metadata, origin, route};

/// What becomes of a request before anything of its body is read.
enum Entry<'a> {
    /// It goes on: the caller is known.
    In(&'a Arc<Route>, Leg<'a>, Caller),
    /// It is answered.
    Out(Box<Response<Body>>),
}

fn out<'a>(response: Response<Body>) -> Entry<'a> {
    Entry::Out(Box::new(response))
}

impl Gateway {
    /// Answers a request to one of the gateway's paths. `origin` is the public name that the request came
    /// under; an unknown one was turned away before (DEC-15).
    pub async fn handle(
        self: &Arc<Self>,
        request: Request<Incoming>,
        address: IpAddr,
        origin: &Origin,
    ) -> Response<Body> {
        if request.uri().path().starts_with(route::API) {
            return Box::pin(self.handle_api(request, address, origin)).await;
        }
        let routes = self.routes();
        let path = request.uri().path().to_owned();
        match self.enter(&routes, &path, &request, address, origin).await {
            Entry::In(route, leg, caller) => {
                let (head, incoming) = request.into_parts();
                self.admit(&routes, route, leg, (&head, incoming), caller, address)
                    .await
            }
            Entry::Out(response) => {
                // Whoever waits for a word before the body has it now.
                if !request.headers().contains_key(header::EXPECT) {
                    Box::pin(body::pass_over(request.into_body())).await;
                }
                *response
            }
        }
    }

    async fn enter<'a>(
        self: &Arc<Self>,
        routes: &'a Routes,
        path: &'a str,
        request: &Request<Incoming>,
        address: IpAddr,
        origin: &Origin,
    ) -> Entry<'a> {
        if metadata::is_metadata(path) {
            return out(metadata::answer(routes, origin, request));
        }
        if let Err(refusal) = origin::check(routes, request.headers()) {
            return out(self.refuse(&refusal, &Circumstances::default()));
        }
        let Some((route, leg)) = routes.find(path) else {
            return out(self.refuse(&Refusal::UnknownRoute, &Circumstances::default()));
        };
        if request.method() == Method::OPTIONS {
            return out(cors::preflight(request.headers()));
        }
        match self
            .authenticate(route, request.headers(), request.uri().query(), address)
            .await
        {
            Ok(caller) => Entry::In(route, leg, caller),
            Err(refusal) => out(self.turn_away(route, &refusal, request, origin)),
        }
    }

    /// A request without a token that counts.
    fn turn_away(
        &self,
        route: &Route,
        refusal: &Refusal,
        request: &Request<Incoming>,
        origin: &Origin,
    ) -> Response<Body> {
        let url = metadata::url_for(origin, request.uri().path(), request.uri().query());
        let circumstances = Circumstances {
            resource_metadata: Some(&url),
            scope: route.scope(),
            ..Circumstances::default()
        };
        let mut response = self.refuse(refusal, &circumstances);
        // A person with a browser gets a page; status and header stay (CC-2).
        if request.method() == Method::GET && wants_html(request.headers()) {
            let endpoint = route.resource.uri.as_str();
            let (title, asked) = (&route.resource.title, request.headers());
            let pages = &self.parts.pages;
            let page = pages.endpoint_opened(title, endpoint, asked, response.headers_mut());
            *response.body_mut() = body::full(page);
        }
        response
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.contains("text/html") && !accept.contains("text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_size<R, F>(_: fn(&'static Arc<Gateway>, R, IpAddr, &'static Origin) -> F) -> usize {
        size_of::<F>()
    }

    /// It is moved to where it waits, once for each request, and each request under way holds one: what is rarely waited
    /// for is boxed. See docs/performance.md.
    #[test]
    fn what_answers_a_request_is_no_larger_than_it_must_be() {
        let size = future_size(Gateway::handle);
        assert!(size <= 6 * 1024, "{size} bytes");
    }
}
