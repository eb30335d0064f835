//! Headers of callers that never reach one upstream: those that choose, at this server, whom or where it asks (CC-107). Left
//! to callers, a header that names another address would send somebody's credential there.

use std::str::FromStr;

use http::HeaderName;
use thiserror::Error;

/// A name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stripped {
    /// This one.
    Name(HeaderName),
    /// All that begin so, in small letters.
    Prefix(String),
}

/// A text that names no headers.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{0:?} names no header; write one like X-Api-Key, or X-Grafana-* for all that begin so")]
pub struct BadStripped(String);

impl FromStr for Stripped {
    type Err = BadStripped;

    fn from_str(text: &str) -> Result<Self, BadStripped> {
        let bad = || BadStripped(text.to_owned());
        let (name, is_beginning) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        // A name may hold one, but nobody means it; and `*` alone would take away what the protocol itself needs.
        if name.contains('*') {
            return Err(bad());
        }
        let name: HeaderName = name.parse().map_err(|_| bad())?;
        Ok(if is_beginning {
            Self::Prefix(name.as_str().to_owned())
        } else {
            Self::Name(name)
        })
    }
}

impl Stripped {
    /// Whether it is this header.
    pub fn covers(&self, name: &HeaderName) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Prefix(beginning) => name.as_str().starts_with(beginning.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_beginning_whatever_the_case() {
        let covers = |text: &str, name: &'static str| {
            let stripped: Stripped = text.parse().unwrap();
            stripped.covers(&HeaderName::from_static(name))
        };
        assert!(covers("Private-Token", "private-token"));
        assert!(!covers("Private-Token", "private-tokens"));
        assert!(covers("X-Grafana-*", "x-grafana-url"));
        assert!(!covers("X-Grafana-*", "x-grafana"));
        for odd in ["", "*", "a b", "X-*-Url", "X-Url:"] {
            assert_eq!(odd.parse::<Stripped>(), Err(BadStripped(odd.to_owned())), "{odd}");
        }
    }
}
