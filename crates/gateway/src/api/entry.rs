//! Where requests to APIs come in: who may go on, and what the others are told.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, header, request};
use hyper::body::Incoming;
use model::{ExposeSecret as _, SecretString};
use net::{Body, body};
use protocol::{Origin, basic};

use super::refusal::{Plain, answer};
use super::{Api, browser};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::metadata;
use crate::refusal::Refusal;
use crate::route::{Route, Routes};

/// A request whose caller is known.
pub(super) struct Entered<'a> {
    pub(super) routes: &'a Routes,
    pub(super) route: &'a Arc<Route>,
    /// What of the path is meant for the API.
    pub(super) rest: &'a str,
    /// The public name that the request came under.
    pub(super) origin: &'a Origin,
    pub(super) caller: Caller,
    pub(super) address: IpAddr,
}

impl Gateway {
    /// Answers a request to an API.
    pub(crate) async fn handle_api(
        self: &Arc<Self>,
        request: Request<Incoming>,
        address: IpAddr,
        origin: &Origin,
    ) -> Response<Body> {
        let routes = self.routes();
        let (head, incoming) = request.into_parts();
        match self.enter_api(&routes, &head, address, origin).await {
            Ok(entered) => self.admit_api(entered, &head, incoming).await,
            Err(response) => {
                // Whoever waits for a word before the body has it now (RFC 9110 section 10.1.1).
                if !head.headers.contains_key(header::EXPECT) {
                    Box::pin(body::pass_over(incoming)).await;
                }
                *response
            }
        }
    }

    async fn enter_api<'a>(
        &self,
        routes: &'a Routes,
        head: &'a request::Parts,
        address: IpAddr,
        origin: &'a Origin,
    ) -> Result<Entered<'a>, Box<Response<Body>>> {
        let plain = Plain::of(&head.headers);
        let out = |refusal: Refusal, plain: &Plain<'_>| Box::new(self.refuse_plainly(&refusal, plain));
        browser::check(routes, &head.headers).map_err(|refusal| out(refusal, &plain))?;
        let (route, rest) = routes
            .find_api(head.uri.path())
            .ok_or_else(|| out(Refusal::UnknownRoute, &plain))?;
        let headers = with_token(route, &head.headers);
        let caller = self
            .authenticate(route, &headers, head.uri.query(), address)
            .await
            .map_err(|refusal| {
                let url = metadata::url_for(origin, &route.path(), None);
                out(
                    refusal,
                    &Plain {
                        resource_metadata: Some(&url),
                        route: Some(route),
                        ..plain.clone()
                    },
                )
            })?;
        Ok(Entered {
            routes,
            route,
            rest,
            origin,
            caller,
            address,
        })
    }

    /// An answer of ours to somebody who asks an API.
    pub(super) fn refuse_plainly(&self, refusal: &Refusal, plain: &Plain<'_>) -> Response<Body> {
        self.refusals().count(refusal.slug());
        answer(refusal, plain)
    }
}

/// The headers, with the token where it is looked for: in `Bearer`. Where else it may stand is said here and nowhere else.
fn with_token<'h>(route: &Route, headers: &'h HeaderMap) -> Cow<'h, HeaderMap> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(api), Some(value), None) = (&route.api, values.next(), values.next()) else {
        return Cow::Borrowed(headers);
    };
    let token = of_basic(api, value).or_else(|| of_token_scheme(api, value));
    let bearer = token.map(|token| HeaderValue::try_from(format!("Bearer {}", token.expose_secret())));
    let Some(Ok(mut bearer)) = bearer else {
        return Cow::Borrowed(headers);
    };
    bearer.set_sensitive(true);
    let mut headers = headers.clone();
    headers.insert(header::AUTHORIZATION, bearer);
    Cow::Owned(headers)
}

/// `git` knows Basic credentials alone: the password is the token, and the name is whatever it likes (RFC 7617).
fn of_basic(api: &Api, value: &HeaderValue) -> Option<SecretString> {
    if !api.basic {
        return None;
    }
    // Of both readings the last is the one as it is: no token of ours has a character that would make a difference.
    let credentials = basic::parse(value.as_bytes())?.ok()?.pop()?;
    Some(credentials.secret)
}

/// `tea` and whatever else is built on Gitea's library say `token` where RFC 6750 says `Bearer`.
fn of_token_scheme(api: &Api, value: &HeaderValue) -> Option<SecretString> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (api.token_scheme && scheme.eq_ignore_ascii_case("token")).then(|| token.to_owned().into())
}
