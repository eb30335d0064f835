//! The step that dresses the outgoing request: nothing of the caller's credentials, all of the upstream's
//! own, and who is calling (MA-58, TP-1 to TP-6, TP-20, CC-107, DEC-22).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use issuer::KeyRing;
use keys::jws;
use model::World;
use protocol::Issuer;
use protocol::jwt::IDENTITY_ASSERTION;
use serde::Serialize;
use std::time::Duration;
use vault::Recipe;

use crate::caller::Caller;
use crate::names::identity;
use crate::route::{Assertion, Route};

/// How long a signed assertion counts: one call.
const ASSERTION: Duration = Duration::from_mins(1);

/// Hop-by-hop fields, and what says who the caller is or where it comes from.
fn is_dropped(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        // hop by hop, RFC 9110 section 7.6.1
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        | "proxy-authenticate" | "proxy-authorization" | "expect"
        // framing and addressing, which are ours
        | "host" | "content-length" | "accept-encoding"
        // the caller's credentials
        | "authorization" | "cookie" | "cookie2" | "dpop"
        // where the caller comes from, which only a listed proxy may say, and only to us
        | "forwarded" | "x-real-ip" | "true-client-ip" | "x-client-ip" | "x-cluster-client-ip" | "cf-connecting-ip"
        | "x-original-url" | "x-rewrite-url"
        // the caller's browser: an upstream's own rebinding checks would refuse the public name
        | "origin" | "referer"
    ) || has_prefix(name, "x-forwarded-")
        || has_prefix(name, "x-mcp-")
        || has_prefix(name, "sec-")
        // `X_MCP_SUBJECT` is `X-MCP-Subject` to CGI-like servers (class 9 of the known attacks).
        || name.as_str().contains('_')
}

fn has_prefix(name: &HeaderName, prefix: &str) -> bool {
    name.as_str().starts_with(prefix)
}

/// The headers of the outgoing request, made from the incoming ones.
pub(crate) fn outgoing(incoming: &HeaderMap, route: &Route) -> HeaderMap {
    let named = connection_tokens(incoming);
    let own = route.recipe.iter().flat_map(Recipe::names);
    let injected: Vec<&HeaderName> = route.credential.names().chain(own).collect();
    let old = route.old_tokens.as_ref().map_or(&[][..], |old| old.headers());
    let is_stripped = |name: &HeaderName| route.strip.iter().any(|stripped| stripped.covers(name));
    let mut headers = HeaderMap::with_capacity(incoming.len() + 12);
    for (name, value) in incoming {
        if !is_dropped(name)
            && !named.contains(name)
            && !injected.contains(&name)
            && !old.contains(name)
            && !is_stripped(name)
        {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.append(header::VIA, HeaderValue::from_static("1.1 vestibule"));
    for (name, value) in route.credential.headers().iter() {
        headers.append(name.clone(), value.clone());
    }
    headers
}

/// Fields that `Connection` names are hop by hop too.
pub(crate) fn connection_tokens(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .collect()
}

/// Names the caller to the upstream.
pub(crate) fn identify(headers: &mut HeaderMap, route: &Route, caller: &Caller, issuer: &Issuer) {
    if !route.identity_headers {
        return;
    }
    let proof = &caller.proof;
    let mut put = |name: &HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name.clone(), value);
        }
    };
    put(&identity::SUBJECT, caller.account.id.to_string());
    put(&identity::CLIENT, proof.client().to_owned());
    put(&identity::SCOPE, proof.scope().to_owned());
    put(&identity::ISSUER, proof.issuer(issuer).to_owned());
    put(&identity::AUDIENCE, proof.audience(&route.resource).to_owned());
    if let Some(token) = proof.token() {
        put(&identity::TOKEN_ID, token);
    }
    put(&identity::EXPIRES, proof.expires_at().to_string());
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    exp: i64,
    iat: i64,
    client_id: &'a str,
    preferred_username: &'a str,
    groups: Vec<&'a str>,
}

/// Adds a signed statement of who is calling, which the upstream verifies with our key set.
pub(crate) fn assert(
    headers: &mut HeaderMap,
    assertion: &Assertion,
    caller: &Caller,
    issuer: &Issuer,
    keys: &KeyRing,
    world: &World,
) -> Result<(), issuer::key_ring::KeyRingError> {
    let now = world.now();
    let claims = AssertionClaims {
        iss: issuer.as_str(),
        sub: caller.account.id.to_string(),
        aud: &assertion.audience,
        exp: (now + ASSERTION).as_seconds(),
        iat: now.as_seconds(),
        client_id: caller.proof.client(),
        preferred_username: caller.account.username.as_str(),
        groups: caller
            .account
            .groups
            .iter()
            .map(model::GroupName::as_str)
            .collect(),
    };
    let signer = keys.signer(::keys::Algorithm::Es256)?;
    let token =
        jws::sign(&signer, IDENTITY_ASSERTION, &claims).map_err(issuer::key_ring::KeyRingError::from)?;
    if let Ok(mut value) = HeaderValue::from_str(&token) {
        value.set_sensitive(true);
        headers.insert(assertion.header.clone(), value);
    }
    Ok(())
}
