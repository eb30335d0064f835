//! `quotas`, and `concurrency` of a server: how much somebody may do.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use model::{GroupName, ServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{BadValue, Span, written};

/// How much somebody may do.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// What is counted apart, as `[person, server]`. Everything together if nothing is named.
    #[serde(default)]
    pub per: Vec<Counted>,
    /// Only for these servers. All if none is named.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<ServerName>,
    /// Only for members of any of these groups. Everybody if none is named.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub groups: Vec<GroupName>,
    /// Only for calls of tools of these names, in which `*` stands for any text. Every request if none is named.
    #[serde(default)]
    pub tools: Vec<String>,
    /// So many requests in a time, as `600/1m`.
    #[serde(default)]
    pub rate: Option<Frequency>,
    /// So many of them at once, after a rest. As many as `rate` names if not given.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
    /// So many requests under way.
    #[serde(default)]
    pub calls: Option<NonZeroU32>,
    /// So many open listening streams.
    #[serde(default)]
    pub streams: Option<NonZeroU32>,
}

impl Quota {
    /// What holds when nothing else is said: streams are what a client that forgets them leaves behind (TP-14).
    pub fn usual() -> Self {
        Self {
            per: vec![Counted::Person],
            servers: Vec::new(),
            groups: Vec::new(),
            tools: Vec::new(),
            rate: None,
            burst: None,
            calls: None,
            streams: NonZeroU32::new(200),
        }
    }
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Each person.
    Person,
    /// Each client.
    Client,
    /// Each server.
    Server,
    /// Each tool.
    Tool,
    /// Each address; of IPv6, each /64.
    Network,
}

impl Counted {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Client => "client",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Network => "network",
        }
    }
}

/// How many calls a server takes at once. Beyond that callers wait, and whoever has the fewest calls under way is
/// next.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// Calls under way.
    pub calls: NonZeroU32,
    /// A call waits so long for its turn before it is refused.
    #[serde(default = "usual_wait")]
    pub wait: Span,
}

fn usual_wait() -> Span {
    Span(Duration::from_secs(10))
}

/// So many in a time: `600/1m`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    /// How many.
    pub count: u32,
    /// In which time.
    pub span: Duration,
}

impl FromStr for Frequency {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue::Frequency(text.to_owned());
        let (count, span) = text.split_once('/').ok_or_else(bad)?;
        let count: u32 = count.trim().parse().map_err(|_| bad())?;
        let Span(span) = span.parse().map_err(|_| bad())?;
        let is_sensible = count > 0 && span >= Duration::from_millis(1) && (span / count) > Duration::ZERO;
        is_sensible.then_some(Self { count, span }).ok_or_else(bad)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, Span(self.span))
    }
}

written!(
    Frequency,
    "^[0-9]+ ?/ ?[0-9]+(ms|s|m|h|d)( ?[0-9]+(ms|s|m|h|d))*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_written_as_people_write_them() {
        let read = |text: &str| text.parse::<Frequency>().map(|rate| (rate.count, rate.span));
        assert_eq!(read("600/1m"), Ok((600, Duration::from_mins(1))));
        assert_eq!(read("5 / 2h"), Ok((5, Duration::from_hours(2))));
        for bad in [
            "",
            "600",
            "0/1m",
            "-1/1m",
            "1/0s",
            "x/1m",
            "1/x",
            "4294967295/1ms",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let text = "600/1m".parse::<Frequency>().unwrap().to_string();
        assert_eq!(text, "600/1m");
    }
}
