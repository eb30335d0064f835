//! Pages of other sites that call (CC-6, DEC-15).

use std::str::FromStr as _;

use http::{HeaderMap, header};
use protocol::Origin;
use tracing::debug;

use crate::refusal::Refusal;
use crate::route::Routes;

/// A page of another site is refused where cookies or a laptop's loopback could lend it rights (CC-6).
/// Elsewhere a bearer token outweighs it, because nothing ambient goes with a request.
pub(crate) fn check(routes: &Routes, headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(header::ORIGIN) {
        let known = value.to_str().ok().and_then(|text| Origin::from_str(text).ok());
        if known.is_some_and(|origin| routes.origin_is_allowed(&origin)) {
            continue;
        }
        if routes.origin_is_binding() {
            return Err(Refusal::Origin);
        }
        debug!(origin = ?value, "a request came from a page of an unknown origin");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use protocol::{Issuer, Origins};

    fn routes(public: &str, allowed: &[&str]) -> Routes {
        let public: Origin = public.parse().unwrap();
        Routes {
            issuer: Issuer::of(&public),
            origins: Origins::new(public, vec![]),
            title: String::new(),
            allowed_origins: allowed.iter().map(|origin| origin.parse().unwrap()).collect(),
            keep_alive: Duration::from_secs(15),
            issuers: std::collections::HashMap::new(),
            servers: std::collections::HashMap::new(),
        }
    }

    #[test]
    fn cc_6_dec_15_on_a_public_name_a_token_outweighs_a_foreign_origin() {
        let verdict = |routes: &Routes, origin: &'static str| {
            let headers = HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
            check(routes, &headers).is_ok()
        };
        let foreign = "https://evil.example";
        let public = routes("https://mcp.example.com", &[]);
        assert!(verdict(&public, foreign) && verdict(&public, "null"));
        let listed = routes("https://mcp.example.com", &["https://chat.example"]);
        assert!(verdict(&listed, "https://chat.example") && verdict(&listed, "https://mcp.example.com"));
        assert!(!verdict(&listed, foreign) && !verdict(&listed, "http://localhost:6274"));
        let laptop = routes("http://127.0.0.1:8080", &[]);
        assert!(verdict(&laptop, "http://localhost:6274"));
        assert!(!verdict(&laptop, foreign) && !verdict(&laptop, "null"));
    }
}
