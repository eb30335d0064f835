//! The step that brings an API's answer back: its head cleaned, its body copied as it comes.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use net::Body;

use super::browser;
use super::rewrite::Rewrite;
use crate::answer::{Counted, is_dropped};
use crate::credential::connection_tokens;
use crate::gateway::Gateway;
use crate::record::Record;
use crate::stream::{self, Begun};

/// A longer answer is looked after while it comes: it ends when the caller's right to it does (MA-56).
const SHORT: u64 = 1 << 20;

/// Cleans the head of an answer.
pub(super) fn clean(parts: &mut response::Parts, rewrite: &Rewrite<'_>) {
    let headers = &mut parts.headers;
    let named = connection_tokens(headers);
    let drop: Vec<_> = headers
        .keys()
        .filter(|name| {
            let goes = is_dropped(name) && **name != header::LOCATION;
            goes || named.contains(name)
                || browser::is_of_the_origin(name.as_str())
                || is_for_a_proxy(name.as_str())
        })
        .cloned()
        .collect();
    for name in drop {
        headers.remove(name);
    }
    rewrite.headers(headers);
    browser::disarm(headers);
    cache(headers);
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
}

/// What tells a proxy or a cache in front of the door what to do, in the name of the door (RFC 9213).
fn is_for_a_proxy(name: &str) -> bool {
    const PROXIES: [&str; 4] = [
        "x-sendfile",
        "x-lighttpd-send-file",
        "edge-control",
        "use-as-dictionary",
    ];
    name.starts_with("surrogate-")
        || name.starts_with("x-accel-")
        || name.ends_with("cdn-cache-control")
        || PROXIES.contains(&name)
}

/// It is for whoever asked: they may keep it and ask whether it still holds, and nobody in between may keep it at all (RFC
/// 9111 section 3.5 would let a shared cache keep what says `public`).
fn cache(headers: &mut HeaderMap) {
    let mut said = headers.get_all(header::CACHE_CONTROL).iter();
    let is_secret = said.any(|value| {
        let text = value.to_str().unwrap_or("no-store");
        text.to_ascii_lowercase().contains("no-store")
    });
    let value = if is_secret {
        "no-store"
    } else {
        "private, no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    headers.remove(header::EXPIRES);
}

/// The whole answer.
pub(super) async fn answer(
    gateway: &Arc<Gateway>,
    parts: response::Parts,
    incoming: Incoming,
    mut record: Record,
) -> Response<Body> {
    record.status = parts.status.as_u16();
    let is_short = incoming.is_end_stream() || incoming.size_hint().exact().is_some_and(|size| size <= SHORT);
    let body = if is_short {
        Counted { incoming, record }.boxed_unsync()
    } else {
        let begun = Begun {
            incoming,
            first: Bytes::new(),
            rest: Bytes::new(),
            listening: None,
            mailbox: None,
            // Nothing is put between its events: it is not ours to say anything there.
            is_sse: false,
        };
        stream::body(gateway, begun, None, record).await
    };
    Response::from_parts(parts, body)
}
