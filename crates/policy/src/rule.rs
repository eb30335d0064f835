//! A rule as the configuration writes it: who, which tools, under which conditions.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use model::{Assurance, GroupName, Username};

use crate::request::Requests;
use crate::scope::ScopeName;

/// Allows some people something on one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowRule {
    /// Members of any of these.
    pub groups: Vec<GroupName>,
    /// These people.
    pub people: Vec<Username>,
    /// Only with these programs, by id or by the host that vouches for them; any if none is named.
    pub clients: Vec<String>,
    /// Only with a token that was granted this scope of the server.
    pub scope: Option<ScopeName>,
    /// Which tools.
    pub tools: Tools,
    /// Which prompts, by name; `*` stands for any text.
    pub prompts: Vec<String>,
    /// Which resources, by URI; `*` stands for any text.
    pub resources: Vec<String>,
    /// Which requests, of a plain HTTP API. Such a rule says nothing of tools, prompts and resources, which an API has not.
    pub requests: Option<Requests>,
    /// Only then.
    pub when: Conditions,
    /// What a person is told who would be allowed if the conditions were met.
    pub advice: Option<String>,
}

/// Which tools a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tools {
    /// All, those that appear later too; and methods that the protocol does not know yet.
    All,
    /// Those that only read, by the upstream's word.
    ReadOnly,
    /// Those whose names fit one of these; `*` stands for any text.
    Matching(Vec<String>),
}

impl Default for Tools {
    fn default() -> Self {
        Self::Matching(Vec::new())
    }
}

/// Conditions on the circumstances of a call. All must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// By the path of a tool's argument, as `owner` or `filter.state`.
    pub arguments: BTreeMap<String, ArgumentTest>,
    /// From one of these networks.
    pub networks: Vec<IpNet>,
    /// At these hours.
    pub hours: Option<Hours>,
    /// The person proved who they are at most so long ago.
    pub authenticated_within: Option<Duration>,
    /// With at least so sure a proof.
    pub assurance: Option<Assurance>,
}

/// A condition on one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentTest {
    /// One of these texts.
    OneOf(Vec<String>),
    /// A text that fits one of these; `*` stands for any text.
    Like(Vec<String>),
    /// This truth value.
    Is(bool),
    /// A whole number in this range, both ends included.
    Between(Option<i64>, Option<i64>),
}

/// A time window that returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Where the clock hangs: a name of the time zone database.
    pub zone: String,
    /// Days of the week, Monday being 1; all if none is named.
    pub days: Vec<i8>,
    /// Minute of the day from which on.
    pub from: u16,
    /// Minute of the day up to which; up to and including the next morning if it is not after `from`.
    pub until: u16,
}
