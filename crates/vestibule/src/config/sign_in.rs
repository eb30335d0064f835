//! `sign_in`: how people prove who they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::GroupName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::directory::Directory;
use super::require::{RequireOf, Words};
use super::values::Span;

/// How people prove who they are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    /// Whether passwords of local accounts let people in. With `false` the providers and directories are the only way in,
    /// and one-time links set none.
    pub passwords: bool,
    /// Providers at which people can sign in, by a name of your own (`a-z`, `0-9`, `-`). It is a part of the redirect URI
    /// to register there: `PUBLIC_URL/sign-in/callback/NAME`.
    pub providers: BTreeMap<String, Provider>,
    /// Directories (LDAP, Active Directory, a service of your own) whose people sign in with their name and password there, by a
    /// name of your own (`a-z`, `0-9`, `-`). Keep it: who somebody is here hangs on it.
    pub directories: BTreeMap<String, Directory>,
    /// What the sign-in of people must be, by their groups, whatever server they use. What servers `require` comes on top.
    pub require: Vec<RequireOf>,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            passwords: true,
            providers: BTreeMap::new(),
            directories: BTreeMap::new(),
            require: Vec::new(),
        }
    }
}

/// A provider at which people sign in: one that speaks OpenID Connect, or GitHub.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// A provider that is known, by its name in `vestibule preset list`: whatever is not said here is taken from there.
    #[serde(default)]
    pub preset: Option<String>,
    /// Where the provider is, for a preset that has it in its addresses: `git.example.com`, with a port or a path where it
    /// has one.
    #[serde(default)]
    pub host: Option<String>,
    /// What people call it; stands on its button. The name in this file if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// What it speaks: `openid` if not given, or `github`.
    #[serde(default)]
    pub kind: Option<ProviderKind>,
    /// Its identifier, byte for byte what its metadata and its tokens say. Everything else is found from there
    /// (OpenID Connect Discovery). Required, unless a preset has it.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where the API is, at GitHub: `https://api.github.com`, or `https://HOST/api/v3`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api: Option<Url>,
    /// What it calls this door. Required.
    #[serde(default)]
    pub client_id: String,
    /// A file with the client's secret. Without one, and without `client_secret`, the door is a public client there and
    /// proves itself by PKCE alone, which it always uses.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// The secret as a template: `${env:NAME}` or `${file:/path}`.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// A PEM file with the client's private key (PKCS#8: P-256, RSA or Ed25519), in place of a secret.
    /// `vestibule key public FILE` prints its public half for the provider.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// A PEM file with the certificate of that key, at providers that were given a certificate and no key set, as Entra ID
    /// is. Assertions name its thumbprint (`x5t#S256`), and an RSA key signs them with PS256.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// How the door proves itself at the token endpoint: `basic`, `post`, `private_key_jwt`, or `none`. If not given, by the
    /// key if there is one, else as the provider's metadata says.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// What is asked for: `openid`, `profile` and `email` if not given. `openid` must be among it, but at GitHub.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Further parameters of the authorization request.
    #[serde(default)]
    pub authorization_parameters: BTreeMap<String, String>,
    /// The domain of your organization at Google: the provider is told, and nobody gets in whose account is of another one
    /// or of none (`hd`).
    #[serde(default)]
    pub hosted_domain: Option<String>,
    /// Which claims say what.
    #[serde(default)]
    pub claims: ProviderClaims,
    /// Domains of addresses whose people sign in here: who types such an address on the sign-in page is sent to this
    /// provider. With any, an account is made or linked only for somebody with an address of one of them that the
    /// provider calls verified (`email_verified`).
    #[serde(default)]
    pub domains: Vec<String>,
    /// Who gets in: `existing`, whose identity is linked to an account, or `create`, which makes an account for whoever
    /// comes for the first time.
    #[serde(default)]
    pub accounts: AccountsAt,
    /// Groups in the provider's words. With any, nobody gets in who is in none of them.
    #[serde(default)]
    pub require_groups: Vec<String>,
    /// Link somebody who comes for the first time to the one account that has their verified address. Say `true` only
    /// if everybody with an address at this provider has proved that it is theirs: whoever gets an address there gets
    /// the account.
    #[serde(default)]
    pub link_by_verified_email: bool,
    /// Which group of the provider is which group here. They are taken anew at every sign-in, beside those that the
    /// account has here.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub groups: BTreeMap<String, GroupName>,
    /// Take all other groups of the provider too, with this before their names, as `corp:`.
    #[serde(default)]
    pub group_prefix: Option<String>,
    /// What its words on how somebody signed in count for. Without them it is one factor, whatever it says.
    #[serde(default)]
    pub assurance: Words,
    /// Ask the provider again about people whenever a program of theirs is given tokens, with what it gives for that at a
    /// sign-in: its refresh token, which lies sealed here. Whoever is gone there gets nothing more, and groups are as they are
    /// there. `offline_access` is asked for where the provider's metadata names it. `false` if not given.
    #[serde(default)]
    pub refresh: Option<bool>,
    /// How long somebody stays signed in at most who signed in here; `sessions` holds too. Programs too, where the provider is
    /// not asked again: they send people to sign in once more.
    #[serde(default = "usual_lifetime")]
    pub lifetime: Span,
    /// How far its clock may differ; at most 5m.
    #[serde(default = "usual_leeway")]
    pub leeway: Span,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy to reach it through, as `http://proxy:3128`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Url>,
}

impl Provider {
    /// Its identifier, from the file or a preset.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or_default()
    }
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenID Connect.
    #[default]
    #[serde(rename = "openid")]
    OpenId,
    /// GitHub, or GitHub Enterprise Server: OAuth and its API.
    #[serde(rename = "github")]
    GitHub,
}

/// How the door proves itself at a token endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// The secret in the `Authorization` header (`client_secret_basic`).
    Basic,
    /// The secret in the form (`client_secret_post`).
    Post,
    /// An assertion that the key signs (RFC 7523).
    PrivateKeyJwt,
    /// PKCE alone.
    None,
}

/// Who gets in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AccountsAt {
    /// Whose identity is linked to an account.
    #[default]
    Existing,
    /// Everybody; who comes for the first time gets an account.
    Create,
}

/// Which claims of the ID token, or of userinfo, say what: the name of a claim, or a JSON pointer such as
/// `/realm_access/roles`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderClaims {
    /// What an account that is made is called, with `+` and the provider's name behind it: `preferred_username` if not
    /// given.
    pub username: Option<String>,
    /// What others read of an account that is made: `name` if not given.
    pub name: Option<String>,
    /// The address of an account that is made: `email` if not given. Only that can be verified.
    pub email: Option<String>,
    /// The groups: `groups` if not given.
    pub groups: Option<String>,
}

pub(super) const fn usual_lifetime() -> Span {
    Span(Duration::from_hours(12))
}

pub(crate) const fn usual_leeway() -> Span {
    Span(Duration::from_secs(30))
}
