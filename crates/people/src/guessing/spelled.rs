//! Guesses at a name of which only a service knows whose it is, and in how many ways it may be spelled.
//!
//! All spellings that some service may take for the same count together: upper case, accents, full-width letters, what stands
//! between letters. A success gives back what was counted for its own spelling alone: where a service does tell `Ana` from `ana`,
//! neither of them wipes out the trace of guessing at the other.

use model::AccountId;
use model::slowdown::Guesses;
use store::{Store, StoreError};
use unicode_normalization::UnicodeNormalization as _;

use super::{Counter, of_known_browser};
use crate::factors::At;

/// What one attempt counts on: all spellings, this one, and the network. A browser that signed in before to the account that was
/// made for this name has counters of its own, which none but it can fill: of the name, for whoever is called so today may be
/// somebody else.
#[derive(Debug)]
pub(crate) struct Spelled {
    all: Counter,
    own: Counter,
    /// Of a browser that is not known.
    network: Option<Counter>,
}

impl Spelled {
    /// The counters of a name that was typed for a service, which made this account for it, if it did.
    pub(crate) async fn of(
        store: &dyn Store,
        at: &At<'_>,
        (issuer, typed): (&str, &str),
        owner: Option<AccountId>,
    ) -> Result<Self, StoreError> {
        let known = match owner {
            Some(owner) => of_known_browser(store, at, owner).await?,
            None => None,
        };
        let browser: Vec<u8> = known.iter().flatten().flat_map(|counter| counter.name).collect();
        let one = |what: &str, name: &str| {
            let name = format!("{what}\0{issuer}\0{name}\0");
            Counter::one(&[name.as_bytes(), &browser].concat())
        };
        Ok(Self {
            all: one("spelled", &folded(typed)),
            own: one("spelling", typed),
            network: known.is_none().then(|| Counter::network(at.address)),
        })
    }

    /// All of them, in the order in which they count.
    pub(crate) fn counters(&self) -> Vec<Counter> {
        [self.all, self.own].into_iter().chain(self.network).collect()
    }

    /// After a right password.
    pub(crate) async fn forgive(&self, store: &dyn Store) -> Result<(), StoreError> {
        let own = store.guesses(&self.own.name).await?;
        // Of several successes at once one gives back what was counted before them.
        let none = Guesses { failures: 0, ..own };
        if own.failures > 0 && store.count_guess(&self.own.name, own, none).await? {
            // Whoever loses the race reads again; what others count meanwhile stays.
            for _ in 0..50 {
                let before = store.guesses(&self.all.name).await?;
                let failures = before.failures.saturating_sub(own.failures);
                let after = Guesses { failures, ..before };
                if after == before || store.count_guess(&self.all.name, before, after).await? {
                    break;
                }
            }
        }
        match &self.network {
            Some(network) => store.uncount_guess(&network.name).await,
            None => Ok(()),
        }
    }
}

/// What all spellings of a name have in common.
fn folded(typed: &str) -> String {
    let letters: String = typed.nfkd().filter(|c| c.is_alphanumeric()).collect();
    if letters.is_empty() {
        return typed.to_owned();
    }
    letters.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests;
