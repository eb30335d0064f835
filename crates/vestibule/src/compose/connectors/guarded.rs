//! Connectors at the authorization server of an MCP server, found from the server (`oauth.discover`).

use model::ServerName;
use net::strangers::FetchRules;
use net::{Operators, Strangers};
use protocol::Origin;
use relying::Way;
use relying::discovery::is_safe;
use relying::oauth_client::Registration;
use relying::outward::Named;
use url::Url;
use vault::{GuardedServer, Provider};

use crate::compose::{Problems, Sources};
use crate::config::connector;
use crate::config::server::Kind;

/// The one MCP server that names a connector: whoever guards it is the provider, and what they give is for it alone.
pub(super) fn server(
    sources: &Sources<'_>,
    name: &ServerName,
    key: &str,
    problems: &mut Problems,
) -> Option<Url> {
    let config = &sources.loaded.config;
    let naming = config
        .servers
        .values()
        .filter(|server| server.credential.connector.as_ref() == Some(name));
    let urls: Vec<_> = naming
        .clone()
        .filter(|server| server.kind == Kind::Mcp)
        .map(|server| &server.upstream)
        .collect();
    match &urls[..] {
        [url] if naming.count() == 1 && is_safe(url) => Some(Url::clone(url)),
        [_] | [] if urls.iter().any(|url| !is_safe(url)) => {
            problems.add(
                key,
                "needs a server at an https URL: people's credentials go there; http is for this machine alone",
            );
            None
        }
        _ => {
            problems.add(
                key,
                format_args!(
                    "needs one MCP server whose `credential.connector` is {name}, and no other: its authorization server gives tokens for it alone"
                ),
            );
            None
        }
    }
}

/// Whoever guards a server: what is written here is reached wherever it is, and what the server says is a stranger's word.
pub(super) fn provider(
    (wanted, server): (&connector::OAuth, &Url),
    registration: Registration,
    operators: &Operators,
    key: &str,
    problems: &mut Problems,
) -> Option<Provider> {
    let issuer = wanted
        .issuer
        .as_deref()
        .and_then(|issuer| Url::parse(issuer).ok());
    let written = std::iter::once(server).chain(&issuer).filter_map(Origin::of);
    let way = Way::Named(Box::new(Named {
        written: written.collect(),
        operators: operators.clone(),
        strangers: problems.take(key, Strangers::new(FetchRules::default()))?,
    }));
    let server = GuardedServer::new(server.clone(), wanted.issuer.clone(), registration, way);
    Some(Provider::Guards(Box::new(server)))
}

/// Whether what is said beside `discover` leaves something to be found.
pub(super) fn check(wanted: &connector::OAuth, wrong: &mut impl FnMut(&str, &str)) {
    let is_said = [
        wanted.authorization_endpoint.is_some(),
        wanted.token_endpoint.is_some(),
        wanted.revocation_endpoint.is_some(),
        wanted.resource.is_some(),
        wanted.tokens_at.is_some(),
        wanted.scope_separator.is_some(),
        wanted.pkce.is_some(),
    ];
    if is_said.contains(&true) {
        wrong(
            "discover",
            "finds the endpoints, the resource and the ways of the standards: take the endpoints, `resource`, `tokens_at`, `scope_separator` and `pkce` out",
        );
    }
    match &wanted.issuer {
        Some(issuer) if !Url::parse(issuer).is_ok_and(|url| is_safe(&url)) => {
            wrong("issuer", "must be an https URL; http is for this machine alone");
        }
        None if !wanted.registers() => wrong(
            "issuer",
            "is missing: `client_id` is of one issuer, and is shown to no other that the server may come to name",
        ),
        _ => {}
    }
}
