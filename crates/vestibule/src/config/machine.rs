//! `workloads`, and what `clients` may do without a person: programs with an account of their own.

use std::collections::BTreeMap;

use model::{ServerName, Username};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Span;

/// What a client may have for itself, by `client_credentials` (OAuth 2.1 section 4.2).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// The account that it acts as, whose groups decide: one made for it, by `user add --service`.
    #[schemars(with = "String")]
    pub account: Username,
    /// The servers that it may have tokens for.
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<ServerName>,
    /// The most it may be granted, separated by spaces.
    #[serde(default = "usual_scope")]
    pub scope: String,
    /// How long its tokens live: as others if not given, and no longer.
    #[serde(default)]
    pub lifetime: Option<Span>,
}

/// What tokens a client may exchange (RFC 8693): a server that was called by somebody and calls another one for them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// Tokens for these servers: those that the client stands for.
    #[schemars(with = "Vec<String>")]
    pub from: Vec<ServerName>,
    /// For tokens for these.
    #[schemars(with = "Vec<String>")]
    pub to: Vec<ServerName>,
    /// With this at most, separated by spaces.
    #[serde(default = "usual_scope")]
    pub scope: String,
}

/// A workload for which its platform vouches: a CI job, a pod (RFC 7523). It shows the platform's token and needs no secret.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The platform, by its name in `trusted_issuers`.
    pub issuer: String,
    /// An audience of its tokens that stands for this door. `public_url` always does.
    #[serde(default)]
    pub audience: Option<String>,
    /// Which `sub` it has: `repo:acme/app:ref:refs/heads/main`, `system:serviceaccount:ci:*`. One star stands for any text
    /// without `:` and `/`, two for any text.
    pub subjects: Vec<String>,
    /// What else its tokens must say: claims, or JSON pointers, with patterns of the same kind.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// The account that it acts as, whose groups decide: one made for it, by `user add --service`.
    #[schemars(with = "String")]
    pub account: Username,
    /// The servers that it may have tokens for.
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<ServerName>,
    /// The most it may be granted, separated by spaces.
    #[serde(default = "usual_scope")]
    pub scope: String,
    /// How long its tokens live: as others if not given, and no longer.
    #[serde(default)]
    pub lifetime: Option<Span>,
}

fn usual_scope() -> String {
    "mcp".to_owned()
}
