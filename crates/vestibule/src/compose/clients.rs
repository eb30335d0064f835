//! From the clients of the configuration to records.

use std::path::Path;

use keys::sha256;
use model::{ClientId, TokenDigest};
use protocol::client_metadata::{AuthMethod, ClientKeys};
use protocol::{ClientMetadata, RedirectUri, Scopes};
use store::{ClientSource, NewClient};

use super::{Problems, Sources};
use crate::config;

/// All configured clients.
pub(super) fn clients(sources: &mut Sources<'_>, problems: &mut Problems) -> Vec<NewClient> {
    let config = &sources.loaded.config;
    let mut clients = Vec::new();
    for (id, client) in &config.clients {
        clients.extend(record(sources, id, client, problems));
    }
    clients
}

fn record(
    sources: &mut Sources<'_>,
    id: &ClientId,
    client: &config::Client,
    problems: &mut Problems,
) -> Option<NewClient> {
    let key = |member: &str| format!("clients.{id}.{member}");
    if id.as_str().contains("://") {
        problems.add(
            format!("clients.{id}"),
            "an id that is a URL belongs to a metadata document",
        );
        return None;
    }
    if issuer::service_tokens::is_reserved(id.as_str()) {
        problems.add(
            format!("clients.{id}"),
            "this id stands for callers without a client; take another",
        );
        return None;
    }
    let for_itself = client.client_credentials.is_some() || client.token_exchange.is_some();
    if client.redirect_uris.is_empty() && !client.device && !for_itself {
        problems.add(
            key("redirect_uris"),
            "is missing; only a client with `device: true`, or one that acts for itself, can do without",
        );
        return None;
    }
    let redirect_uris = uris(&client.redirect_uris, &key("redirect_uris"), problems)?;
    let post_logout = uris(
        &client.post_logout_redirect_uris,
        &key("post_logout_redirect_uris"),
        problems,
    )?;
    let secret = match &client.secret_file {
        Some(path) => Some(problems.take(key("secret_file"), secret(sources, path))?),
        None => None,
    };
    let keys = match (&client.jwks_uri, &client.jwks_file) {
        (None, None) => None,
        (Some(uri), None) => Some(ClientKeys::Uri(uri.clone())),
        (None, Some(path)) => {
            let text = problems.take(key("jwks_file"), sources.read(path))?;
            Some(ClientKeys::Inline(
                problems.take(key("jwks_file"), serde_json::from_str(&text))?,
            ))
        }
        (Some(_), Some(_)) => {
            problems.add(key("jwks_uri"), "and jwks_file exclude each other");
            return None;
        }
    };
    let auth_method = match (&secret, &keys) {
        (None, None) => AuthMethod::None,
        (Some(_), None) => AuthMethod::ClientSecretBasic,
        (None, Some(_)) => AuthMethod::PrivateKeyJwt,
        (Some(_), Some(_)) => {
            problems.add(key("secret_file"), "and keys exclude each other");
            return None;
        }
    };
    Some(NewClient {
        id: id.clone(),
        source: ClientSource::Configuration,
        metadata: ClientMetadata {
            client_name: Some(client.name.clone()),
            redirect_uris,
            auth_method,
            keys,
            refresh: true,
            device: client.device,
            scope: client.scope.as_deref().map(Scopes::parse),
            post_logout_redirect_uris: post_logout,
        },
        registration: None,
        secrets: secret.into_iter().collect(),
    })
}

fn uris(texts: &[String], key: &str, problems: &mut Problems) -> Option<Vec<RedirectUri>> {
    let parsed: Vec<_> = texts
        .iter()
        .map(|text| {
            // The operator vouches for every scheme.
            let uri = RedirectUri::parse(text, |_| true);
            problems.take(key, uri.map_err(|error| format!("{text}: {error}")))
        })
        .collect();
    parsed.into_iter().collect()
}

/// The shortest secret that is taken: only its digest is kept, which protects what cannot be guessed.
const SHORTEST_SECRET: usize = 32;

fn secret(sources: &mut Sources<'_>, path: &Path) -> Result<TokenDigest, String> {
    let text = sources.read(path)?;
    let secret = text.trim();
    if secret.len() < SHORTEST_SECRET {
        return Err(format!(
            "{} holds {} characters; a client secret has {SHORTEST_SECRET} random ones at least",
            path.display(),
            secret.len()
        ));
    }
    Ok(TokenDigest(sha256(secret.as_bytes())))
}
