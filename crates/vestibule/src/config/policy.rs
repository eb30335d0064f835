//! `policy`, and the rules under `allow`: who may do what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use model::{GroupName, Username};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::require::Class;
use super::values::Span;

/// Rules beyond those under `allow`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Files of Cedar policies, read again when they change. A `forbid` in one of them outweighs every
    /// `allow`.
    pub files: Vec<PolicyFile>,
    /// Time zones whose clocks policies in files may read, as `Asia/Taipei`.
    pub zones: Vec<String>,
}

/// A file of Cedar policies.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The file.
    pub file: PathBuf,
    /// Only try it: what it would have refused is recorded, and allowed.
    #[serde(default)]
    pub shadow: bool,
}

/// A rule fits a person whom it names, alone or by a group.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Members of any of these groups.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub groups: Vec<GroupName>,
    /// These people, by username.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub people: Vec<Username>,
    /// Only with these programs, by client id or by the host that vouches for them. Any if none is named.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Only with a token that was granted this scope, one of the server's `scopes`. Whoever calls without it is shown
    /// how to grant it.
    #[serde(default)]
    pub scope: Option<String>,
    /// Which tools: `all`, `read-only`, or names in which `*` stands for any text. Required of an MCP server. `read-only`
    /// goes by the upstream's word, which counts only with `trust_annotations` on the server.
    #[serde(default)]
    pub tools: Option<Tools>,
    /// Which requests, of an API: `all`, `read-only` (`GET` and `HEAD`), or a list of methods with paths, as `GET /repos/**`.
    /// `*` stands for any method, and for any text between two slashes; `**` for any number of segments. `GET` is `HEAD`
    /// too. The query decides nothing. Required of an API.
    #[serde(default)]
    pub requests: Option<Tools>,
    /// Which prompts, by name. All if `tools` is `all` or `read-only`, else none.
    #[serde(default)]
    pub prompts: Option<Vec<String>>,
    /// Which resources, by URI. All if `tools` is `all` or `read-only`, else none.
    #[serde(default)]
    pub resources: Option<Vec<String>>,
    /// Only then.
    #[serde(default)]
    pub when: When,
    /// What to tell somebody for whom these conditions are not met, a sentence for people and models.
    #[serde(default)]
    pub advice: Option<String>,
}

/// A scope of a server, granted on top of `mcp`. It gives nothing by itself: rules ask for it. Tokens carry it as
/// `SERVER:NAME`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it allows, in words for the person who is asked, as `Delete repositories`.
    pub title: String,
    /// Narrower scopes that it stands for too.
    #[serde(default)]
    pub includes: Vec<String>,
}

/// Which tools, or which requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tools {
    /// All of them.
    All,
    /// Those that only read.
    ReadOnly,
    /// Those with such names.
    Matching(Vec<String>),
}

/// Conditions, all of which must be met.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// By the path of a tool's argument, as `owner` or `filter.state`: a value, a list of texts, or `like`,
    /// `at_least`, `at_most`. An argument that is absent or of another type refuses.
    pub arguments: BTreeMap<String, Argument>,
    /// From one of these networks.
    #[schemars(with = "Vec<String>")]
    pub networks: Vec<IpNet>,
    /// At these hours.
    pub hours: Option<Hours>,
    /// The person signed in at most so long ago.
    pub authenticated_within: Option<Span>,
    /// The person signed in at least so surely: `two_factors`, or `passkey`. Who did not is refused; `require` of a server
    /// asks them for it instead.
    pub assurance: Option<Class>,
}

/// A condition on one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// One of these texts.
    OneOf(Vec<String>),
    /// A text that fits one of these, `*` standing for any text.
    Like(Vec<String>),
    /// This truth value.
    Is(bool),
    /// A whole number in this range.
    Between(Option<i64>, Option<i64>),
}

/// A time window that returns every day or on some days of the week.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The time zone, as `Asia/Taipei`.
    pub zone: String,
    /// On these days; all if none is named.
    #[serde(default)]
    pub days: Vec<Day>,
    /// From this time on, as `09:00`.
    pub from: ClockTime,
    /// Until this time; if it is not after `from`, the window goes on after midnight.
    pub until: ClockTime,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon = 1,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A minute of the day, written `09:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime(pub u16);

const TOOLS: &str = "`all`, `read-only`, or a list of names";

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tools;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TOOLS)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Tools, E> {
                match text {
                    "all" => Ok(Tools::All),
                    "read-only" => Ok(Tools::ReadOnly),
                    other => Err(E::custom(format_args!("{other:?} is not {TOOLS}"))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Tools, A::Error> {
                texts(items).map(Tools::Matching)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn texts<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Vec<String>, A::Error> {
    let mut texts = Vec::new();
    while let Some(text) = items.next_element()? {
        texts.push(text);
    }
    Ok(texts)
}

impl Serialize for Tools {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::ReadOnly => serializer.serialize_str("read-only"),
            Self::Matching(names) => names.serialize(serializer),
        }
    }
}

impl JsonSchema for Tools {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tools".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "enum": ["all", "read-only"] },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

/// The long form of a condition on an argument.
#[derive(Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Tests {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    like: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<i64>,
}

const ARGUMENT: &str = "a value, a list of texts, or `like`, `at_least`, `at_most`";

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Argument;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ARGUMENT)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Argument, E> {
                Ok(Argument::OneOf(vec![text.to_owned()]))
            }
            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Argument, E> {
                Ok(Argument::Is(truth))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Argument, E> {
                Ok(Argument::Between(Some(number), Some(number)))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Argument, E> {
                let number = i64::try_from(number).map_err(E::custom)?;
                self.visit_i64(number)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Argument, A::Error> {
                texts(items).map(Argument::OneOf)
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Argument, A::Error> {
                let tests = Tests::deserialize(MapAccessDeserializer::new(members))?;
                match (tests.like.is_empty(), tests.at_least, tests.at_most) {
                    (false, None, None) => Ok(Argument::Like(tests.like)),
                    (true, least, most) if least.is_some() || most.is_some() => {
                        Ok(Argument::Between(least, most))
                    }
                    _ => Err(de::Error::custom(format_args!("must be {ARGUMENT}"))),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for Argument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self::OneOf(texts) => texts.serialize(serializer),
            Self::Is(truth) => serializer.serialize_bool(truth),
            Self::Like(like) => Tests {
                like,
                ..Tests::default()
            }
            .serialize(serializer),
            Self::Between(at_least, at_most) => Tests {
                at_least,
                at_most,
                ..Tests::default()
            }
            .serialize(serializer),
        }
    }
}

impl JsonSchema for Argument {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argument".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": ["string", "boolean", "integer"] },
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": false, "properties": {
                "like": { "type": "array", "items": { "type": "string" } },
                "at_least": { "type": "integer" },
                "at_most": { "type": "integer" },
            } },
        ] })
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = |text: &str, below: u16| text.parse().ok().filter(|number| *number < below);
        let minutes = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes): (u16, u16) = (number(hours, 24)?, number(minutes, 60)?);
            Some(hours * 60 + minutes)
        });
        minutes.map(Self).ok_or_else(|| {
            de::Error::custom(format_args!("{text:?} is no time of day; write one like 09:00"))
        })
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ClockTime {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClockTime".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" })
    }
}
