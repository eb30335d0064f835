//! From the configuration to who acts without a person being there.

use issuer::{Exchange, Machine, Machines, Workload};
use model::{ServerName, Username};
use protocol::Scopes;

use super::{Problems, Sources};
use crate::config::machine::{ClientCredentials, TokenExchange};
use crate::config::values::Span;
use crate::config::{self, Auth, Config};

/// All of them.
pub(super) fn machines(sources: &Sources<'_>, problems: &mut Problems) -> Machines {
    let config = &sources.loaded.config;
    let mut machines = Machines::default();
    for (id, client) in &config.clients {
        let key = format!("clients.{id}");
        let is_public =
            client.secret_file.is_none() && client.jwks_uri.is_none() && client.jwks_file.is_none();
        let for_itself = client.client_credentials.is_some() || client.token_exchange.is_some();
        if for_itself && is_public {
            problems.add(
                &key,
                "needs secret_file, jwks_uri or jwks_file: who only says a name has proved nothing",
            );
        }
        if let Some(wanted) = &client.client_credentials {
            let ClientCredentials {
                account,
                servers,
                scope,
                lifetime,
            } = wanted;
            let key = format!("{key}.client_credentials");
            let machine = machine(config, &key, (account, servers, scope, *lifetime), problems);
            machines.clients.insert(id.clone(), machine);
        }
        if let Some(TokenExchange { from, to, scope }) = &client.token_exchange {
            let key = format!("{key}.token_exchange");
            are_servers(config, &format!("{key}.from"), from, problems);
            are_servers(config, &format!("{key}.to"), to, problems);
            let exchange = Exchange {
                from: from.clone(),
                to: to.clone(),
                scope: Scopes::parse(scope),
            };
            machines.exchanges.insert(id.clone(), exchange);
        }
    }
    for (name, wanted) in &config.workloads {
        machines
            .workloads
            .extend(workload(sources, name, wanted, problems));
    }
    machines
}

fn workload(
    sources: &Sources<'_>,
    name: &str,
    wanted: &config::Workload,
    problems: &mut Problems,
) -> Option<Workload> {
    let key = |member: &str| format!("workloads.{name}.{member}");
    let config = &sources.loaded.config;
    // It becomes a part of client ids.
    let checked: Option<ServerName> = problems.take(format!("workloads.{name}"), name.parse());
    checked?;
    let what = (&wanted.account, &wanted.servers, &wanted.scope, wanted.lifetime);
    let machine = machine(config, &format!("workloads.{name}"), what, problems);
    if wanted.subjects.is_empty() {
        problems.add(key("subjects"), "must name somebody");
    }
    let before = problems.0.len();
    let subjects = wanted.subjects.iter();
    let subjects = subjects.filter_map(|text| problems.take(key("subjects"), text.parse()));
    let subjects = subjects.collect();
    let mut claims = Vec::new();
    for (claim, pattern) in &wanted.claims {
        let key = key(&format!("claims.{claim}"));
        let claim = problems.take(key.clone(), claim.parse());
        let pattern = problems.take(key, pattern.parse());
        claims.extend(claim.zip(pattern));
    }
    let Some(issuer) = sources.issuers.get(&wanted.issuer) else {
        let text = format!("there is no sound trusted issuer called {}", wanted.issuer);
        problems.add(key("issuer"), text);
        return None;
    };
    // Tokens of this door say who may call a server, and never who somebody is (OS-83).
    if config
        .public_url
        .as_ref()
        .is_some_and(|url| is_same(url, &issuer.trust.issuer))
    {
        problems.add(key("issuer"), "is this door itself");
    }
    (problems.0.len() == before).then(|| Workload {
        name: name.to_owned(),
        issuer: std::sync::Arc::clone(issuer),
        audience: wanted.audience.clone(),
        subjects,
        claims,
        machine,
    })
}

fn is_same(url: &impl ToString, issuer: &str) -> bool {
    url.to_string().trim_end_matches('/') == issuer.trim_end_matches('/')
}

type Wanted<'a> = (&'a Username, &'a Vec<ServerName>, &'a String, Option<Span>);

fn machine(
    config: &Config,
    key: &str,
    (account, servers, scope, lifetime): Wanted<'_>,
    problems: &mut Problems,
) -> Machine {
    are_servers(config, &format!("{key}.servers"), servers, problems);
    let lifetime = lifetime.map_or(config.lifetimes.access_token.0, |span| span.0);
    if lifetime > config.lifetimes.access_token.0 {
        problems.add(
            format!("{key}.lifetime"),
            "may be `lifetimes.access_token` at most",
        );
    }
    Machine {
        account: account.clone(),
        servers: servers.clone(),
        scope: Scopes::parse(scope),
        lifetime,
    }
}

/// Servers that take tokens of ours.
fn are_servers(config: &Config, key: &str, servers: &[ServerName], problems: &mut Problems) {
    if servers.is_empty() {
        problems.add(key, "must name a server");
    }
    for name in servers {
        match config.servers.get(name) {
            Some(server) if server.auth == Auth::Issuer => {
                problems.add(key, format_args!("{name} takes no tokens of this door"));
            }
            Some(_) => {}
            None => problems.add(key, format_args!("there is no server called {name}")),
        }
    }
}
