//! What browsers may send and read across origins (CC-87): the same everywhere, because clients send their MCP
//! headers on discovery too.

/// Request headers that are always allowed.
const ALLOWED: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, DPoP, Prefer";
/// Methods that are asked for across origins.
pub const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, HEAD";
/// Response headers that a page may read.
pub const EXPOSED: &str = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, X-Reference, DPoP-Nonce, Preference-Applied";
/// Names of parameters that are repeated from a request, at most.
const MOST_PARAMS: usize = 50;

/// The `Access-Control-Allow-Headers` for what a preflight asks for. Wildcards do not cover prefixes, so each
/// `Mcp-Param-*` is named, after a syntax check.
pub fn allowed_headers(asked: Option<&str>) -> String {
    let params = asked.unwrap_or_default().split(',').map(str::trim);
    let params = params.filter(|name| is_param(name)).take(MOST_PARAMS);
    params.fold(ALLOWED.to_owned(), |mut allowed, name| {
        allowed.push_str(", ");
        allowed.push_str(name);
        allowed
    })
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
        let allowed = allowed_headers(Some(
            "authorization, Mcp-Param-Region, x-evil, mcp-param-a b, mcp-param-",
        ));
        assert!(
            allowed.ends_with("Prefer, Mcp-Param-Region, mcp-param-"),
            "{allowed}"
        );
        assert_eq!(allowed_headers(None), ALLOWED);
    }
}
