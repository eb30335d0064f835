//! From the URL of an MCP server to the authorization server before it (MCP authorization, RFC 9728, RFC 8414).

use net::Operators;
use relying::challenge::Challenge;
use relying::discovery::is_safe;
use relying::protected_resource::{self, metadata, shown};
use thiserror::Error;
use url::Url;

pub use relying::protected_resource::{Discovered, Found};

/// Why nothing was found.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// It is no address that a token may be sent to.
    #[error("{0} is not an https address; http is for this machine alone")]
    Address(String),
    /// It cannot stand behind an issuer.
    #[error("{0:?} is no client id that can be used here")]
    ClientId(String),
    /// The way from a server to its issuer.
    #[error(transparent)]
    Way(#[from] protected_resource::DiscoveryError),
}

/// Reads the URL of a server: over TLS, or on this machine; nothing that could be meant for somebody else.
pub fn server_url(text: &str) -> Result<Url, DiscoveryError> {
    let bad = || DiscoveryError::Address(text.chars().take(200).collect());
    let mut url = Url::parse(text).map_err(|_| bad())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !is_plain || !is_safe(&url) {
        return Err(bad());
    }
    // The same server, however it is typed (MA-42).
    let path = url.path().trim_end_matches('/').to_owned();
    if url.query().is_none() {
        url.set_path(&path);
    }
    Ok(url)
}

/// The name of a sign-in at an issuer itself, for ID tokens: the issuer and, behind `#`, the client that they are for. No
/// URL of a server has a fragment.
pub fn issuer_url(issuer: &str, client_id: &str) -> Result<Url, DiscoveryError> {
    let mut url = server_url(issuer)?;
    url.set_fragment(Some(client_id));
    if client_id.is_empty() || url.fragment() != Some(client_id) {
        return Err(DiscoveryError::ClientId(client_id.chars().take(200).collect()));
    }
    Ok(url)
}

/// What a sign-in is at, as somebody types it: a server's URL, or the name of a sign-in at an issuer itself.
pub fn sign_in_url(text: &str) -> Result<Url, DiscoveryError> {
    match text.split_once('#') {
        Some((issuer, client_id)) => issuer_url(issuer, client_id),
        None => server_url(text),
    }
}

/// Follows what the server said when it refused something, or asks it without a token; whether a person can be sent to what is
/// found is looked at when one is. Of a sign-in at an issuer itself, asks that one.
pub async fn discover(
    http: &Operators,
    server: &Url,
    said: Option<&Challenge>,
) -> Result<Found, DiscoveryError> {
    if server.fragment().is_some() {
        return Ok(Found::Guarded(Box::new(issuer_itself(http, server).await?)));
    }
    Ok(protected_resource::discover(http, server, said, None).await?)
}

/// What an issuer says of itself (OpenID Connect Discovery section 4), and the claims that are asked for.
async fn issuer_itself(
    http: &Operators,
    named: &Url,
) -> Result<Discovered, protected_resource::DiscoveryError> {
    let mut url = named.clone();
    url.set_fragment(None);
    let text = shown(&url);
    // Some write themselves with a slash at the end, and whoever types them does not.
    let metadata = match metadata(http, &url, &text).await {
        Err(protected_resource::DiscoveryError::Issuer { .. }) => {
            metadata(http, &url, &format!("{text}/")).await?
        }
        outcome => outcome?,
    };
    let offered = |scope: &&str| {
        let scopes = metadata["scopes_supported"].as_array();
        scopes.is_some_and(|scopes| scopes.iter().any(|one| one == scope))
    };
    let claims = ["email", "groups"].into_iter().filter(offered);
    let scopes: Vec<_> = std::iter::once("openid").chain(claims).collect();
    Ok(Discovered {
        resource: None,
        issuer: metadata["issuer"].as_str().unwrap_or_default().to_owned(),
        scope: Some(scopes.join(" ")),
        metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        server_url(text).unwrap()
    }

    #[test]
    fn a_server_is_one_however_it_is_typed() {
        for text in [
            "https://gw.test/mcp/a",
            "HTTPS://GW.test:443/mcp/a/",
            "https://gw.test/mcp/./a//",
        ] {
            assert_eq!(shown(&url(text)), "https://gw.test/mcp/a", "{text}");
        }
        assert_eq!(shown(&url("https://gw.test/")), "https://gw.test");
        assert!(server_url("http://127.0.0.1:8000/mcp").is_ok());
        for text in [
            "http://gw.test/mcp",
            "gw.test/mcp",
            "https://u:p@gw.test",
            "file:///etc",
            "javascript:x",
            "",
        ] {
            assert!(server_url(text).is_err(), "{text}");
        }
    }
}
