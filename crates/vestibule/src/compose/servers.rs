//! From a server of the configuration to a route.

use std::sync::Arc;

use gateway::{Assertion, Concurrency, Kind, Pinning, Route, Timeouts, Transport};
use http::Uri;
use issuer::{AllPrograms, Machines, Programs, Resource};
use model::{Requirements, ServerName};
use net::{Egress, Operators};
use policy::Policies;
use protocol::Origin;
use vault::{Connectors, Recipe, SharedCredential};

use super::{Problems, Sources, arguments, connectors, quotas, requirements};
use crate::config;

/// Idle connections that are kept to one upstream.
const IDLE_CONNECTIONS: usize = 256;

/// Makes a route; the way there is the one of `before` if nothing about it changed.
pub(super) fn route(
    sources: &mut Sources<'_>,
    (policies, connectors, machines): (&Arc<Policies>, &Connectors, (&Machines, &Arc<AllPrograms>)),
    public: &Origin,
    name: &ServerName,
    server: &config::Server,
    before: Option<&Arc<Route>>,
    problems: &mut Problems,
) -> Option<Route> {
    let key = |member: &str| format!("servers.{name}.{member}");
    if !matches!(server.upstream.scheme(), "http" | "https") || server.upstream.host().is_none() {
        problems.add(key("upstream"), "must be an http or https URL");
        return None;
    }
    if !server.upstream.username().is_empty() || server.upstream.password().is_some() {
        problems.add(
            key("upstream"),
            "must not hold a user name or password; put the credential in `credential.headers`",
        );
        return None;
    }
    let uri: Option<Uri> = problems.take(key("upstream"), server.upstream.as_str().parse());
    let credential = credential(sources, connectors, &key("credential.headers"), server, problems);
    let strip = server.credential.strip.iter();
    let strip: Option<Vec<_>> = strip
        .map(|text| problems.take(key("credential.strip"), text.parse()))
        .collect();
    let egress = egress(sources, &key("proxy"), server, problems);
    let assertion = match &server.assertion {
        Some(wanted) => Some(problems.take(key("assertion.header"), assertion(wanted, server))?),
        None => None,
    };
    let api = super::api::api(name, server, problems);
    let accepts = accepts(&key("accept"), server, problems);
    let trust = super::issuers::trusts(&sources.issuers, public, name, server, problems);
    let (uri, (credential, recipe), egress) = (uri?, credential?, egress?);
    let (accepts, trust, strip) = (accepts?, trust, strip?);
    let unchanged = before.filter(|before| before.egress == egress && before.upstream == server.upstream);
    let client = match before.filter(|before| before.egress == egress) {
        Some(before) => before.client.clone(),
        None => problems.take(format!("servers.{name}"), Operators::new(&egress))?,
    };
    let old_tokens = match &server.legacy {
        Some(wanted) => {
            let key = key("legacy");
            Some(super::legacy::old_tokens(
                sources, &key, wanted, &client, problems,
            )?)
        }
        None => None,
    };
    Some(Route {
        resource: Arc::new(Resource {
            require: requirements::of_server(&sources.loaded.config, server.require.as_ref()),
            programs: machines.0.of(name, machines.1),
            ..resource(policies, public, name, server)
        }),
        accepts,
        trust,
        old_tokens,
        upstream: server.upstream.clone(),
        uri,
        transport: match server.transport {
            config::Transport::Streamable => Transport::Streamable,
            config::Transport::Sse => Transport::Sse,
        },
        api,
        client,
        egress,
        credential,
        recipe,
        strip,
        identity_headers: server.identity_headers,
        assertion,
        body_limit: server.most_of_a_body(),
        timeouts: Timeouts {
            first_byte: server.timeouts.first_byte.0,
            idle: server.timeouts.idle.0,
            longest: server.timeouts.longest.0,
            body: server.timeouts.body.0,
        },
        trust_annotations: server.trust_annotations,
        pinning: match server.pinning {
            config::Pinning::Off => Pinning::Off,
            config::Pinning::Warn => Pinning::Warn,
            config::Pinning::Hold => Pinning::Hold,
        },
        kept_arguments: arguments::of(name, &sources.loaded.config.audit.arguments),
        quotas: quotas::of(name, &sources.loaded.config.quotas),
        concurrency: server.concurrency.as_ref().map(|limit| Concurrency {
            calls: limit.calls.get() as usize,
            wait: limit.wait.0,
        }),
        share: before.map(|before| Arc::clone(&before.share)).unwrap_or_default(),
        health: unchanged
            .map(|before| Arc::clone(&before.health))
            .unwrap_or_default(),
        metrics: before
            .map(|before| Arc::clone(&before.metrics))
            .unwrap_or_default(),
        contact: sources.loaded.config.contact.clone(),
    })
}

fn accepts(key: &str, server: &config::Server, problems: &mut Problems) -> Option<Vec<Kind>> {
    let usual: &[config::Accept] = match server.auth {
        config::Auth::Issuer => &[config::Accept::Jwt],
        config::Auth::Vestibule | config::Auth::Both => &[config::Accept::Jwt, config::Accept::ServiceToken],
    };
    let kinds: Vec<_> = server
        .accept
        .as_deref()
        .unwrap_or(usual)
        .iter()
        .map(|kind| match kind {
            config::Accept::Jwt => Kind::Jwt,
            config::Accept::ServiceToken => Kind::ServiceToken,
            config::Accept::Legacy => Kind::Legacy,
        })
        .collect();
    if kinds.contains(&Kind::Legacy) != server.legacy.is_some() {
        problems.add(
            key,
            "tokens of the time before need both: `legacy` in this list, and the section `legacy` that says which",
        );
        return None;
    }
    if kinds.is_empty() {
        problems.add(key, "must name at least one kind of token; nobody could call");
        return None;
    }
    Some(kinds)
}

fn resource(
    policies: &Arc<Policies>,
    public: &Origin,
    name: &ServerName,
    server: &config::Server,
) -> Resource {
    Resource {
        name: name.clone(),
        title: server.title.clone().unwrap_or_else(|| name.to_string()),
        uri: format!("{public}{}{name}", server.kind.path()),
        policy: Arc::new(policies.of(name)),
        algorithm: server.signing,
        introspectors: server.introspection_clients.clone(),
        require: Requirements::default(),
        programs: Programs::default(),
    }
}

/// What is the same for every caller, and what is each caller's own.
fn credential(
    sources: &mut Sources<'_>,
    connectors: &Connectors,
    key: &str,
    server: &config::Server,
    problems: &mut Problems,
) -> Option<(SharedCredential, Option<Recipe>)> {
    let templates = connectors::templates(sources, key, &server.credential.headers, problems)?;
    let (shared, own): (Vec<_>, Vec<_>) = if server.credential.connector.is_some() {
        templates
            .into_iter()
            .partition(|(_, template)| !template.is_personal())
    } else {
        (templates, Vec::new())
    };
    let recipe = connectors::recipe(sources, connectors, server, key, own, problems);
    let shared = problems.take(key, SharedCredential::new(shared, sources.environment))?;
    Some((shared, recipe))
}

fn egress(
    sources: &mut Sources<'_>,
    proxy_key: &str,
    server: &config::Server,
    problems: &mut Problems,
) -> Option<Egress> {
    let proxy = match &server.proxy {
        Some(url) => Some(problems.take(proxy_key, url.as_str().parse())?),
        None => None,
    };
    let certificate = server.client_certificate.as_ref();
    let ca = server.ca_file.as_deref().map(|path| sources.path(path));
    let client_certificate =
        certificate.map(|tls| (sources.path(&tls.certificate_file), sources.path(&tls.key_file)));
    let pair = client_certificate
        .iter()
        .flat_map(|(certificate, key)| [certificate, key]);
    let files: Vec<_> = ca.iter().chain(pair).cloned().collect();
    Some(Egress {
        look: net::watch::look(&files),
        ca,
        client_certificate,
        proxy: proxy.map(net::Proxy::Fixed),
        connect_time: server.timeouts.connect.0,
        idle_connections: IDLE_CONNECTIONS,
    })
}

fn assertion(
    wanted: &config::Assertion,
    server: &config::Server,
) -> Result<Assertion, http::header::InvalidHeaderName> {
    Ok(Assertion {
        header: wanted.header.parse()?,
        audience: wanted
            .audience
            .clone()
            .unwrap_or_else(|| server.upstream.to_string()),
    })
}
