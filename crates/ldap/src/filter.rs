//! Filters with a place for what somebody typed, or for the name of an entry (RFC 4515).

use std::fmt::{self, Write as _};
use std::str::FromStr;

use ldap3::{ldap_escape, parse_filter};
use thiserror::Error;

const USERNAME: &str = "{username}";
const DN: &str = "{dn}";

/// Why a text is no such filter.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum BadFilter {
    /// Nobody could be looked for with it.
    #[error("has no {0}")]
    Lacks(&'static str),
    /// A part of a value matches more than was typed.
    #[error("must have {0} as the whole of a value, such as (uid={{username}})")]
    NotWhole(&'static str),
    /// Not a filter.
    #[error("is no LDAP filter; write it with its parentheses, such as (uid={{username}})")]
    Syntax,
}

/// Finds the entry of somebody by what they typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFilter(String);

impl FromStr for UserFilter {
    type Err = BadFilter;

    fn from_str(text: &str) -> Result<Self, BadFilter> {
        has_whole(text, USERNAME)?;
        // Its value is left out where somebody is looked for by their id: `(uid=*)` says that there is one.
        let ends = |head: &str| {
            head.strip_suffix('=')
                .is_some_and(|head| head.ends_with(is_of_a_name))
        };
        if text.split(USERNAME).count() != 1 + ends_before(text, USERNAME, ends) {
            return Err(BadFilter::NotWhole(USERNAME));
        }
        let filter = Self(text.to_owned());
        check(&filter.of("x"))?;
        check(&filter.of_anybody())?;
        Ok(filter)
    }
}

impl UserFilter {
    /// The filter for what somebody typed, which can say nothing but a value.
    pub fn of(&self, username: &str) -> String {
        self.0.replace(USERNAME, &ldap_escape(username))
    }

    /// The filter for whoever can be found at all.
    pub fn of_anybody(&self) -> String {
        self.0.replace(USERNAME, "*")
    }
}

impl fmt::Display for UserFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Finds the groups in which an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFilter(String);

impl FromStr for GroupFilter {
    type Err = BadFilter;

    fn from_str(text: &str) -> Result<Self, BadFilter> {
        match has_whole(text, DN) {
            Err(BadFilter::Lacks(_)) if text.contains(USERNAME) => {}
            other => other?,
        }
        match has_whole(text, USERNAME) {
            Err(BadFilter::Lacks(_)) => {}
            other => other?,
        }
        let filter = Self(text.to_owned());
        check(&filter.of("cn=x", "x"))?;
        Ok(filter)
    }
}

impl GroupFilter {
    /// The filter for the groups of an entry.
    pub fn of(&self, dn: &str, username: &str) -> String {
        // One pass: what stands in one value must not be taken for the place of the other.
        let mut filter = String::with_capacity(self.0.len() + dn.len() + username.len());
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find('{') {
            let (before, place) = rest.split_at(at);
            filter.push_str(before);
            rest = if let Some(rest) = place.strip_prefix(DN) {
                filter.push_str(&ldap_escape(dn));
                rest
            } else if let Some(rest) = place.strip_prefix(USERNAME) {
                filter.push_str(&ldap_escape(username));
                rest
            } else {
                filter.push('{');
                place.strip_prefix('{').unwrap_or_default()
            };
        }
        filter + rest
    }

    /// Whether it can find the groups of a group, which has no username.
    pub fn can_nest(&self) -> bool {
        !self.0.contains(USERNAME)
    }
}

/// An assertion that an attribute has this value, in text or in bytes.
pub(crate) fn equals(attribute: &str, value: &Value) -> String {
    match value {
        Value::Text(text) => format!("({attribute}={})", ldap_escape(text.as_str())),
        Value::Bytes(bytes) => {
            let mut filter = format!("({attribute}=");
            for byte in bytes {
                // Writing to a text does not fail.
                let _ = write!(filter, "\\{byte:02x}");
            }
            filter + ")"
        }
    }
}

/// A value as it stands in an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Bytes(Vec<u8>),
}

/// Whether a filter is one.
pub(crate) fn check(filter: &str) -> Result<(), BadFilter> {
    if filter.starts_with('(') && parse_filter(filter).is_ok() {
        Ok(())
    } else {
        Err(BadFilter::Syntax)
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == ';'
}

/// A place has to be the whole of a value: in `(uid=a*{username})` it would find others than was typed.
fn has_whole(text: &str, place: &'static str) -> Result<(), BadFilter> {
    let places = text.matches(place).count();
    if places == 0 {
        return Err(BadFilter::Lacks(place));
    }
    let whole = ends_before(text, place, |head| head.ends_with('='));
    let closed = text.matches(&format!("{place})")).count();
    if whole == places && closed == places {
        Ok(())
    } else {
        Err(BadFilter::NotWhole(place))
    }
}

/// Before how many of the places the text is so.
fn ends_before(text: &str, place: &str, is_so: impl Fn(&str) -> bool) -> usize {
    text.match_indices(place)
        .filter(|(at, _)| text.get(..*at).is_some_and(&is_so))
        .count()
}

#[cfg(test)]
mod tests {
    use ldap3::ldap_unescape;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_typed_is_a_value_and_nothing_else() {
        let filter: UserFilter = "(&(objectClass=person)(uid={username}))".parse().unwrap();
        for (typed, value) in [
            ("ana", "ana"),
            ("*", "\\2a"),
            ("*)(uid=*", "\\2a\\29\\28uid=\\2a"),
            ("ana)(|(uid=ben", "ana\\29\\28|\\28uid=ben"),
            ("a\\2a", "a\\5c2a"),
            ("nul\0", "nul\\00"),
            ("{username}", "{username}"),
            ("张三", "张三"),
        ] {
            assert_eq!(
                filter.of(typed),
                format!("(&(objectClass=person)(uid={value}))"),
                "{typed}"
            );
        }
        assert_eq!(filter.of_anybody(), "(&(objectClass=person)(uid=*))");
    }

    #[test]
    fn a_place_is_the_whole_of_a_value() {
        for (text, why) in [
            ("(uid=ana)", BadFilter::Lacks(USERNAME)),
            ("(uid=*{username})", BadFilter::NotWhole(USERNAME)),
            ("(uid={username}*)", BadFilter::NotWhole(USERNAME)),
            ("(uid>={username})", BadFilter::NotWhole(USERNAME)),
            ("(uid:caseExactMatch:={username})", BadFilter::NotWhole(USERNAME)),
            ("({username}=x)", BadFilter::NotWhole(USERNAME)),
            ("uid={username})", BadFilter::Syntax),
            ("(uid={username})(a=b)", BadFilter::Syntax),
            ("(&(uid={username})", BadFilter::Syntax),
        ] {
            assert_eq!(text.parse::<UserFilter>(), Err(why), "{text}");
        }
        let both = "(|(uid={username})(mail={username}))";
        assert_eq!(
            both.parse::<UserFilter>().unwrap().of_anybody(),
            "(|(uid=*)(mail=*))"
        );
    }

    #[test]
    fn groups_are_found_by_the_name_of_an_entry() {
        let rule = "(member:1.2.840.113556.1.4.1941:={dn})";
        let filter: GroupFilter = rule.parse().unwrap();
        assert_eq!(
            filter.of("cn=O\\2CBrien (x),dc=a", "-"),
            "(member:1.2.840.113556.1.4.1941:=cn=O\\5c2CBrien \\28x\\29,dc=a)"
        );
        assert!(filter.can_nest());
        let both: GroupFilter = "(|(member={dn})(memberUid={username}))".parse().unwrap();
        assert_eq!(
            both.of("cn={username}", "{dn}"),
            "(|(member=cn={username})(memberUid={dn}))"
        );
        assert!(!both.can_nest());
        assert_eq!("(cn=x)".parse::<GroupFilter>(), Err(BadFilter::Lacks(DN)));
        assert_eq!(
            "(member=*{dn})".parse::<GroupFilter>(),
            Err(BadFilter::NotWhole(DN))
        );
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_one_value(typed in any::<String>()) {
            let filter: UserFilter = "(uid={username})".parse().unwrap();
            let filled = filter.of(&typed);
            let value = filled.strip_prefix("(uid=").and_then(|rest| rest.strip_suffix(')')).unwrap();
            prop_assert!(!value.contains(['(', ')', '*', '\0']));
            prop_assert_eq!(&*ldap_unescape(value).unwrap(), typed.as_str());
            // As the library sends it: an equality with these bytes, and no other kind of filter.
            if !typed.is_empty() {
                let sent = format!("{:?}", parse_filter(&filled).unwrap());
                let bytes = format!("{:?}", typed.as_bytes());
                prop_assert!(sent.contains(&bytes), "{} {}", sent, bytes);
            }
        }
    }
}
