//! CORS on MCP endpoints and resource metadata: everybody may ask, nobody's cookies come along (CC-87).

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use net::{Body, body};

const METHODS: &str = "GET, POST, DELETE, OPTIONS, HEAD";
const HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID";
const EXPOSED: &str = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, X-Reference";

/// Adds what a browser needs to read an answer, an error too.
pub fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
}

/// Answers a preflight, without authentication. Wildcards do not cover prefixes, so each `Mcp-Param-*`
/// that is asked for is named.
pub fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow(headers);
    let wanted = asked
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .and_then(|value| value.to_str().ok());
    let mut allowed = HEADERS.to_owned();
    for name in wanted
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| is_param(name))
        .take(50)
    {
        allowed.push_str(", ");
        allowed.push_str(name);
    }
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(METHODS),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
}

fn is_param(name: &str) -> bool {
    name.len() <= 100
        && name
            .get(..10)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("mcp-param-"))
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cc_87_params_are_named_one_by_one_after_a_syntax_check() {
        let mut asked = HeaderMap::new();
        let wanted = "authorization, Mcp-Param-Region, x-evil, mcp-param-a b, mcp-param-";
        asked.insert(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_static(wanted),
        );
        let response = preflight(&asked);
        let allowed = response.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS]
            .to_str()
            .unwrap();
        assert!(
            allowed.ends_with("Last-Event-ID, Mcp-Param-Region, mcp-param-"),
            "{allowed}"
        );
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}
