//! Resource indicators (RFC 8707): folding every spelling of one of our endpoints onto its canonical URI.

use thiserror::Error;
use url::Url;

use crate::origin::{Origin, Origins};

/// Not a resource of this server; answered with `invalid_target`.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum ResourceError {
    /// Not an absolute URI, or with a fragment (MA-41).
    #[error("resource {0:?} is not an absolute URI without fragment")]
    Malformed(String),
    /// A URI of somebody else.
    #[error("resource {0:?} is not on this server; it begins with {1}")]
    Foreign(String, String),
}

/// The canonical path of a resource on our origin: no query, no final slash; empty for the origin itself.
///
/// Scheme and host are compared without case, a default port is dropped, and an alias of the public origin
/// counts as it (DEC-10, CC-69, MA-43). That leniency never applies to issuers (MA-44).
pub fn canonical_path(resource: &str, origins: &Origins) -> Result<String, ResourceError> {
    let shown = || resource.chars().take(200).collect::<String>();
    let malformed = || ResourceError::Malformed(shown());
    if resource.len() > 2048 || resource.contains(['#', '\\']) || resource.chars().any(char::is_control) {
        return Err(malformed());
    }
    let url = Url::parse(resource).map_err(|_| malformed())?;
    let ours = Origin::of(&url).is_some_and(|origin| origins.contains(&origin))
        && url.username().is_empty()
        && url.password().is_none();
    if !ours {
        return Err(ResourceError::Foreign(shown(), origins.public().to_string()));
    }
    Ok(url.path().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(resource: &str) -> Result<String, ResourceError> {
        canonical_path(
            resource,
            &Origins::new("https://gw.test".parse().unwrap(), vec![]),
        )
    }

    /// MA-42, MA-43.
    #[test]
    fn dec_10_folds_every_spelling() {
        for spelling in [
            "https://gw.test/mcp/dev",
            "https://gw.test/mcp/dev/",
            "https://gw.test/mcp/dev//",
            "HTTPS://GW.Test/mcp/dev",
            "https://gw.test:443/mcp/dev",
            "https://gw.test/mcp/dev?x=1",
            "https://gw.test/mcp/./dev",
        ] {
            assert_eq!(fold(spelling).as_deref(), Ok("/mcp/dev"), "{spelling}");
        }
        assert_eq!(fold("https://gw.test").as_deref(), Ok(""));
        assert_eq!(fold("https://gw.test/").as_deref(), Ok(""));
        assert_eq!(fold("https://gw.test/mcp").as_deref(), Ok("/mcp"));
    }

    #[test]
    fn ma_41_ma_45_refuses_the_rest() {
        for bad in [
            "gw.test/mcp/dev",
            "https://gw.test/mcp/dev#x",
            "https://evil.test/mcp/dev",
            "http://gw.test/mcp/dev",
            "https://gw.test:8443/mcp/dev",
            "https://gw.test@evil.test/mcp/dev",
            "https://evil.test\\@gw.test/mcp/dev",
            "https://u@gw.test/mcp/dev",
            "urn:x",
            "",
        ] {
            assert!(fold(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn case_in_the_path_is_kept() {
        assert_eq!(fold("https://gw.test/mcp/Dev").as_deref(), Ok("/mcp/Dev"));
    }
}
