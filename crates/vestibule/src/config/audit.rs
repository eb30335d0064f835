//! `audit`: what the record of what happened holds, and when it has to be on disk.

use model::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The audit record.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// When an event has to be on disk: `grouped`, at most 100 ms after what it is about, so that a crash may lose
    /// the last ones, and the next start says how many at most; or `strict`, before a call goes to its server and
    /// before the last of its answer, or a refusal, goes out. Counts after a restart.
    pub durability: Durability,
    /// Arguments of tool calls whose values join the record, beside the digest of them all.
    pub arguments: Vec<KeptArguments>,
}

/// Arguments whose values join the record: texts up to 200 characters, numbers, truth values, and of anything else its
/// kind. What looks like a credential is left out.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct KeptArguments {
    /// Only of calls to this server. To any if none is named.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub server: Option<ServerName>,
    /// Only of tools of these names, in which `*` stands for any text. Of all if none is named.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Where the arguments stand, as `owner` or `filter.state`; 1 to 20 of them.
    pub keep: Vec<String>,
}

/// When an event has to be on disk.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A moment later.
    #[default]
    Grouped,
    /// Before a call goes on.
    Strict,
}
