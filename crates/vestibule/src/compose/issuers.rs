//! From the trusted issuers of the configuration to what checks their tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Routes, Trusts};
use model::ServerName;
use net::{Egress, Operators};
use protocol::Origin;
use relying::discovery::is_safe;
use relying::key_set::Source;
use relying::{ClaimNames, ClaimPath, Trust, TrustedIssuer};
use url::Url;

use super::{Problems, Sources};
use crate::config::{self, Auth};

/// Algorithms whose signatures can be checked.
const ALGORITHMS: [&str; 6] = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"];
/// The longest leeway.
const LEEWAY: Duration = Duration::from_mins(5);

type Issuers = HashMap<String, Arc<TrustedIssuer>>;

/// All of them; one about which nothing changed is that of `before`, with its keys.
pub(super) fn issuers(
    sources: &mut Sources<'_>,
    before: Option<&Routes>,
    problems: &mut Problems,
) -> Issuers {
    let config = &sources.loaded.config;
    let mut issuers = HashMap::new();
    for (name, issuer) in &config.trusted_issuers {
        let known = before.and_then(|routes| routes.issuers.get(name));
        if let Some(made) = trusted(sources, name, issuer, known, problems) {
            issuers.insert(name.clone(), made);
        }
    }
    issuers
}

fn trusted(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &config::TrustedIssuer,
    known: Option<&Arc<TrustedIssuer>>,
    problems: &mut Problems,
) -> Option<Arc<TrustedIssuer>> {
    let key = |member: &str| format!("trusted_issuers.{name}.{member}");
    // It becomes a part of client ids and usernames.
    let checked: Option<ServerName> = problems.take(format!("trusted_issuers.{name}"), name.parse());
    checked?;
    let mut good = true;
    let mut wrong = |key: String, text: &str| {
        problems.add(key, text);
        good = false;
    };
    let url = Url::parse(&wanted.issuer).ok();
    if !url.is_some_and(|url| is_safe(&url) && url.query().is_none() && url.fragment().is_none()) {
        wrong(
            key("issuer"),
            "must be an https URL; http is for this machine alone",
        );
    }
    if wanted.jwks_uri.as_ref().is_some_and(|url| !is_safe(url)) {
        wrong(
            key("jwks_uri"),
            "must be an https URL; http is for this machine alone",
        );
    }
    let odd = |algorithm: &String| !ALGORITHMS.contains(&algorithm.as_str());
    if wanted.algorithms.is_empty() || wanted.algorithms.iter().any(odd) {
        wrong(
            key("algorithms"),
            "must be some of RS256, PS256, ES256, ES384, EdDSA",
        );
    }
    if wanted.typ.is_empty() {
        wrong(
            key("typ"),
            "must name at least one type; `none` stands for tokens without one",
        );
    }
    if wanted.leeway.0 > LEEWAY {
        wrong(key("leeway"), "may be 5m at most");
    }
    let claims = claims(name, &wanted.claims, problems);
    let proxy = match &wanted.proxy {
        Some(url) => Some(problems.take(key("proxy"), url.as_str().parse())?),
        None => None,
    };
    let claims = claims.filter(|_| good)?;
    let ca = wanted.ca_file.as_deref().map(|path| sources.path(path));
    let egress = Egress {
        look: net::watch::look(&ca.iter().cloned().collect::<Vec<_>>()),
        ca,
        proxy: proxy.map(net::Proxy::Fixed),
        connect_time: Duration::from_secs(5),
        idle_connections: 1,
        ..Egress::default()
    };
    let trust = Trust {
        name: name.to_owned(),
        issuer: wanted.issuer.clone(),
        keys: match &wanted.jwks_uri {
            Some(url) => Source::At(url.clone()),
            None => Source::Of(wanted.issuer.clone()),
        },
        algorithms: wanted.algorithms.clone(),
        types: wanted.typ.iter().map(|typ| media_type(typ)).collect(),
        leeway: wanted.leeway.0,
        id_tokens: wanted.id_tokens,
        claims,
        mcp_scope: wanted.mcp_scope.clone(),
        keep_keys: wanted.keep_keys.0,
        create_accounts: wanted.create_accounts,
        assurance: wanted
            .assurance
            .iter()
            .map(|(acr, class)| (acr.clone(), (*class).into()))
            .collect(),
    };
    if let Some(known) = known.filter(|known| known.trust == trust && known.egress == egress) {
        return Some(Arc::clone(known));
    }
    let client = problems.take(format!("trusted_issuers.{name}"), Operators::new(&egress))?;
    Some(Arc::new(TrustedIssuer::new(trust, egress, client)))
}

/// As heads of tokens are compared (RFC 7515 section 4.1.9); nothing for `none`.
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "none" => String::new(),
        typ => typ.to_owned(),
    }
}

fn claims(
    name: &str,
    wanted: &config::trusted_issuer::Claims,
    problems: &mut Problems,
) -> Option<ClaimNames> {
    let before = problems.0.len();
    let mut path = |member: &str, text: &Option<String>| -> Option<ClaimPath> {
        let key = format!("trusted_issuers.{name}.claims.{member}");
        problems.take(key, text.as_deref()?.parse())
    };
    let names = ClaimNames {
        username: path("username", &wanted.username),
        name: path("name", &wanted.name),
        email: path("email", &wanted.email),
        groups: path("groups", &wanted.groups),
        scopes: path("scopes", &wanted.scopes),
    };
    (problems.0.len() == before).then_some(names)
}

/// Whose tokens a server takes beside ours, or in place of them. None too where something is wrong, which is noted.
pub(super) fn trusts(
    issuers: &Issuers,
    public: &Origin,
    name: &ServerName,
    server: &config::Server,
    problems: &mut Problems,
) -> Option<Trusts> {
    let key = |member: &str| format!("servers.{name}.{member}");
    let wanted = match (server.auth, &server.issuer) {
        (Auth::Vestibule, None) if server.audiences.is_empty() => return None,
        (Auth::Vestibule, _) => {
            problems.add(
                key("auth"),
                "must be `issuer` or `both` where `issuer` or `audiences` is given",
            );
            return None;
        }
        (_, None) => {
            problems.add(key("issuer"), "is missing: say which of `trusted_issuers`");
            return None;
        }
        (_, Some(wanted)) => wanted,
    };
    let Some(issuer) = issuers.get(wanted) else {
        let text = format!("there is no sound trusted issuer called {wanted}");
        problems.add(key("issuer"), text);
        return None;
    };
    let audiences = match server.audiences.as_slice() {
        [] => vec![format!("{public}{}{name}", server.kind.path())],
        named => named.to_vec(),
    };
    Some(Trusts {
        issuer: Arc::clone(issuer),
        audiences,
        alone: server.auth == Auth::Issuer,
    })
}

/// MA-50: no audience may mean two servers.
pub(super) fn no_audience_twice(routes: &HashMap<ServerName, Arc<gateway::Route>>, problems: &mut Problems) {
    let mut taken = HashMap::<(&str, &str), &ServerName>::new();
    let mut names: Vec<_> = routes.keys().collect();
    names.sort();
    for name in names {
        let Some(trust) = routes.get(name).and_then(|route| route.trust.as_ref()) else {
            continue;
        };
        for audience in &trust.audiences {
            let issuer = trust.issuer.trust.issuer.as_str();
            if let Some(other) = taken.insert((issuer, audience), name) {
                problems.add(
                    format!("servers.{name}.audiences"),
                    format_args!(
                        "{audience} means {other} already; a token for one server would count at the other"
                    ),
                );
            }
        }
    }
}
