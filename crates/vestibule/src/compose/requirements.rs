//! From `require` of the configuration to what is demanded of sign-ins.

use std::time::Duration;

use model::{Assurance, Demand, Requirement, Requirements};
use people::passkeys::RelyingParty;
use protocol::Origin;

use super::Problems;
use crate::config::Config;
use crate::config::require::{Class, Require, RequireOf};
use crate::config::values::Span;

/// What is newer than this nobody can do anything with: between signing in and the first call people read a page.
const NEWEST: Duration = Duration::from_mins(5);

/// What is demanded of people, wherever they go.
pub(super) fn of_people(config: &Config) -> Vec<Requirement> {
    let all = config.sign_in.require.iter();
    all.map(|wanted| Requirement {
        groups: wanted.groups.clone(),
        demand: demand(wanted.assurance, wanted.max_age),
        spares_service_tokens: wanted.service_tokens,
    })
    .collect()
}

/// What a server demands, and what is demanded of people anyway.
pub(super) fn of_server(config: &Config, wanted: Option<&Require>) -> Requirements {
    let own = wanted.map(|wanted| Requirement {
        groups: Vec::new(),
        demand: demand(wanted.assurance, wanted.max_age),
        spares_service_tokens: wanted.service_tokens,
    });
    Requirements::new(own.into_iter().chain(of_people(config)).collect())
}

fn demand(assurance: Option<Class>, max_age: Option<Span>) -> Demand {
    Demand {
        assurance: assurance.map(Assurance::from).unwrap_or_default(),
        max_age: max_age.map(|span| span.0),
    }
}

/// What is wrong with them.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let of_servers = config.servers.iter().filter_map(|(name, server)| {
        let Require {
            assurance, max_age, ..
        } = server.require.clone()?;
        Some((format!("servers.{name}.require"), assurance, max_age))
    });
    let of_people = config.sign_in.require.iter().enumerate().map(|(number, wanted)| {
        let RequireOf {
            assurance, max_age, ..
        } = wanted;
        (format!("sign_in.require[{number}]"), *assurance, *max_age)
    });
    for (key, assurance, max_age) in of_servers.chain(of_people) {
        let demand = demand(assurance, max_age);
        if demand == Demand::default() {
            problems.add(
                &key,
                "demands nothing; say `assurance: two_factors`, or `max_age: 8h`",
            );
        }
        if demand.max_age.is_some_and(|most| most < NEWEST) {
            problems.add(
                format!("{key}.max_age"),
                "must be 5m or more: people read a page before their program calls",
            );
        }
        if demand.assurance == Assurance::Passkey && !anybody_can_have(config) {
            problems.add(
                format!("{key}.assurance"),
                "nobody could sign in so: passkeys need `sign_in.passwords` and a `public_url` with a name, or the word of a provider or a trusted issuer (`assurance`)",
            );
        }
    }
}

/// Whether browsers make passkeys for a door at this address.
fn has_a_name(origin: &Origin) -> bool {
    let title = "";
    RelyingParty { origin, title }.can_have_passkeys()
}

/// Whether there is a way to a proof that is as good as a passkey.
fn anybody_can_have(config: &Config) -> bool {
    let here = config.sign_in.passwords && config.public_url.as_ref().is_some_and(has_a_name);
    let is_one = |class: &Class| *class == Class::Passkey;
    let mut providers = config.sign_in.providers.values();
    let by_provider = providers.any(|provider| {
        let words = &provider.assurance;
        words.acr.values().chain(words.amr.values()).any(is_one)
    });
    let mut issuers = config.trusted_issuers.values();
    here || by_provider || issuers.any(|issuer| issuer.assurance.values().any(is_one))
}
