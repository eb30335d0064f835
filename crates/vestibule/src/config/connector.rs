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
    /// A provider that is known, by its name in `vestibule preset list`: whatever is not said here is taken from there.
    #[serde(default)]
    pub preset: Option<String>,
    /// Where the provider is, for a preset that has it in its addresses: `git.example.com`, with a port or a path where it
    /// has one.
    #[serde(default)]
    pub host: Option<String>,
    /// What people call it. The name in this file if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// Let people type a personal access token or key of theirs, once, into a form that shows it to nobody. A preset does
    /// not turn it on.
    #[serde(default)]
    pub personal_token: Option<PersonalToken>,
    /// Let people connect in the browser, by OAuth: this door is a client there, with the redirect URI
    /// `PUBLIC_URL/connect/callback/NAME`. A preset does not turn it on.
    #[serde(default)]
    pub oauth: Option<OAuth>,
    /// How the provider is asked whose a credential is, before it is kept. Required, unless `oauth.discover` finds a server to
    /// ask.
    #[serde(default)]
    pub who_am_i: WhoAmI,
    /// What of the answer has to be what the account here says, so that nobody connects what is somebody else's.
    #[serde(default)]
    pub identity: Identity,
    /// How servers that name this connector are shown the credential, if they do not say it themselves:
    /// `Authorization: Bearer ${connection}` if not given.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
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

/// This door as an OAuth client of the provider. `discover`, from which everything is found; or `issuer`, from which everything
/// else is found; or the endpoints.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// Find the way from the MCP server that names this connector, which has an authorization server of its own, as any MCP
    /// client does (RFC 9728). Without `client_id` the door registers itself there. `issuer`, if it is written, is the one that
    /// the server has to name. Without `who_am_i` the server alone says whether it takes what somebody connects.
    #[serde(default)]
    pub discover: bool,
    /// What the provider calls this door. Required, unless it registers itself.
    #[serde(default)]
    pub client_id: String,
    /// Let the door make itself known at `issuer`: by a document about itself where the provider reads those, else by
    /// registering (RFC 7591). In place of `client_id` and the files; with `client_key_file` the document holds the key's
    /// public half, and the door proves itself with it where the provider takes `private_key_jwt`.
    #[serde(default)]
    pub register: bool,
    /// A file with the client's secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// A PEM file with the client's private key (PKCS#8: P-256, RSA or Ed25519), in place of a secret.
    /// `vestibule key public FILE` prints its public half for the provider.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// A PEM file with the certificate of that key, at providers that were given a certificate and no key set, as Entra ID
    /// is. Assertions name its thumbprint (`x5t#S256`), and an RSA key signs them with PS256.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// How the door proves itself at the token endpoint: `basic`, `post`, `private_key_jwt`, or `none`. `basic` if there is
    /// a secret, `private_key_jwt` if there is a key.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// What stands between them; a space if not given.
    #[serde(default)]
    pub scope_separator: Option<String>,
    /// Its identifier, byte for byte what its metadata says (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where browsers go.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub authorization_endpoint: Option<Url>,
    /// Where codes and refresh tokens are redeemed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub token_endpoint: Option<Url>,
    /// Where tokens are revoked (RFC 7009), when somebody disconnects.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub revocation_endpoint: Option<Url>,
    /// Bind codes to a verifier (RFC 7636): `true` if not given. Say `false` only for a provider that refuses it.
    #[serde(default)]
    pub pkce: Option<bool>,
    /// Further parameters of the authorization request, such as `access_type: offline` at Google.
    #[serde(default)]
    pub authorization_parameters: BTreeMap<String, String>,
    /// The resource that tokens are for (RFC 8707), at providers that take one.
    #[serde(default)]
    pub resource: Option<String>,
    /// Where in the answer of the token endpoint the tokens are: a JSON pointer such as `/authed_user` at Slack.
    /// What is not there in the answer to a refresh token is looked for in the answer itself.
    #[serde(default)]
    pub tokens_at: Option<String>,
}

impl OAuth {
    /// Whether the door makes itself known.
    pub(crate) fn registers(&self) -> bool {
        self.register || self.discover && self.client_id.is_empty()
    }
}

/// How the door proves itself at a provider's token endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// With the secret in a header.
    Basic,
    /// With the secret in the form.
    Post,
    /// With an assertion that its key has signed (RFC 7523).
    PrivateKeyJwt,
    /// With nothing: a public client.
    None,
}

/// The question whose a credential is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct WhoAmI {
    /// Where; asked with GET, answered in JSON. Required.
    #[schemars(with = "Option<String>")]
    pub url: Option<Url>,
    /// With which headers: `Authorization: Bearer ${connection}` if not given.
    pub headers: Option<BTreeMap<String, String>>,
    /// Where in the answer the id is that never changes: a JSON pointer. Required.
    pub id: Option<String>,
    /// Where it says what the person is called: a JSON pointer.
    pub name: Option<String>,
    /// Where it says their address: a JSON pointer.
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
    /// With `linked_subject`, a provider of `sign_in.providers`; with `username`, one of those or of `sign_in.directories`,
    /// whose people are called `NAME+provider` here: their name there is compared with `NAME`.
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

/// How a credential is shown where nothing else is said (RFC 6750 section 2.1).
pub(crate) fn usual_headers() -> BTreeMap<String, String> {
    BTreeMap::from([("Authorization".to_owned(), "Bearer ${connection}".to_owned())])
}
