//! From `servers.NAME.legacy` to what checks tokens of the time before.

use std::collections::HashMap;
use std::sync::Arc;

use gateway::old_tokens::{OldTokens, Settings, StaticToken, UpstreamCheck};
use http::HeaderName;
use keys::sha256;
use net::Operators;

use super::{Problems, Sources};
use crate::config::{self, Legacy};

/// A token that is shorter can be guessed.
const SHORTEST: usize = 16;

/// The old tokens of one server; `client` is the way to it.
pub(super) fn old_tokens(
    sources: &mut Sources<'_>,
    key: &str,
    wanted: &Legacy,
    client: &Operators,
    problems: &mut Problems,
) -> Option<Arc<OldTokens>> {
    let before = problems.0.len();
    if wanted.statics.is_empty() && wanted.upstream_check.is_none() {
        problems.add(key, "names no token: say `static` or `upstream_check`");
    }
    let mut statics = HashMap::new();
    for (at, token) in wanted.statics.iter().enumerate() {
        let key = format!("{key}.static[{at}].token_file");
        let Some(text) = problems.take(&key, sources.read(&token.token_file)) else {
            continue;
        };
        let text = text.trim();
        if text.len() < SHORTEST {
            problems.add(key, format_args!("a token has at least {SHORTEST} characters"));
            continue;
        }
        let known = StaticToken {
            name: token.name.clone(),
            account: token.account.clone(),
        };
        if statics.insert(sha256(text.as_bytes()), known).is_some() {
            problems.add(key, "the same token is listed twice");
        }
    }
    let check = wanted
        .upstream_check
        .as_ref()
        .and_then(|wanted| check(&format!("{key}.upstream_check"), wanted, client, problems));
    let mut headers = Vec::new();
    for name in &wanted.headers {
        let parsed: Option<HeaderName> = problems.take(format!("{key}.headers"), name.parse());
        match parsed {
            Some(name) if name == http::header::AUTHORIZATION || name == http::header::COOKIE => {
                problems.add(
                    format!("{key}.headers"),
                    format_args!("{name} is not such a header"),
                );
            }
            name => headers.extend(name),
        }
    }
    if wanted
        .schemes
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case("basic"))
    {
        problems.add(format!("{key}.schemes"), "Basic carries a password, not a token");
    }
    (problems.0.len() == before).then(|| {
        Arc::new(OldTokens::new(Settings {
            until: wanted.until.0,
            statics,
            check,
            schemes: wanted.schemes.clone(),
            headers,
        }))
    })
}

fn check(
    key: &str,
    wanted: &config::legacy::UpstreamCheck,
    client: &Operators,
    problems: &mut Problems,
) -> Option<UpstreamCheck> {
    if !matches!(wanted.url.scheme(), "http" | "https") || wanted.url.host().is_none() {
        problems.add(format!("{key}.url"), "must be an http or https URL");
        return None;
    }
    if !wanted.username.starts_with('/') {
        problems.add(format!("{key}.username"), "must be a JSON pointer, as /login");
        return None;
    }
    if wanted.accounts.is_empty() && !wanted.same_names {
        problems.add(key, "maps nobody: list `accounts`, or say `same_names: true`");
        return None;
    }
    let parts = wanted.header.split_once(':');
    let parts = parts.and_then(|(name, value)| Some((name, value.trim().split_once("{token}")?)));
    let Some((name, (before, after))) = parts else {
        problems.add(
            format!("{key}.header"),
            "must be a name and a value with {token}, as `Authorization: token {token}`",
        );
        return None;
    };
    let header: HeaderName = problems.take(format!("{key}.header"), name.trim().parse())?;
    Some(UpstreamCheck {
        url: wanted.url.clone(),
        header,
        around: (before.to_owned(), after.to_owned()),
        username: wanted.username.clone(),
        accounts: wanted.accounts.clone().into_iter().collect(),
        same_names: wanted.same_names,
        client: client.clone(),
    })
}
