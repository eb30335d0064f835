//! From one entry of `sign_in.providers` to a provider that can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Assurance, ExposeSecret as _, SecretString, ServerName};
use net::{Egress, Operators};
use people::Provider;
use people::ways::{Rules, Words};
use relying::discovery::is_safe;
use relying::{
    ClaimNames, ClaimPath, ClientAuthentication, ClientKey, GitHub, GitHubRelation, OpenIdProvider, Relation,
    Upstream,
};
use url::Url;
use vault::Template;

use super::ways::{PREFIX, is_good_prefix};
use super::{Problems, Sources};
use crate::config;
use crate::config::require::Class;
use crate::config::sign_in::{
    AccountsAt, Authentication, Provider as Wanted, ProviderClaims, ProviderKind, usual_leeway,
};

/// The longest leeway.
const LEEWAY: Duration = Duration::from_mins(5);
/// What is asked for where nothing else is said.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// Providers at which everybody can have an account.
const PUBLIC: [&str; 3] = [
    "https://github.com",
    "https://accounts.google.com",
    "https://gitlab.com",
];
/// Parameters of the authorization request that are this door's own.
const OURS: [&str; 12] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "acr_values",
    "hd",
];

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
        proxy,
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

/// What is wrong with it by itself.
fn check(name: &str, wanted: &Wanted, problems: &mut Problems) {
    let mut wrong = |member: &str, text: &str| {
        problems.add(format!("sign_in.providers.{name}.{member}"), text);
    };
    let url = Url::parse(wanted.issuer()).ok();
    if wanted.issuer.is_none() {
        wrong(
            "issuer",
            "is missing: give the provider's identifier, or name a provider in `preset` that is known",
        );
    } else if !url.is_some_and(|url| is_safe(&url) && url.query().is_none() && url.fragment().is_none()) {
        wrong("issuer", "must be an https URL; http is for this machine alone");
    }
    if is_of_many(wanted.issuer()) {
        wrong(
            "issuer",
            "is that of all tenants, whose tokens name another one each; write the id of yours in its place",
        );
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
    let scopes = wanted.scopes.as_deref();
    let is_openid = wanted.kind.unwrap_or_default() == ProviderKind::OpenId;
    if is_openid && scopes.is_some_and(|scopes| !scopes.iter().any(|scope| scope == "openid")) {
        wrong("scopes", "must name openid: without it there is no ID token");
    }
    let is_odd = |scope: &String| scope.is_empty() || scope.contains(|c: char| c.is_whitespace() || c == '"');
    if scopes.unwrap_or_default().iter().any(is_odd) {
        wrong("scopes", "must be words without spaces, each of its own");
    }
    if wanted.domains.iter().any(|domain| is_odd_domain(domain)) {
        wrong("domains", "must be domains such as example.com, without @ and *");
    }
    if wanted
        .group_prefix
        .as_deref()
        .is_some_and(|prefix| !is_good_prefix(prefix))
    {
        wrong("group_prefix", PREFIX);
    }
    for parameter in wanted.authorization_parameters.keys() {
        if OURS.contains(&parameter.as_str()) {
            wrong(
                "authorization_parameters",
                &format!("{parameter} is this door's own to say"),
            );
        }
    }
    if wanted
        .hosted_domain
        .as_ref()
        .is_some_and(|domain| is_odd_domain(domain))
    {
        wrong("hosted_domain", "must be a domain such as example.com");
    }
    if wanted.leeway.0 > LEEWAY {
        wrong("leeway", "may be 5m at most");
    }
    if wanted.lifetime.0.is_zero() {
        wrong("lifetime", "must be longer than nothing");
    }
    if is_open_to_all(wanted) {
        wrong(
            "accounts",
            "is create, and everybody on the internet can have an account at this provider: say who comes by `require_groups` (organizations at GitHub, groups at GitLab), `domains`, or `hosted_domain` at Google",
        );
    }
    let has_secret = wanted.client_secret.is_some() || wanted.client_secret_file.is_some();
    check_proof(name, wanted, has_secret, problems);
    check_kind(name, wanted, has_secret, problems);
}

/// What is wrong with how the door proves itself there.
fn check_proof(name: &str, wanted: &Wanted, has_secret: bool, problems: &mut Problems) {
    let mut wrong = |member: &str, text: &str| {
        problems.add(format!("sign_in.providers.{name}.{member}"), text);
    };
    match wanted.authentication {
        Some(Authentication::Basic | Authentication::Post) if !has_secret => {
            wrong("authentication", "needs a secret; give client_secret_file");
        }
        Some(Authentication::PrivateKeyJwt) if wanted.client_key_file.is_none() => {
            wrong("authentication", "needs a key; give client_key_file");
        }
        Some(Authentication::Basic | Authentication::Post | Authentication::None)
            if wanted.client_key_file.is_some() =>
        {
            wrong(
                "authentication",
                "and client_key_file do not fit: a key proves itself by private_key_jwt",
            );
        }
        Some(Authentication::None) if has_secret => {
            wrong(
                "authentication",
                "is none, and yet there is a secret; leave out one of them",
            );
        }
        _ => {}
    }
    if has_secret && wanted.client_key_file.is_some() {
        wrong("client_key_file", "and a secret exclude each other");
    }
}

/// Whether it makes an account for anybody who has one where anybody can.
fn is_open_to_all(wanted: &Wanted) -> bool {
    let is_of_everybody = PUBLIC.contains(&wanted.issuer().trim_end_matches('/'));
    let is_narrowed =
        !wanted.require_groups.is_empty() || !wanted.domains.is_empty() || wanted.hosted_domain.is_some();
    is_of_everybody && wanted.accounts == AccountsAt::Create && !is_narrowed
}

/// What is wrong with it as what it speaks.
fn check_kind(name: &str, wanted: &Wanted, has_secret: bool, problems: &mut Problems) {
    let mut wrong = |member: &str, text: &str| {
        problems.add(format!("sign_in.providers.{name}.{member}"), text);
    };
    if wanted.kind.unwrap_or_default() == ProviderKind::OpenId {
        if wanted.api.is_some() {
            wrong("api", "is GitHub's alone; write `kind: github` for it");
        }
        return;
    }
    match &wanted.api {
        None => wrong(
            "api",
            "is missing: where GitHub's API is, such as https://api.github.com",
        ),
        Some(url) if !is_safe(url) || url.query().is_some() => {
            wrong("api", "must be an https URL; http is for this machine alone");
        }
        Some(_) => {}
    }
    if !has_secret {
        wrong(
            "client_secret_file",
            "is missing: GitHub knows no client without a secret",
        );
    }
    if wanted.hosted_domain.is_some() || wanted.claims != ProviderClaims::default() {
        wrong(
            "kind",
            "is github, which has neither claims nor hosted domains; leave out `claims` and `hosted_domain`",
        );
    }
    let of_openid = [
        ("authentication", wanted.authentication.is_some()),
        ("assurance", wanted.assurance != config::require::Words::default()),
        ("leeway", wanted.leeway != usual_leeway()),
        (
            "authorization_parameters",
            !wanted.authorization_parameters.is_empty(),
        ),
    ];
    for (member, _) in of_openid.into_iter().filter(|(_, is_said)| *is_said) {
        wrong(member, "counts for nothing with `kind: github`: leave it out");
    }
}

/// Whether it stands for every tenant of Entra ID, whose tokens never say it.
fn is_of_many(issuer: &str) -> bool {
    let of_all = |tenant| issuer.contains(&format!("microsoftonline.com/{tenant}"));
    ["common", "organizations", "consumers"].into_iter().any(of_all)
}

fn is_odd_domain(domain: &str) -> bool {
    !domain.contains('.') || domain.contains(|c: char| c == '@' || c == '*' || c.is_whitespace())
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
