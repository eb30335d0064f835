//! `connectors`: providers at which people have accounts of their own, and how they link them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// A provider at which people have accounts. Servers that name it in `credential.connector` are called with what the
/// caller linked there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// What people call it. The name in this file if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// Let people type a personal access token or key of theirs, once, into a form that shows it to nobody.
    #[serde(default)]
    pub personal_token: Option<PersonalToken>,
    /// How the provider is asked whose a credential is, before it is kept.
    pub who_am_i: WhoAmI,
    /// What of the answer has to be what the account here says, so that nobody connects what is somebody else's.
    #[serde(default)]
    pub identity: Identity,
    /// How servers that name this connector are shown the credential, if they do not say it themselves.
    #[serde(default = "usual_headers")]
    pub headers: BTreeMap<String, String>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy to reach the provider through, as `http://proxy:3128`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Url>,
}

/// What people are told who type a token.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalToken {
    /// Which rights it needs, in words.
    pub hint: Option<String>,
    /// Where they make one.
    #[schemars(with = "Option<String>")]
    pub help_url: Option<Url>,
}

/// The question whose a credential is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct WhoAmI {
    /// Where; asked with GET, answered in JSON.
    #[schemars(with = "String")]
    pub url: Url,
    /// With which headers.
    #[serde(default = "usual_headers")]
    pub headers: BTreeMap<String, String>,
    /// Where in the answer the id is that never changes: a JSON pointer.
    pub id: String,
    /// Where it says what the person is called: a JSON pointer.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it says their address: a JSON pointer.
    #[serde(default)]
    pub email: Option<String>,
}

/// Proof of identity.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// `none`; `username` or `email`, which have to be the account's; or `linked_subject`: the id there is the `sub` under
    /// which the person is linked at `provider`.
    #[serde(rename = "match")]
    pub matches: Match,
    /// A provider of `sign_in.providers`; with `linked_subject`.
    pub provider: Option<String>,
}

/// What has to be the same there and here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Nothing.
    #[default]
    None,
    /// The name there is the username here.
    Username,
    /// The address.
    Email,
    /// The id there is the `sub` at a sign-in provider.
    LinkedSubject,
}

fn usual_headers() -> BTreeMap<String, String> {
    BTreeMap::from([("Authorization".to_owned(), "Bearer ${connection}".to_owned())])
}
