//! This door as an OAuth client of a connector's provider.

use std::sync::Arc;

use model::{ExposeSecret as _, SecretString, ServerName};
use net::Operators;
use protocol::Origin;
use relying::client_registration::ClientFace;
use relying::discovery::is_safe;
use relying::oauth_client::{Authentication, Endpoints, Identity, Place, Registration};
use relying::{ClientKey, OAuthClient};
use url::Url;
use vault::connector::{CALLBACK, CLIENT_DOCUMENT};
use vault::{OAuth, Provider, Registering, Who};

use super::guarded;
use crate::compose::{Problems, Sources};
use crate::config::connector;
use crate::config::connector::Authentication as Wanted;

/// [`OAuth`], at the endpoints that are named or found; found from a server, if there is one to begin at.
pub(super) fn oauth(
    sources: &mut Sources<'_>,
    name: &ServerName,
    key: &str,
    wanted: &connector::OAuth,
    (client, server): (&Operators, Option<&Url>),
    problems: &mut Problems,
) -> Option<OAuth> {
    let before = problems.0.len();
    let mut wrong = |member: &str, text: &str| problems.add(format!("{key}.{member}"), text);
    check_client(wanted, &mut wrong);
    if wanted.discover {
        guarded::check(wanted, &mut wrong);
    }
    let named = [
        ("authorization_endpoint", &wanted.authorization_endpoint),
        ("token_endpoint", &wanted.token_endpoint),
        ("revocation_endpoint", &wanted.revocation_endpoint),
    ];
    for (member, url) in named {
        if url.as_ref().is_some_and(|url| !is_safe(url)) {
            wrong(member, "must be an https URL; http is for this machine alone");
        }
    }
    let tokens_at = wanted.tokens_at.clone().unwrap_or_default();
    if !(tokens_at.is_empty() || tokens_at.starts_with('/')) {
        wrong("tokens_at", "must be a JSON pointer such as /authed_user");
    }
    let place = match (
        &wanted.issuer,
        &wanted.authorization_endpoint,
        &wanted.token_endpoint,
    ) {
        // Whatever is said of it was checked.
        (_, None, None) if server.is_some() => None,
        (Some(issuer), None, None) if wanted.revocation_endpoint.is_none() => {
            if !url::Url::parse(issuer).is_ok_and(|url| is_safe(&url)) {
                wrong("issuer", "must be an https URL; http is for this machine alone");
            }
            Some(Place::Issuer(issuer.clone()))
        }
        (None, Some(authorization), Some(token)) => {
            let (authorization, token) = (authorization.clone(), token.clone());
            let endpoints = Endpoints::named(authorization, token, wanted.revocation_endpoint.clone());
            Some(Place::Named(Box::new(endpoints)))
        }
        _ => {
            wrong(
                "issuer",
                "or the endpoints: give either `issuer`, or `authorization_endpoint` and `token_endpoint`",
            );
            None
        }
    };
    let authentication = authentication(sources, key, wanted, problems)?;
    if problems.0.len() != before {
        return None;
    }
    let registration = Registration {
        scope: wanted
            .scopes
            .as_deref()
            .unwrap_or_default()
            .join(wanted.scope_separator.as_deref().unwrap_or(" ")),
        pkce: wanted.pkce.unwrap_or(true),
        parameters: wanted.authorization_parameters.clone().into_iter().collect(),
        resource: wanted.resource.clone(),
        tokens_at,
    };
    let who = if wanted.registers() {
        Who::Registers(registering(sources, name, authentication))
    } else {
        Who::Known(Identity {
            client_id: wanted.client_id.clone(),
            authentication,
        })
    };
    let provider = match server {
        Some(server) => guarded::provider((wanted, server), registration, client, key, problems)?,
        None => Provider::Configured(Arc::new(OAuthClient::new(registration, place?, client.clone()))),
    };
    Some(OAuth { provider, who })
}

/// Whether what the door is called there and how it proves itself fit together.
fn check_client(wanted: &connector::OAuth, wrong: &mut impl FnMut(&str, &str)) {
    if wanted.registers() {
        let files = [&wanted.client_secret_file, &wanted.client_certificate_file];
        if !wanted.client_id.is_empty() || files.iter().any(|file| file.is_some()) {
            wrong(
                "register",
                "makes the door known: take `client_id` and its files out, but for `client_key_file`",
            );
        }
        if wanted.issuer.is_none() && !wanted.discover {
            wrong("register", "needs `issuer`, whose metadata says where");
        }
        if wanted.pkce == Some(false) && !wanted.discover {
            wrong(
                "pkce",
                "is false, and a door that registers itself may have no secret",
            );
        }
        if wanted.scope_separator.is_some() && !wanted.discover {
            wrong(
                "scope_separator",
                "does not go with `register`, which says scopes with spaces between them (RFC 7591)",
            );
        }
    } else if wanted.client_id.trim().is_empty() {
        wrong(
            "client_id",
            "is empty: register this door at the provider first, or write `register: true` if it can do so itself",
        );
    }
    let files = (&wanted.client_secret_file, &wanted.client_key_file);
    let is_public = files == (&None, &None);
    let fits = matches!(
        (wanted.authentication, files),
        (Some(Wanted::Basic | Wanted::Post) | None, (Some(_), None))
            | (Some(Wanted::PrivateKeyJwt) | None, (None, Some(_)))
            | (Some(Wanted::None) | None, (None, None))
    );
    if !fits && !wanted.registers() {
        wrong(
            "authentication",
            "and the files do not fit: `basic` or `post` with `client_secret_file`, `private_key_jwt` with `client_key_file`, `none` without either",
        );
    }
    if is_public && wanted.pkce == Some(false) && !wanted.registers() {
        wrong(
            "pkce",
            "is false and there is no secret: anybody could redeem a code",
        );
    }
}

/// What the door says of itself at a provider.
fn registering(sources: &Sources<'_>, name: &ServerName, authentication: Authentication) -> Registering {
    let config = &sources.loaded.config;
    // It is there: nothing is composed without it.
    let origin = config.public_url.as_ref();
    let uri = origin.map(ToString::to_string).unwrap_or_default();
    Registering {
        document: origin
            .is_some_and(Origin::is_https)
            .then(|| format!("{uri}{CLIENT_DOCUMENT}/{name}")),
        key: match authentication {
            Authentication::PrivateKeyJwt(key) => Some(key),
            _ => None,
        },
        face: ClientFace {
            name: config.title.clone(),
            redirect_uri: format!("{uri}{CALLBACK}/{name}"),
            uri: Some(uri),
            device: false,
        },
    }
}

/// With what the files hold.
fn authentication(
    sources: &mut Sources<'_>,
    key: &str,
    wanted: &connector::OAuth,
    problems: &mut Problems,
) -> Option<Authentication> {
    let certificate = wanted.client_certificate_file.as_ref();
    let certificate = certificate.map(|path| (path, format!("{key}.client_certificate_file")));
    if let Some(path) = &wanted.client_key_file {
        let key = format!("{key}.client_key_file");
        let text = SecretString::from(problems.take(&key, sources.read(path))?);
        let mut read = problems.take(key, ClientKey::from_pem(text.expose_secret()))?;
        if let Some((path, key)) = certificate {
            let text = problems.take(&key, sources.read(path))?;
            let named = read.with_certificate(&text);
            let named = named.map_err(|error| format!("{} {error}", path.display()));
            read = problems.take(key, named)?;
        }
        return Some(Authentication::PrivateKeyJwt(Arc::new(read)));
    }
    if let Some((_, key)) = certificate {
        problems.add(key, "belongs to a key: give `client_key_file` too");
    }
    let Some(path) = &wanted.client_secret_file else {
        return Some(Authentication::None);
    };
    let key = format!("{key}.client_secret_file");
    let text = problems.take(&key, sources.read(path))?;
    let secret = text.trim().to_owned();
    if secret.is_empty() {
        problems.add(key, "is empty");
    }
    Some(match wanted.authentication {
        Some(Wanted::Post) => Authentication::Post(secret.into()),
        _ => Authentication::Basic(secret.into()),
    })
}
