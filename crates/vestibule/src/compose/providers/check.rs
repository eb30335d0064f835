//! What is wrong with an entry of `sign_in.providers` by itself.

use std::time::Duration;

use relying::discovery::is_safe;
use url::Url;

use crate::compose::Problems;
use crate::compose::ways::{PREFIX, is_good_prefix};
use crate::config::require::Words;
use crate::config::sign_in::{
    AccountsAt, Authentication, Provider as Wanted, ProviderClaims, ProviderKind, usual_leeway,
};

/// The longest leeway.
const LEEWAY: Duration = Duration::from_mins(5);
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

/// What is wrong with it by itself.
pub(super) fn check(name: &str, wanted: &Wanted, problems: &mut Problems) {
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
        ("assurance", wanted.assurance != Words::default()),
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
