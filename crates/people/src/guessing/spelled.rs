//! Guesses at a name of which only a service knows whose it is, and in how many ways it may be spelled.
//!
//! All spellings that some service may take for the same count together: upper case, accents, full-width letters, what stands
//! between letters. A success gives back what was counted for its own spelling alone: where a service does tell `Ana` from `ana`,
//! neither of them wipes out the trace of guessing at the other.

use model::AccountId;
use model::slowdown::Guesses;
use store::{Store, StoreError};
use unicode_normalization::UnicodeNormalization as _;

use super::{Counter, of_known_browser, take_back};
use crate::factors::At;

/// What one attempt counts on.
#[derive(Debug)]
pub(crate) enum Spelled {
    /// A browser that signed in before to the account that was made for this name: its own counter.
    Known(Vec<Counter>),
    /// Any other: all spellings, this one, and the network.
    Stranger {
        all: Counter,
        own: Counter,
        network: Counter,
    },
}

impl Spelled {
    /// The counters of a name that was typed for a service, which made this account for it, if it did.
    pub(crate) async fn of(
        store: &dyn Store,
        at: &At<'_>,
        (issuer, typed): (&str, &str),
        owner: Option<AccountId>,
    ) -> Result<Self, StoreError> {
        if let Some(owner) = owner
            && let Some(known) = of_known_browser(store, at, owner).await?
        {
            return Ok(Self::Known(known));
        }
        Ok(Self::Stranger {
            all: Counter::one(format!("spelled\0{issuer}\0{}", folded(typed)).as_bytes()),
            own: Counter::one(format!("spelling\0{issuer}\0{typed}").as_bytes()),
            network: Counter::network(at.address),
        })
    }

    /// All of them, in the order in which they count.
    pub(crate) fn counters(&self) -> Vec<Counter> {
        match self {
            Self::Known(counters) => counters.clone(),
            Self::Stranger { all, own, network } => vec![*all, *own, *network],
        }
    }

    /// After a right password.
    pub(crate) async fn forgive(&self, store: &dyn Store) -> Result<(), StoreError> {
        let Self::Stranger { all, own, network } = self else {
            return take_back(store, &self.counters()).await;
        };
        let counted = store.guesses(&own.name).await?.failures;
        // Whoever loses the race reads again; what others count meanwhile stays.
        for _ in 0..50 {
            let before = store.guesses(&all.name).await?;
            let failures = before.failures.saturating_sub(counted);
            let after = Guesses { failures, ..before };
            if after == before || store.count_guess(&all.name, before, after).await? {
                break;
            }
        }
        store.forget_guesses(&own.name).await?;
        store.uncount_guess(&network.name).await
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
mod tests {
    use super::*;

    #[test]
    fn spellings_that_a_service_may_take_for_the_same_are_one() {
        for same in [
            "dora",
            "DORA",
            "d\u{f3}ra",
            "\u{ff44}\u{ff4f}\u{ff52}\u{ff41}",
            "d.ora",
            "do ra",
            "dora\u{200b}",
        ] {
            assert_eq!(folded(same), "dora", "{same}");
        }
        assert_eq!(folded("stra\u{df}e"), folded("STRASSE"));
        assert_ne!(folded("\u{5b89}\u{5a1c}"), folded("\u{5b89}"));
        assert_ne!(folded("--"), folded("-"), "a name without any letter is itself");
    }
}
