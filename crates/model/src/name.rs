//! Names that people and configuration give to things, each checked once when it is read.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// Why a text is no name of its kind.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{text:?} is no {what}: {rule}")]
pub struct BadName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName { text: text.chars().take(80).collect(), what: $what, rule: $rule })
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a configured server, the `{name}` of `/mcp/{name}` (DEC-21).
    ServerName, "server name", "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit", |text| {
        (1..=32).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };

    /// The name of a group of people.
    GroupName, "group name", "1 to 64 printable characters without spaces at either end", |text| {
        (1..=64).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control)
    };

    /// The name a person signs in with. Lower case, so that two spellings never make two counters of
    /// wrong guesses (class 12 of the known attacks: username case).
    Username, "username", "1 to 64 of a-z, 0-9 and . _ - @ +, beginning with a letter or digit", |text| {
        (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@+".contains(&b))
    };

    /// An OAuth client's identifier (RFC 6749 section 2.2): one we gave out, one from the configuration, or
    /// the https URL of a client id metadata document.
    ClientId, "client id", "1 to 2048 visible ASCII characters without spaces", |text| {
        (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
}

impl Username {
    /// Reads what a person typed: surrounding space and upper case are theirs to type.
    pub fn from_typed(text: &str) -> Result<Self, BadName> {
        text.trim().to_lowercase().parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_path_segments_and_nothing_else() {
        for good in ["gitea", "a", "0-9", "sentry-eu-1"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a/b", "a.b", "..", "a%2f", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_typed_username_has_one_spelling() {
        assert_eq!(
            Username::from_typed(" Ana@Example.com "),
            "ana@example.com".parse()
        );
        assert!(Username::from_typed("ana banana").is_err());
        assert!(
            Username::from_typed("аna").is_err(),
            "a Cyrillic letter is not the Latin one"
        );
    }

    #[test]
    fn the_error_names_the_rule() {
        let error = "Bad Name".parse::<ServerName>().unwrap_err().to_string();
        assert!(error.contains("Bad Name") && error.contains("a-z"), "{error}");
    }
}
