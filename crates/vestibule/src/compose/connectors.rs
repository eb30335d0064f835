//! From `connectors` of the configuration to the vault's, and to the recipes of the servers that name them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use http::HeaderName;
use model::ServerName;
use net::{Egress, Operators};
use relying::discovery::is_safe;
use url::Url;
use vault::{
    Connector, Connectors, Match, PersonalToken, Pointer, Prepared, Recipe, Template, WhoAmI, Whose,
};

use super::{Problems, Sources};
use crate::config;
use crate::config::connector;

mod guarded;
mod oauth;

/// All of them; the way to one about which nothing changed is that of `before`.
pub(super) fn connectors(
    sources: &mut Sources<'_>,
    before: Option<&Connectors>,
    problems: &mut Problems,
) -> Connectors {
    let mut all = Connectors::default();
    for (name, wanted) in &sources.loaded.config.connectors {
        let known = before.and_then(|before| before.find(name.as_str()));
        if let Some(connector) = connector(sources, name, wanted, known, problems) {
            all.by_name.insert(name.clone(), Arc::new(connector));
        }
    }
    for (server, wanted) in &sources.loaded.config.servers {
        let Some(name) = &wanted.credential.connector else {
            continue;
        };
        if sources.loaded.config.connectors.contains_key(name) {
            all.of_server.insert(server.clone(), name.clone());
        } else {
            problems.add(
                format!("servers.{server}.credential.connector"),
                format_args!("there is no connector called {name}; describe it in `connectors`"),
            );
        }
    }
    all
}

fn connector(
    sources: &mut Sources<'_>,
    name: &ServerName,
    wanted: &connector::Connector,
    known: Option<&Arc<Connector>>,
    problems: &mut Problems,
) -> Option<Connector> {
    let before = problems.0.len();
    let key = |member: &str| format!("connectors.{name}.{member}");
    if wanted.personal_token.is_none() && wanted.oauth.is_none() {
        problems.add(
            format!("connectors.{name}"),
            "offers no way to link an account; give `oauth` or `personal_token`",
        );
    }
    if wanted.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        problems.add(
            key("name"),
            "is empty; leave it out, or say what people call the provider",
        );
    }
    if wanted.headers.as_ref().is_some_and(BTreeMap::is_empty) {
        problems.add(
            key("headers"),
            "is empty; leave it out, or say how servers are shown the credential",
        );
    }
    let server = match &wanted.oauth {
        Some(oauth) if oauth.discover => {
            Some(guarded::server(sources, name, &key("oauth.discover"), problems)?)
        }
        _ => None,
    };
    let whose = whose(sources, &key("who_am_i"), wanted, server.as_ref(), problems);
    let identity = identity(sources, &key("identity"), wanted, problems);
    let proxy = wanted
        .proxy
        .as_ref()
        .and_then(|url| problems.take(key("proxy"), url.as_str().parse()));
    let ca = wanted.ca_file.as_deref().map(|path| sources.path(path));
    let egress = Egress {
        look: net::watch::look(&ca.iter().cloned().collect::<Vec<_>>()),
        ca,
        proxy: proxy.map(net::Proxy::Fixed),
        connect_time: Duration::from_secs(5),
        idle_connections: 4,
        ..Egress::default()
    };
    let client = match known.filter(|known| known.egress == egress) {
        Some(known) => known.client.clone(),
        None => problems.take(format!("connectors.{name}"), Operators::new(&egress))?,
    };
    let oauth = match &wanted.oauth {
        Some(wanted) => Some(oauth::oauth(
            sources,
            name,
            &key("oauth"),
            wanted,
            (&client, server.as_ref()),
            problems,
        )?),
        None => None,
    };
    let (whose, identity) = (whose?, identity?);
    (problems.0.len() == before).then(|| Connector {
        name: name.clone(),
        title: wanted.name.clone().unwrap_or_else(|| name.to_string()),
        personal_token: wanted.personal_token.as_ref().map(|token| PersonalToken {
            hint: token.hint.clone(),
            help_url: token.help_url.clone(),
        }),
        oauth,
        place: place(wanted, &identity, server.as_ref()),
        whose,
        identity,
        client,
        egress,
    })
}

/// [`Connector::place`].
fn place(wanted: &connector::Connector, identity: &Match, server: Option<&Url>) -> String {
    let oauth = wanted.oauth.as_ref();
    let oauth = oauth.map(|oauth| (&oauth.client_id, &oauth.issuer, &oauth.token_endpoint));
    let url = wanted.who_am_i.url.as_ref().map_or("", url::Url::as_str);
    let mut place = format!("{url}\n{identity:?}\n{oauth:?}");
    if let Some(server) = server {
        place = format!("{place}\n{server}");
    }
    HEXLOWER.encode(&keys::sha256(place.as_bytes()))
}

/// Who says whose a credential is; of a server whose guard was not described, the server itself.
fn whose(
    sources: &mut Sources<'_>,
    key: &str,
    wanted: &connector::Connector,
    server: Option<&Url>,
    problems: &mut Problems,
) -> Option<Whose> {
    let Some(server) = server.filter(|_| wanted.who_am_i == connector::WhoAmI::default()) else {
        return who_am_i(sources, key, &wanted.who_am_i, problems).map(Whose::Said);
    };
    if wanted.identity.matches != connector::Match::None {
        problems.add(
            key,
            "is needed where something has to be the same there and here: an MCP server does not say whose a token is",
        );
    }
    Some(Whose::Taken(server.clone()))
}

fn who_am_i(
    sources: &mut Sources<'_>,
    key: &str,
    wanted: &connector::WhoAmI,
    problems: &mut Problems,
) -> Option<WhoAmI> {
    let (Some(url), Some(id)) = (&wanted.url, &wanted.id) else {
        problems.add(
            key,
            "needs `url` and `id`: where the provider says whose a credential is; or name a provider in `preset` that is known",
        );
        return None;
    };
    if !is_safe(url) {
        problems.add(
            format!("{key}.url"),
            "must be an https URL: people's credentials go there; http is for this machine alone",
        );
    }
    let templates = templates(
        sources,
        &format!("{key}.headers"),
        &shown(wanted.headers.as_ref()),
        problems,
    )?;
    if !templates.iter().any(|(_, template)| template.is_personal()) {
        problems.add(
            format!("{key}.headers"),
            "must show the credential: write ${connection} where it belongs",
        );
    }
    let mut headers: Vec<(HeaderName, Prepared)> = Vec::new();
    for (name, template) in templates {
        let prepared = problems.take(
            format!("{key}.headers.{name}"),
            template.prepare(sources.environment),
        )?;
        headers.push((name, prepared));
    }
    let mut pointer = |member: &str, text: &str| -> Option<Pointer> {
        problems.take(format!("{key}.{member}"), text.parse())
    };
    let id = pointer("id", id);
    let name = wanted.name.as_ref().and_then(|text| pointer("name", text));
    let email = wanted.email.as_ref().and_then(|text| pointer("email", text));
    Some(WhoAmI {
        url: url.clone(),
        headers,
        id: id?,
        name,
        email,
    })
}

fn identity(
    sources: &Sources<'_>,
    key: &str,
    wanted: &connector::Connector,
    problems: &mut Problems,
) -> Option<Match> {
    let (who, identity) = (&wanted.who_am_i, &wanted.identity);
    let is_needed = identity.matches == connector::Match::LinkedSubject;
    let is_possible = is_needed || identity.matches == connector::Match::Username;
    if (is_needed && identity.provider.is_none()) || (!is_possible && identity.provider.is_some()) {
        problems.add(
            key,
            "`match: linked_subject` needs a `provider`, which `match: username` may have and no other",
        );
        return None;
    }
    let sign_in = &sources.loaded.config.sign_in;
    match (identity.matches, &identity.provider) {
        (connector::Match::Username, _) if who.name.is_none() => {
            problems.add(
                key,
                "compares the username, so `who_am_i.name` must say where it is",
            );
            None
        }
        (connector::Match::Email, _) if who.email.is_none() => {
            problems.add(
                key,
                "compares the address, so `who_am_i.email` must say where it is",
            );
            None
        }
        (connector::Match::LinkedSubject, Some(name)) => {
            let provider = sign_in.providers.get(name);
            if provider.is_none() {
                problems.add(
                    key,
                    format_args!("there is no provider called {name} in `sign_in.providers`"),
                );
            }
            provider.map(|provider| Match::Subject(provider.issuer().to_owned()))
        }
        (connector::Match::Username, Some(name)) => {
            let provider = sign_in
                .providers
                .get(name)
                .map(|provider| provider.issuer().to_owned());
            let directory = sign_in.directories.get(name);
            let issuer = provider.or_else(|| directory.map(|directory| directory.issuer(name)));
            if issuer.is_none() {
                problems.add(
                    key,
                    format_args!(
                        "there is no {name} in `sign_in.providers`, and none in `sign_in.directories`"
                    ),
                );
            }
            issuer.map(|issuer| Match::UsernameFrom {
                company: name.clone(),
                issuer,
            })
        }
        (connector::Match::Username, None) => Some(Match::Username),
        (connector::Match::Email, _) => Some(Match::Email),
        _ => Some(Match::Nothing),
    }
}

/// What is said, or what is usual.
fn shown(headers: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    headers.cloned().unwrap_or_else(connector::usual_headers)
}

/// Headers with their templates.
pub(super) fn templates(
    sources: &mut Sources<'_>,
    key: &str,
    headers: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Option<Vec<(HeaderName, Template)>> {
    let mut templates = Vec::new();
    let mut good = true;
    for (header, text) in headers {
        let key = format!("{key}.{header}");
        let name: Option<HeaderName> = problems.take(&key, header.parse());
        let template = problems.take(&key, Template::parse(text, &sources.loaded.folder));
        match (name, template) {
            (Some(name), Some(template)) => templates.push((name, template)),
            _ => good = false,
        }
    }
    good.then_some(templates)
}

/// How a server is shown a person's credential: by those of its own headers that say `${connection}`, or else by the
/// connector's.
pub(super) fn recipe(
    sources: &mut Sources<'_>,
    connectors: &Connectors,
    server: &config::Server,
    key: &str,
    own: Vec<(HeaderName, Template)>,
    problems: &mut Problems,
) -> Option<Recipe> {
    // Whatever is wrong with the connector has been said.
    let name = server.credential.connector.as_ref()?;
    let connector = connectors.find(name.as_str())?;
    let mut templates = own;
    if templates.is_empty() {
        let usual = shown(sources.loaded.config.connectors.get(name)?.headers.as_ref());
        templates = self::templates(sources, &format!("connectors.{name}.headers"), &usual, problems)?;
    }
    if !templates.iter().any(|(_, template)| template.is_personal()) {
        problems.add(
            key,
            "shows the server nothing of the connection: write ${connection} where it belongs",
        );
    }
    problems.take(
        key,
        Recipe::new(Arc::clone(connector), templates, sources.environment),
    )
}
