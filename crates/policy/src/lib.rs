//! The one decision function: may this person use this server?
//!
//! Closed by default: a server is open to nobody until a rule names somebody. The same function answers for
//! consent, for issuing, for refreshing and for every call, so they cannot disagree.

use model::{GroupName, Username};
use serde::{Deserialize, Serialize};

/// Who may use a server. A rule fits a person whom it names, alone or by a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowRule {
    /// Members of any of these.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// These people.
    #[serde(default)]
    pub people: Vec<Username>,
}

/// The rules of one server; the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerPolicy {
    rules: Vec<AllowRule>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The person.
    pub username: &'a Username,
    /// Their groups.
    pub groups: &'a [GroupName],
}

/// What was decided, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// By the rule at this place.
    Allowed {
        /// Counted from 0.
        rule: usize,
    },
    /// By no rule.
    Denied,
}

impl Decision {
    /// Whether it is a yes.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl ServerPolicy {
    /// From the configuration.
    pub fn new(rules: Vec<AllowRule>) -> Self {
        Self { rules }
    }

    /// Decides.
    pub fn decide(&self, principal: Principal<'_>) -> Decision {
        let fits = |rule: &AllowRule| {
            rule.people.contains(principal.username)
                || rule.groups.iter().any(|group| principal.groups.contains(group))
        };
        match self.rules.iter().position(fits) {
            Some(rule) => Decision::Allowed { rule },
            None => Decision::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(rules: &[(&[&str], &[&str])], username: &str, groups: &[&str]) -> Decision {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| name.parse().unwrap())
                .collect::<Vec<GroupName>>()
        };
        let rules = rules
            .iter()
            .map(|(groups, people)| AllowRule {
                groups: names(groups),
                people: people.iter().map(|name| name.parse().unwrap()).collect(),
            })
            .collect();
        let (username, groups) = (username.parse().unwrap(), names(groups));
        ServerPolicy::new(rules).decide(Principal {
            username: &username,
            groups: &groups,
        })
    }

    #[test]
    fn nobody_is_allowed_by_silence() {
        assert_eq!(decide(&[], "ana", &["developers"]), Decision::Denied);
        assert_eq!(decide(&[(&[], &[])], "ana", &["developers"]), Decision::Denied);
    }

    #[test]
    fn a_person_or_a_group_is_allowed_by_name() {
        let rules: &[(&[&str], &[&str])] = &[(&["developers"], &[]), (&[], &["bob"])];
        assert_eq!(
            decide(rules, "ana", &["developers"]),
            Decision::Allowed { rule: 0 }
        );
        assert_eq!(decide(rules, "bob", &[]), Decision::Allowed { rule: 1 });
        assert_eq!(
            decide(rules, "ana", &["Developers"]),
            Decision::Denied,
            "names are exact"
        );
    }
}
