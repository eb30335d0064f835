//! From `sign_in` of the configuration to the ways in.

use std::collections::HashMap;
use std::sync::Arc;

use people::Ways;

use super::directories::directories;
use super::providers::provider;
use super::{Problems, Sources};
use crate::config;

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
        if trusted.is_some_and(|trusted| trusted.issuer != provider.issuer()) {
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
        if let Some(other) = issuers.insert(provider.issuer(), name) {
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

/// What a prefix of groups has to be.
pub(super) const PREFIX: &str = "must be a few characters that end with : or /, such as corp: which no group here begins with; without it the provider could put anybody into any group";

pub(super) fn is_good_prefix(prefix: &str) -> bool {
    prefix.len() <= 32 && prefix.trim_start().len() >= 2 && prefix.ends_with([':', '/'])
}
