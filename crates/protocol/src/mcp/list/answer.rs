//! An answer as far as lists are concerned, read in one go: answers with lists are the long ones, and each look at all
//! of one costs more than everything that is decided about it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{List, Response};

/// A longer list is shown as an empty one.
const MOST: usize = 10_000;

/// The answer.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<Found<'a>>,
}

/// What was found: the members of a result; none if it is no object.
pub(super) struct Found<'a>(pub(super) Option<Members<'a>>);

/// The members of a result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Members<'a> {
    #[serde(borrow)]
    tools: Option<Array<'a>>,
    #[serde(borrow)]
    prompts: Option<Array<'a>>,
    #[serde(borrow)]
    resources: Option<Array<'a>>,
    #[serde(borrow)]
    resource_templates: Option<Array<'a>>,
    #[serde(borrow)]
    tasks: Option<Array<'a>>,
    #[serde(borrow)]
    pub(super) cache_scope: Option<&'a RawValue>,
    content: Option<IgnoredAny>,
    structured_content: Option<IgnoredAny>,
}

impl<'a> Members<'a> {
    pub(super) fn member(&self, list: List) -> Option<&Array<'a>> {
        match list {
            List::Tools => self.tools.as_ref(),
            List::Prompts => self.prompts.as_ref(),
            List::Resources => self.resources.as_ref(),
            List::Templates => self.resource_templates.as_ref(),
            List::Tasks => self.tasks.as_ref(),
        }
    }

    /// Whether it is what a tool says.
    pub(super) fn is_output(&self) -> bool {
        self.content.is_some() || self.structured_content.is_some()
    }
}

/// A member that should be an array.
pub(super) enum Array<'a> {
    Entries(Entries<'a>),
    Other,
}

/// Entries of an array.
#[derive(Default)]
pub(super) struct Entries<'a> {
    /// Each of them; the first ones if there are too many.
    pub(super) texts: Vec<&'a RawValue>,
    /// The last one.
    pub(super) last: Option<&'a str>,
    pub(super) is_too_long: bool,
}

/// The text of a member of the result.
pub(super) fn raw_member(text: &str, list: List) -> Option<&str> {
    let response: Response<'_> = serde_json::from_str(text).ok()?;
    let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(response.result?.get()).ok()?;
    members.get(list.member()).map(|member| member.get())
}

impl<'de: 'a, 'a> Deserialize<'de> for Found<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FoundVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArrayVisitor)
    }
}

struct FoundVisitor;
struct ArrayVisitor;

/// Everything that is passed over.
macro_rules! passes_over {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    passes_over!(Found(None));

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a result")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Members::deserialize(MapAccessDeserializer::new(map)).map(|members| Found(Some(members)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found(None))
    }
}

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Array<'de>;

    passes_over!(Array::Other);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Array::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Entries::default();
        while let Some(entry) = seq.next_element::<&'de RawValue>()? {
            entries.last = Some(entry.get());
            if entries.texts.len() < MOST {
                entries.texts.push(entry);
            } else {
                entries.is_too_long = true;
            }
        }
        Ok(Array::Entries(entries))
    }
}
