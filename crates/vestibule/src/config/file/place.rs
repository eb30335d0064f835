//! Where in a file a key's value stands, for what is found wrong only once the file has been read.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Line and column, from 1, of the text at this path.
pub(super) fn of(text: &str, path: &[String]) -> Option<(u64, u64)> {
    let sought = serde_saphyr::with_deserializer_from_str(text, |file| Seek(path).deserialize(file));
    let at = sought.ok()??;
    (at.line() > 0).then(|| (at.line(), at.column()))
}

/// The rest of the way.
struct Seek<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<Location>;

    fn deserialize<D: Deserializer<'de>>(self, here: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            Spanned::<String>::deserialize(here).map(|found| Some(found.referenced))
        } else {
            here.deserialize_map(self)
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<Location>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut keys: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = keys.next_key::<String>()? {
            match self.0.split_first() {
                Some((name, rest)) if *name == key => found = keys.next_value_seed(Seek(rest))?,
                _ => {
                    keys.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}
