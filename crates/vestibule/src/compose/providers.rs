//! From one entry of `sign_in.providers` to a provider that can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Assurance, ExposeSecret as _, SecretString, ServerName};
use net::{Egress, Operators};
use people::Provider;
use people::ways::{Rules, Words};
use relying::{
    ClaimNames, ClaimPath, ClientAuthentication, ClientKey, GitHub, GitHubRelation, OpenIdProvider, Relation,
    Upstream,
};
use vault::Template;

use check::check;

use super::{Problems, Sources};
use crate::config::require::Class;
use crate::config::sign_in::{AccountsAt, Authentication, Provider as Wanted, ProviderKind};

mod check;

/// What is asked for where nothing else is said.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// One of them. How to ask it is that of `known`, with what is known of it, if nothing about that changed.
pub(super) fn provider(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &Wanted,
    known: Option<&Arc<Provider>>,
    problems: &mut Problems,
) -> Option<Provider> {
    let before = problems.0.len();
    let key = |member: &str| format!("sign_in.providers.{name}.{member}");
    // It becomes a part of addresses and usernames.
    let _: Option<ServerName> = problems.take(format!("sign_in.providers.{name}"), name.parse());
    check(name, wanted, problems);
    let secret = secret(sources, name, wanted, problems);
    let client_key = client_key(sources, name, wanted, problems);
    let claims = claims(name, wanted, problems);
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
        proxy: proxy.map(net::Proxy::Fixed),
        connect_time: Duration::from_secs(5),
        idle_connections: 1,
        ..Egress::default()
    };
    let known = known.map(|known| &known.upstream);
    let known = known.filter(|known| *known.egress() == egress);
    let client =
        |problems: &mut Problems| problems.take(format!("sign_in.providers.{name}"), Operators::new(&egress));
    let upstream = match wanted.kind.unwrap_or_default() {
        ProviderKind::OpenId => {
            let relation = openid(wanted, (secret, client_key), claims);
            let is_same = |known: &&Arc<Upstream>| matches!(&***known, Upstream::OpenId(known) if known.relation.is_same(&relation));
            match known.filter(is_same) {
                Some(known) => Arc::clone(known),
                None => {
                    let client = client(problems)?;
                    let provider = OpenIdProvider::new(relation, egress, client);
                    Arc::new(Upstream::OpenId(Box::new(provider)))
                }
            }
        }
        ProviderKind::GitHub => {
            let relation = github(wanted, secret?)?;
            let is_same = |known: &&Arc<Upstream>| matches!(&***known, Upstream::GitHub(known) if known.relation.is_same(&relation));
            match known.filter(is_same) {
                Some(known) => Arc::clone(known),
                None => {
                    let client = client(problems)?;
                    Arc::new(Upstream::GitHub(Box::new(GitHub::new(relation, egress, client)?)))
                }
            }
        }
    };
    Some(Provider {
        name: name.to_owned(),
        title: wanted.name.clone().unwrap_or_else(|| name.to_owned()),
        upstream,
        rules: rules(wanted),
    })
}

fn openid(
    wanted: &Wanted,
    (secret, key): (Option<SecretString>, Option<Arc<ClientKey>>),
    claims: ClaimNames,
) -> Relation {
    let scopes = wanted.scopes.clone();
    Relation {
        issuer: wanted.issuer().to_owned(),
        client_id: wanted.client_id.clone(),
        secret,
        key,
        authentication: wanted.authentication.map(|authentication| match authentication {
            Authentication::Basic => ClientAuthentication::Basic,
            Authentication::Post => ClientAuthentication::Post,
            Authentication::PrivateKeyJwt | Authentication::None => ClientAuthentication::None,
        }),
        scope: scopes
            .unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec())
            .join(" "),
        claims,
        hosted_domain: wanted.hosted_domain.clone(),
        refresh: wanted.refresh.unwrap_or_default(),
        parameters: wanted.authorization_parameters.clone().into_iter().collect(),
        leeway: wanted.leeway.0,
    }
}

fn github(wanted: &Wanted, secret: SecretString) -> Option<GitHubRelation> {
    Some(GitHubRelation {
        issuer: wanted.issuer().to_owned(),
        api: wanted.api.clone()?,
        client_id: wanted.client_id.clone(),
        secret,
        scope: wanted.scopes.clone().unwrap_or_default().join(" "),
        groups: asks_for_groups(wanted),
        refresh: wanted.refresh.unwrap_or_default(),
    })
}

/// Whether it matters in which groups somebody is there.
fn asks_for_groups(wanted: &Wanted) -> bool {
    !wanted.require_groups.is_empty() || !wanted.groups.is_empty() || wanted.group_prefix.is_some()
}

fn rules(wanted: &Wanted) -> Rules {
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

fn secret(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &Wanted,
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

fn client_key(
    sources: &mut Sources<'_>,
    name: &str,
    wanted: &Wanted,
    problems: &mut Problems,
) -> Option<Arc<ClientKey>> {
    let key = |member: &str| format!("sign_in.providers.{name}.{member}");
    let certificate = wanted.client_certificate_file.as_ref();
    let Some(path) = &wanted.client_key_file else {
        if certificate.is_some() {
            problems.add(
                key("client_certificate_file"),
                "belongs to a key: give `client_key_file` too",
            );
        }
        return None;
    };
    let text = SecretString::from(problems.take(key("client_key_file"), sources.read(path))?);
    let mut read = problems.take(key("client_key_file"), ClientKey::from_pem(text.expose_secret()))?;
    if let Some(path) = certificate {
        let key = key("client_certificate_file");
        let text = problems.take(&key, sources.read(path))?;
        let named = read.with_certificate(&text);
        let named = named.map_err(|error| format!("{} {error}", path.display()));
        read = problems.take(key, named)?;
    }
    Some(Arc::new(read))
}

/// Groups that nobody wants to know are not looked for.
fn claims(name: &str, wanted: &Wanted, problems: &mut Problems) -> ClaimNames {
    let mut path = |member: &str, text: &Option<String>, usual: &str| -> Option<ClaimPath> {
        let text = text.as_deref().unwrap_or(usual);
        problems.take(format!("sign_in.providers.{name}.claims.{member}"), text.parse())
    };
    let groups = path("groups", &wanted.claims.groups, "groups");
    ClaimNames {
        username: path("username", &wanted.claims.username, "preferred_username"),
        name: path("name", &wanted.claims.name, "name"),
        email: path("email", &wanted.claims.email, "email"),
        groups: groups.filter(|_| asks_for_groups(wanted)),
        scopes: None,
    }
}
