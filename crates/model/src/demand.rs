//! What is demanded of a proof of who somebody is: how sure it must be, and how new (OpenID Connect Core section 3.1.2.1,
//! RFC 9470 section 3). Demands of a server, of a person's groups and of the program that asks hold together.

use std::sync::Arc;
use std::time::Duration;

use crate::{Assurance, GroupName, Timestamp};

/// A demand. One of nothing is met by every proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The least class.
    pub assurance: Assurance,
    /// How long ago it was made at most.
    pub max_age: Option<Duration>,
}

impl Demand {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            assurance: self.assurance.max(other.assurance),
            max_age: match (self.max_age, other.max_age) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        }
    }

    /// Whether a proof of this class is not enough.
    pub fn is_too_weak(&self, assurance: Assurance) -> bool {
        assurance < self.assurance
    }

    /// Whether a proof of that moment is too old by now.
    pub fn is_too_old(&self, at: Timestamp, now: Timestamp) -> bool {
        self.max_age.is_some_and(|most| now.since(at) > most)
    }

    /// Whether a proof meets it.
    pub fn is_met(&self, assurance: Assurance, at: Timestamp, now: Timestamp) -> bool {
        !self.is_too_weak(assurance) && !self.is_too_old(at, now)
    }

    /// The classes that meet it, by their `acr`, weakest first; none if any proof does.
    pub fn acr_values(&self) -> String {
        if self.assurance == Assurance::OneFactor {
            return String::new();
        }
        let enough = Assurance::NAMED
            .into_iter()
            .filter(|class| !self.is_too_weak(*class));
        let names: Vec<_> = enough.filter_map(Assurance::acr).collect();
        names.join(" ")
    }
}

/// Of whom something is demanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Members of any of these groups; everybody if there are none.
    pub groups: Vec<GroupName>,
    /// What.
    pub demand: Demand,
    /// Whether tokens that nobody signed in for are taken all the same.
    pub spares_service_tokens: bool,
}

/// Several requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements(Arc<[Requirement]>);

impl Requirements {
    /// These.
    pub fn new(all: Vec<Requirement>) -> Self {
        Self(all.into())
    }

    /// What is demanded of a member of these groups, who `signed_in` or comes with a token that nobody signed in for.
    pub fn of(&self, groups: &[GroupName], signed_in: bool) -> Demand {
        let concerns = |required: &&Requirement| {
            let mut among = required.groups.iter();
            (required.groups.is_empty() || among.any(|group| groups.contains(group)))
                && (signed_in || !required.spares_service_tokens)
        };
        let all = self.0.iter().filter(concerns);
        all.fold(Demand::default(), |so_far, required| so_far.and(required.demand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn demand(assurance: Assurance, max_age: Option<Duration>) -> Demand {
        Demand { assurance, max_age }
    }

    #[test]
    fn the_stronger_and_the_newer_hold_together() {
        let both = demand(Assurance::Passkey, Some(2 * HOUR)).and(demand(Assurance::TwoFactors, Some(HOUR)));
        assert_eq!(both, demand(Assurance::Passkey, Some(HOUR)));
        assert_eq!(both.and(Demand::default()), both);
        let (at, now) = (Timestamp::from_seconds(0), Timestamp::from_seconds(3600));
        assert!(both.is_met(Assurance::Passkey, at, now));
        assert!(!both.is_met(Assurance::Passkey, at, now + Duration::from_millis(1)));
        assert!(!both.is_met(Assurance::TwoFactors, at, now));
        assert!(Demand::default().is_met(Assurance::OneFactor, Timestamp::EPOCH, now));
    }

    /// RFC 9470 section 3: any of the values is enough.
    #[test]
    fn every_class_that_is_enough_is_named() {
        let named = |assurance| demand(assurance, None).acr_values();
        assert_eq!(named(Assurance::OneFactor), "");
        assert_eq!(named(Assurance::TwoFactors), "https://refeds.org/profile/mfa phr");
        assert_eq!(named(Assurance::Passkey), "phr");
    }

    #[test]
    fn a_requirement_concerns_its_groups_and_may_spare_service_tokens() {
        let required = |groups: &[&str], assurance, spares_service_tokens| Requirement {
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            demand: demand(assurance, None),
            spares_service_tokens,
        };
        let all = Requirements::new(vec![
            required(&[], Assurance::TwoFactors, true),
            required(&["admins"], Assurance::Passkey, false),
        ]);
        let (admins, others) = (["admins".parse().unwrap()], ["people".parse().unwrap()]);
        assert_eq!(all.of(&others, true).assurance, Assurance::TwoFactors);
        assert_eq!(all.of(&admins, true).assurance, Assurance::Passkey);
        assert_eq!(all.of(&others, false), Demand::default());
        assert_eq!(all.of(&admins, false).assurance, Assurance::Passkey);
    }
}
