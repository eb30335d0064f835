//! Scopes (RFC 6749 section 3.3).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One scope: visible ASCII without `"` and `\`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(Arc<str>);

/// The scopes that exist from the beginning, in the order in which metadata lists them (DEC-12, CC-23).
pub const KNOWN: [&str; 6] = ["mcp", "openid", "profile", "email", "groups", "offline_access"];

/// "Use this server as far as policy allows me" (DEC-12).
pub const MCP: &str = "mcp";
/// OpenID Connect Core section 3.1.2.1: an ID token is wanted.
pub const OPENID: &str = "openid";
/// OpenID Connect Core section 5.4: name and username.
pub const PROFILE: &str = "profile";
/// OpenID Connect Core section 5.4: email address.
pub const EMAIL: &str = "email";
/// The person's groups.
pub const GROUPS: &str = "groups";
/// OpenID Connect Core section 11; refresh tokens are issued with or without it (CC-63).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Most scopes of one set: the known ones, and all that a server may have.
const MOST: usize = 100;

/// A text with a character that scopes may not have.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{0:?} is not a scope")]
pub struct BadScope(String);

impl Scope {
    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = BadScope;
    fn from_str(text: &str) -> Result<Self, BadScope> {
        let sound = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if sound {
            Ok(Self(text.into()))
        } else {
            Err(BadScope(text.chars().take(80).collect()))
        }
    }
}

/// A set of scopes that keeps the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads a space-delimited list. What cannot be a scope is dropped: an unknown scope is never an error
    /// (CC-72), and neither is a garbled one.
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter_map(|word| word.parse().ok()).collect()
    }

    /// Whether it holds this scope.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s.as_str() == scope)
    }

    /// Those that `allowed` holds too, in this set's order.
    #[must_use]
    pub fn intersection(&self, allowed: &Self) -> Self {
        self.filtered(|scope| allowed.contains(scope))
    }

    /// Those of which it is true, in this set's order.
    #[must_use]
    pub fn filtered(&self, mut holds: impl FnMut(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|scope| holds(scope.as_str()));
        kept.cloned().collect()
    }

    /// Those of both, this set's first.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// Those that `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.filtered(|scope| !other.contains(scope))
    }

    /// Whether `other` holds every scope of this set.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|s| other.contains(s.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Scope::as_str)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Vec::<Scope>::new();
        for scope in scopes {
            if set.len() < MOST && !set.contains(&scope) {
                set.push(scope);
            }
        }
        Self(set)
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cc_72_drops_what_cannot_be_a_scope() {
        assert_eq!(
            Scopes::parse("mcp  \"x\" mcp open\\id openid").to_string(),
            "mcp openid"
        );
        assert!(Scopes::parse("").is_empty());
    }

    #[test]
    fn intersection_keeps_the_asked_order() {
        let allowed = Scopes::parse(&KNOWN.join(" "));
        assert_eq!(
            Scopes::parse("openid admin mcp")
                .intersection(&allowed)
                .to_string(),
            "openid mcp"
        );
    }
}
