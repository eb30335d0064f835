//! Credentials that have no business at an upstream: the caller's, if the door let one through.
//!
//! Looked for where credentials travel: headers made for them, header values that look like one, and
//! RFC 6750's `access_token` in the query. What the door itself says of the caller is none: its `X-MCP-*`
//! headers, and its signed statement of who is calling, which looks like a token.

use http::request::Parts;
use http::{HeaderName, HeaderValue, header};
use protocol::jwt::{Compact, CompactError, IDENTITY_ASSERTION};

/// The places with a credential in them, for people to read.
pub(crate) fn find(request: &Parts) -> Vec<String> {
    let mut found: Vec<String> = request
        .headers
        .iter()
        .filter(|(name, value)| carries(name, value))
        .map(|(name, _)| format!("the header {name}"))
        .collect();
    found.dedup();
    let query = request.uri.query().unwrap_or_default();
    if query.split('&').any(|pair| pair.starts_with("access_token=")) {
        found.push("the query parameter access_token".to_owned());
    }
    found
}

fn carries(name: &HeaderName, value: &HeaderValue) -> bool {
    const MADE_FOR_THEM: [HeaderName; 3] =
        [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];
    if MADE_FOR_THEM.contains(name) || name == "dpop" {
        return true;
    }
    if name.as_str().starts_with("x-mcp-") {
        return false;
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    match text.trim().split_once(' ') {
        Some((scheme, _)) => ["bearer", "dpop", "basic"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known)),
        None => text.starts_with("vst_") || is_token(text.trim()),
    }
}

fn is_token(text: &str) -> bool {
    match Compact::parse(text) {
        Ok(token) => token.header.media_type() != IDENTITY_ASSERTION,
        Err(CompactError::Critical | CompactError::TooLong) => true,
        Err(CompactError::Parts | CompactError::Json) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS_TOKEN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln";
    const ASSERTION: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6InZlc3RpYnVsZS1pZGVudGl0eStqd3QifQ.e30.c2ln";

    fn found(uri: &str, headers: &[(&str, &str)]) -> Vec<String> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        find(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn names_the_place_and_not_the_credential() {
        assert_eq!(
            found("/mcp", &[("x-access-token", ACCESS_TOKEN)]),
            ["the header x-access-token"]
        );
        assert_eq!(
            found("/mcp", &[("x-original", "bearer abc")]),
            ["the header x-original"]
        );
        assert_eq!(found("/mcp", &[("cookie", "a=b")]), ["the header cookie"]);
        assert_eq!(found("/mcp", &[("dpop", "e30")]), ["the header dpop"]);
        assert_eq!(found("/mcp", &[("x-code", "vst_ac_abc")]), ["the header x-code"]);
        assert_eq!(
            found("/mcp?a=b&access_token=c", &[]),
            ["the query parameter access_token"]
        );
    }

    #[test]
    fn finds_nothing_in_what_the_door_sends() {
        let sent = [
            ("host", "127.0.0.1:4000"),
            ("accept", "application/json, text/event-stream"),
            ("via", "1.1 vestibule"),
            ("x-mcp-subject", "0198c0de-0000-7000-8000-000000000001"),
            ("x-mcp-client", "https://client.example/metadata.json"),
            ("x-mcp-scope", "basic bearer"),
            ("x-identity", ASSERTION),
            ("mcp-name", "a.b.c"),
            ("user-agent", "curl/8.5.0"),
        ];
        assert!(found("/mcp", &sent).is_empty());
    }
}
