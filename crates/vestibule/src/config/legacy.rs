//! `servers.NAME.legacy`: tokens of the time before, accepted until a day.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::Username;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::Day;

/// Tokens of the time before that a server accepts until a day. They are mapped to accounts, counted for
/// `vestibule migrate report`, and never go on to the server.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Legacy {
    /// The day on which they end, as `2027-03-01`: from its first moment (UTC) on they are refused.
    pub until: Day,
    /// Tokens that are known here.
    #[serde(default, rename = "static")]
    pub statics: Vec<Static>,
    /// For others, the server itself is asked whose they are.
    #[serde(default)]
    pub upstream_check: Option<UpstreamCheck>,
    /// Schemes of the `Authorization` header in which they may come, beside `Bearer`; as `token`.
    #[serde(default)]
    pub schemes: Vec<String>,
    /// Other headers in which they may come, as `Private-Token`.
    #[serde(default)]
    pub headers: Vec<String>,
}

/// A token that is known here.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Static {
    /// What to call it in the record.
    pub name: String,
    /// A file with the token; read again when it changes.
    pub token_file: PathBuf,
    /// Whose it is.
    #[schemars(with = "String")]
    pub account: Username,
}

/// Asking the server whose a token is. The answer counts for a minute.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct UpstreamCheck {
    /// Where it says who somebody is, as `http://gitea:3000/api/v1/user`. 200 means that it knows the token; 401, 403
    /// and 404 that it does not.
    #[schemars(with = "String")]
    pub url: Url,
    /// The header that carries the token there; `{token}` is filled in.
    #[serde(default = "usual_header")]
    pub header: String,
    /// Where in the answer the name is: a JSON pointer.
    #[serde(default = "usual_username")]
    pub username: String,
    /// Whose account here a name there is.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub accounts: BTreeMap<String, Username>,
    /// Every other name there is the account of the same name here. Only where nobody can choose their own name there.
    #[serde(default)]
    pub same_names: bool,
}

fn usual_header() -> String {
    "Authorization: Bearer {token}".to_owned()
}

fn usual_username() -> String {
    "/login".to_owned()
}
