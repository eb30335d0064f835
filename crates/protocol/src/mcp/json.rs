//! Strict JSON: one reading only.
//!
//! RFC 8259 leaves open what a repeated member means, and parsers differ. So a document counts as strict
//! only if no object in it, at any depth, names a member twice after unescaping.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether `bytes` are one JSON object without repeated members.
pub fn is_strict_object(bytes: &[u8]) -> bool {
    let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
        return false;
    };
    text.trim_start().starts_with('{') && serde_json::from_str::<Strict>(text).is_ok()
}

/// Any JSON value, checked and thrown away.
#[derive(Debug)]
pub(super) struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Self;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut seen = Seen::default();
        while let Some(Key(key)) = members.next_key()? {
            seen.add(key)?;
            members.next_value_seed(Strict)?;
        }
        Ok(self)
    }
}

/// Any JSON value, checked as [`Strict`] does; notes whether a word is within one of its names or texts.
#[derive(Debug)]
pub(super) struct Word<'w> {
    word: &'static str,
    found: &'w mut bool,
}

impl<'w> Word<'w> {
    /// Looks for this word.
    pub(super) fn new(word: &'static str, found: &'w mut bool) -> Self {
        Self { word, found }
    }

    fn look(&mut self, text: &str) {
        *self.found |= text.contains(self.word);
    }

    fn again(&mut self) -> Word<'_> {
        Word::new(self.word, self.found)
    }
}

impl<'de> DeserializeSeed<'de> for Word<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Word<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.look(text);
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut seen = Seen::default();
        while let Some(Key(key)) = members.next_key()? {
            self.look(&key);
            seen.add(key)?;
            members.next_value_seed(self.again())?;
        }
        Ok(())
    }
}

/// A member's name, borrowed from the document where it has no escapes.
#[derive(serde::Deserialize, Debug)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The names an object has had so far.
#[derive(Default)]
pub(super) struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 24;

    /// Notes one more name; an error if it was there.
    pub(super) fn add<E: Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(E::custom("an object names a member twice"));
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tp_8_a_repeated_member_is_found_at_any_depth_and_behind_escapes() {
        for good in [
            "{}",
            r#" {"a":1,"b":{"a":[{"a":1},{"a":2}]}}"#,
            r#"{"n":123456789012345678901234567890,"f":-1e9}"#,
        ] {
            assert!(is_strict_object(good.as_bytes()), "{good}");
        }
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#,
            r#"{"a":1}{"b":2}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1,}"#,
            "[1]",
            "\u{feff}{}",
        ] {
            assert!(!is_strict_object(bad.as_bytes()), "{bad}");
        }
        assert!(!is_strict_object(b"{\"a\":\"\xff\"}"));
        assert!(!is_strict_object(
            format!("{}{}", "{\"a\":".repeat(200), "}".repeat(200)).as_bytes()
        ));
    }

    #[test]
    fn many_members_are_compared_by_hash() {
        let members: Vec<_> = (0..500).map(|n| format!("\"m{n}\":{n}")).collect();
        assert!(is_strict_object(format!("{{{}}}", members.join(",")).as_bytes()));
        assert!(!is_strict_object(
            format!("{{{},\"m499\":0}}", members.join(",")).as_bytes()
        ));
    }
}
