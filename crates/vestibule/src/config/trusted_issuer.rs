//! `trusted_issuers`: whose access tokens servers can take beside this door's own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::require::Class;
use super::values::Span;

/// An issuer whose access tokens servers can take.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// Its identifier, byte for byte what its tokens say in `iss`.
    pub issuer: String,
    /// Where its keys are. Without it they are where its metadata says (OpenID Connect Discovery, RFC 8414).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<Url>,
    /// What its tokens may be signed with: `RS256`, `PS256`, `ES256`, `ES384`, `EdDSA`.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<String>,
    /// What `typ` in the head of its access tokens may be. Many issuers write `JWT`; `none` stands for tokens without
    /// one.
    #[serde(default = "usual_types")]
    pub typ: Vec<String>,
    /// How far its clock may differ; at most 5m.
    #[serde(default = "usual_leeway")]
    pub leeway: Span,
    /// Take its ID tokens too. They are made for clients to read, and wander about more than access tokens do.
    #[serde(default)]
    pub id_tokens: bool,
    /// Which claims say what.
    #[serde(default)]
    pub claims: Claims,
    /// The scope that its tokens need; asked for only if `claims.scopes` is given.
    #[serde(default = "usual_scope")]
    pub mcp_scope: String,
    /// Make an account for everybody who comes with its token for the first time. Without it, people are linked by
    /// `vestibule identity link`.
    #[serde(default)]
    pub create_accounts: bool,
    /// What the `acr` of its tokens stands for, where a server requires more than one factor. Others stand for nothing.
    #[serde(default)]
    pub assurance: BTreeMap<String, Class>,
    /// How long its keys count while they cannot be fetched again.
    #[serde(default = "usual_keep")]
    pub keep_keys: Span,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy to reach it through, as `http://proxy:3128`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Url>,
}

/// Which claims say what: the name of a claim, or a JSON pointer such as `/realm_access/roles`. What is not given is
/// not read.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// What an account that is made is called.
    pub username: Option<String>,
    /// What others read of an account that is made.
    pub name: Option<String>,
    /// The address of an account that is made.
    pub email: Option<String>,
    /// Groups that count for a call with the token, beside those of the account.
    pub groups: Option<String>,
    /// What the token was granted: words in one text, or a list.
    pub scopes: Option<String>,
}

fn usual_algorithms() -> Vec<String> {
    vec!["RS256".to_owned(), "ES256".to_owned()]
}

fn usual_types() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn usual_scope() -> String {
    "mcp".to_owned()
}

const fn usual_leeway() -> Span {
    Span(Duration::from_secs(30))
}

const fn usual_keep() -> Span {
    Span(Duration::from_hours(24))
}
