//! From `sign_in` of the configuration to the ways in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::{Assurance, ExposeSecret as _, SecretString, ServerName};
use net::{Egress, Operators};
use people::ways::{Rules, Words};
use people::{Provider, Ways};
use relying::discovery::is_safe;
use relying::{ClaimNames, ClaimPath, ClientAuthentication, OpenIdProvider, Relation};
use url::Url;
use vault::Template;

use super::directories::directories;
use super::{Problems, Sources};
use crate::config;
use crate::config::require::Class;
use crate::config::sign_in::{AccountsAt, Authentication};

/// The longest leeway.
const LEEWAY: Duration = Duration::from_mins(5);

/// All of them; how to ask a provider about which nothing changed is that of `before`, with what is known of it.
pub(super) fn ways(sources: &mut Sources<'_>, before: Option<&Ways>, problems: &mut Problems) -> Ways {
    let wanted = &sources.loaded.config.sign_in;
    if !wanted.passwords && wanted.providers.is_empty() && wanted.directories.is_empty() {
        problems.add(
            "sign_in.passwords",
            "is false and there is no provider: nobody could sign in; name one in `sign_in.providers`, or a directory in `sign_in.directories`",
        );
    }
    no_two_alike(wanted, problems);
    for (name, provider) in &wanted.providers {
        // Commands name both by these names.
        let trusted = sources.loaded.config.trusted_issuers.get(name);
        if trusted.is_some_and(|trusted| trusted.issuer != provider.issuer) {
            problems.add(
                format!("sign_in.providers.{name}"),
                "trusted_issuers has another issuer of this name; give one of them another name",
            );
        }
    }
    for name in wanted.directories.keys() {
        let config = &sources.loaded.config;
        if config.trusted_issuers.contains_key(name) || wanted.providers.contains_key(name) {
            problems.add(
                format!("sign_in.directories.{name}"),
                "a provider or a trusted issuer has this name; give one of them another name",
            );
        }
    }
    let mut providers = Vec::new();
    for (name, provider) in &wanted.providers {
        let known = before.and_then(|ways| ways.provider(name));
        providers.extend(self::provider(sources, name, provider, known, problems));
    }
    Ways {
        passwords: wanted.passwords,
        providers: providers.into_iter().map(Arc::new).collect(),
        directories: directories(sources, before, problems),
    }
}

/// An issuer that two names stand for would make two people of one; a domain is of one provider.
fn no_two_alike(wanted: &config::SignIn, problems: &mut Problems) {
    let mut issuers = HashMap::new();
    let mut domains = HashMap::new();
    let mut prefixes = HashMap::new();
    for (name, directory) in &wanted.directories {
        if let Some(prefix) = &directory.group_prefix
            && let Some(other) = prefixes.insert(prefix, name)
        {
            problems.add(
                format!("sign_in.directories.{name}.group_prefix"),
                format_args!("is that of {other} already"),
            );
        }
    }
    for (name, provider) in &wanted.providers {
        if let Some(other) = issuers.insert(&provider.issuer, name) {
            problems.add(
                format!("sign_in.providers.{name}.issuer"),
                format_args!("is that of {other} already"),
            );
        }
        if let Some(prefix) = &provider.group_prefix
            && let Some(other) = prefixes.insert(prefix, name)
        {
            problems.add(
                format!("sign_in.providers.{name}.group_prefix"),
                format_args!("is that of {other} already"),
            );
        }
        for domain in &provider.domains {
            if let Some(other) = domains.insert(domain.to_ascii_lowercase(), name) {
                problems.add(
                    format!("sign_in.providers.{name}.domains"),
                    format_args!("{domain} is of {other} already"),
                );
            }
        }
    }
}

fn provider(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &config::sign_in::Provider,
    known: Option<&Arc<Provider>>,
    problems: &mut Problems,
) -> Option<Provider> {
    let before = problems.0.len();
    let key = |member: &str| format!("sign_in.providers.{name}.{member}");
    // It becomes a part of addresses and usernames.
    let _: Option<ServerName> = problems.take(format!("sign_in.providers.{name}"), name.parse());
    check(name, wanted, problems);
    let secret = secret(sources, name, wanted, problems);
    let claims = claims(name, &wanted.claims, problems);
    let proxy = wanted
        .proxy
        .as_ref()
        .and_then(|url| problems.take(key("proxy"), url.as_str().parse()));
    let ca = wanted.ca_file.as_deref().map(|path| sources.path(path));
    if problems.0.len() > before {
        return None;
    }
    let egress = Egress {
        look: net::watch::look(&ca.iter().cloned().collect::<Vec<_>>()),
        ca,
        proxy,
        connect_time: Duration::from_secs(5),
        idle_connections: 1,
        ..Egress::default()
    };
    let relation = Relation {
        issuer: wanted.issuer.clone(),
        client_id: wanted.client_id.clone(),
        secret,
        authentication: wanted.authentication.map(|authentication| match authentication {
            Authentication::Basic => ClientAuthentication::Basic,
            Authentication::Post => ClientAuthentication::Post,
            Authentication::None => ClientAuthentication::None,
        }),
        scope: wanted.scopes.join(" "),
        claims,
        leeway: wanted.leeway.0,
    };
    let same =
        known.filter(|known| known.openid.relation.is_same(&relation) && known.openid.egress == egress);
    let openid = match same {
        Some(known) => Arc::clone(&known.openid),
        None => {
            let client = problems.take(format!("sign_in.providers.{name}"), Operators::new(&egress))?;
            Arc::new(OpenIdProvider::new(relation, egress, client))
        }
    };
    Some(Provider {
        name: name.to_owned(),
        title: wanted.name.clone().unwrap_or_else(|| name.to_owned()),
        openid,
        rules: rules(wanted),
    })
}

fn rules(wanted: &config::sign_in::Provider) -> Rules {
    Rules {
        create_accounts: wanted.accounts == AccountsAt::Create,
        domains: wanted
            .domains
            .iter()
            .map(|domain| domain.to_ascii_lowercase())
            .collect(),
        require_groups: wanted.require_groups.clone(),
        link_by_verified_email: wanted.link_by_verified_email,
        groups: wanted.groups.clone(),
        group_prefix: wanted.group_prefix.clone(),
        lifetime: wanted.lifetime.0,
        words: Words {
            acr: classes(&wanted.assurance.acr),
            amr: classes(&wanted.assurance.amr),
        },
    }
}

fn classes(wanted: &BTreeMap<String, Class>) -> BTreeMap<String, Assurance> {
    let all = wanted.iter();
    all.map(|(word, class)| (word.clone(), (*class).into())).collect()
}

/// What a prefix of groups has to be.
pub(super) const PREFIX: &str = "must be a few characters that end with : or /, such as corp: which no group here begins with; without it the provider could put anybody into any group";

pub(super) fn is_good_prefix(prefix: &str) -> bool {
    prefix.len() <= 32 && prefix.trim_start().len() >= 2 && prefix.ends_with([':', '/'])
}

/// What is wrong with it by itself.
fn check(name: &str, wanted: &config::sign_in::Provider, problems: &mut Problems) {
    let mut wrong = |member: &str, text: &str| {
        problems.add(format!("sign_in.providers.{name}.{member}"), text);
    };
    let url = Url::parse(&wanted.issuer).ok();
    if !url.is_some_and(|url| is_safe(&url) && url.query().is_none() && url.fragment().is_none()) {
        wrong("issuer", "must be an https URL; http is for this machine alone");
    }
    if wanted.client_id.trim().is_empty() {
        wrong("client_id", "is empty: register this door at the provider first");
    }
    if wanted.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        wrong(
            "name",
            "is empty; leave it out, or say what people call the provider",
        );
    }
    if !wanted.scopes.iter().any(|scope| scope == "openid") {
        wrong("scopes", "must name openid: without it there is no ID token");
    }
    let is_odd = |scope: &String| scope.is_empty() || scope.contains(|c: char| c.is_whitespace() || c == '"');
    if wanted.scopes.iter().any(is_odd) {
        wrong("scopes", "must be words without spaces, each of its own");
    }
    let is_odd = |domain: &String| {
        !domain.contains('.') || domain.contains(|c: char| c == '@' || c == '*' || c.is_whitespace())
    };
    if wanted.domains.iter().any(is_odd) {
        wrong("domains", "must be domains such as example.com, without @ and *");
    }
    if wanted
        .group_prefix
        .as_deref()
        .is_some_and(|prefix| !is_good_prefix(prefix))
    {
        wrong("group_prefix", PREFIX);
    }
    if wanted.leeway.0 > LEEWAY {
        wrong("leeway", "may be 5m at most");
    }
    if wanted.lifetime.0.is_zero() {
        wrong("lifetime", "must be longer than nothing");
    }
    let has_secret = wanted.client_secret.is_some() || wanted.client_secret_file.is_some();
    match wanted.authentication {
        Some(Authentication::Basic | Authentication::Post) if !has_secret => {
            wrong("authentication", "needs a secret; give client_secret_file");
        }
        Some(Authentication::None) if has_secret => {
            wrong(
                "authentication",
                "is none, and yet there is a secret; leave out one of them",
            );
        }
        _ => {}
    }
}

fn secret(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &config::sign_in::Provider,
    problems: &mut Problems,
) -> Option<SecretString> {
    let key = |member: &str| format!("sign_in.providers.{name}.{member}");
    match (&wanted.client_secret_file, &wanted.client_secret) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.add(key("client_secret"), "and client_secret_file exclude each other");
            None
        }
        (Some(path), None) => {
            let text = SecretString::from(problems.take(key("client_secret_file"), sources.read(path))?);
            let secret = text.expose_secret().trim();
            if secret.is_empty() {
                problems.add(key("client_secret_file"), "is empty");
                return None;
            }
            Some(secret.to_owned().into())
        }
        (None, Some(text)) => {
            let template = problems.take(
                key("client_secret"),
                Template::parse(text, &sources.loaded.folder),
            )?;
            sources.files.extend(template.files().cloned());
            let filled = problems.take(key("client_secret"), template.fill(sources.environment))?;
            let text = problems.take(key("client_secret"), filled.to_str())?;
            Some(text.to_owned().into())
        }
    }
}

fn claims(name: &str, wanted: &config::sign_in::ProviderClaims, problems: &mut Problems) -> ClaimNames {
    let mut path = |member: &str, text: &str| -> Option<ClaimPath> {
        problems.take(format!("sign_in.providers.{name}.claims.{member}"), text.parse())
    };
    ClaimNames {
        username: path("username", &wanted.username),
        name: path("name", &wanted.name),
        email: path("email", &wanted.email),
        groups: path("groups", &wanted.groups),
        scopes: None,
    }
}
