//! `servers`: the MCP servers and plain HTTP APIs behind the door.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use keys::Algorithm;
use model::{ClientId, ServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::CredentialClass;
use url::Url;

use super::Tls;
use super::legacy::Legacy;
use super::policy::{Allow, Scope};
use super::quota::Concurrency;
use super::require::Require;
use super::values::{Size, Span};

/// An MCP server behind the door, or a plain HTTP API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own, and none depends on another"
)]
pub struct Server {
    /// What people call it; its name if not given.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is: an `mcp` server, at `/mcp/NAME`, or a plain HTTP `api`, at `/api/NAME`.
    #[serde(default)]
    pub kind: Kind,
    /// Its MCP endpoint; of an API the address before all of its paths.
    #[schemars(with = "String")]
    pub upstream: Url,
    /// Of an API: a token may come as the password of Basic credentials too, whatever the name, and clients are told so.
    /// `git` knows nothing else.
    #[serde(default)]
    pub basic: bool,
    /// Of an API: a token may come as `Authorization: token …` too, in place of `Bearer`. `tea`, for Gitea, knows nothing
    /// else.
    #[serde(default)]
    pub token_scheme: bool,
    /// Of an API: `%2F` is a character of a name in its paths, as GitLab has it. Refused if not; an upstream that reads it
    /// as a slash would see another path than the rules.
    #[serde(default)]
    pub encoded_slashes: bool,
    /// How it speaks: `streamable` HTTP, or `sse` for servers of 2024-11-05.
    #[serde(default)]
    pub transport: Transport,
    /// Scopes that its rules may ask for, by name. A token of this door gets one only if its person
    /// approves it.
    #[serde(default)]
    pub scopes: BTreeMap<String, Scope>,
    /// Who may use it, and what of it. Required; a person who fits none of the rules may not.
    pub allow: Vec<Allow>,
    /// Rules to try in place of those: what they would have refused is recorded, and allowed.
    #[serde(default)]
    pub shadow_allow: Vec<Allow>,
    /// What the sign-in of whoever uses it must be.
    #[serde(default)]
    pub require: Option<Require>,
    /// Believe what it says of its tools, that they only read above all.
    #[serde(default)]
    pub trust_annotations: bool,
    /// What is done when a tool or prompt changes under its name: `off`, `warn` (log and record), or `hold`, which
    /// hides it until `vestibule tool accept`. The definition that was seen first is accepted.
    #[serde(default)]
    pub pinning: Pinning,
    /// What it accepts from callers, in the order in which it is tried: `jwt` (access tokens), `service_token`,
    /// `legacy`. The first two if not given; with `auth: issuer`, `jwt` alone.
    #[serde(default)]
    pub accept: Option<Vec<Accept>>,
    /// Tokens of the time before that it accepts until a day; with `legacy` in `accept`.
    #[serde(default)]
    pub legacy: Option<Legacy>,
    /// Whose access tokens it takes: those of this door (`vestibule`), those of `issuer` in their place, or `both`.
    #[serde(default)]
    pub auth: Auth,
    /// The trusted issuer, by its name in `trusted_issuers`; with `auth: issuer` or `both`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What `aud` says in the issuer's tokens for this server; its address here if not given. No two servers may share
    /// one: a token for one server must be worth nothing at its neighbour.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// What is shown to it.
    #[serde(default)]
    pub credential: Credential,
    /// Whether it is told who calls, in `X-MCP-Subject` and further headers.
    #[serde(default = "yes")]
    pub identity_headers: bool,
    /// If set, it is told who calls in a signed token too.
    #[serde(default)]
    pub assertion: Option<Assertion>,
    /// What access tokens for it are signed with: `ES256`, `RS256` or `EdDSA`.
    #[serde(default = "usual_algorithm")]
    #[schemars(with = "String")]
    pub signing: Algorithm,
    /// Confidential clients that may ask whether its tokens count (RFC 7662).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub introspection_clients: Vec<ClientId>,
    /// Most bytes of a request; 4 MiB if not given, and 4 GiB of an API, whose requests are passed on as they come.
    #[serde(default)]
    pub body_limit: Option<Size>,
    /// How long it may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many calls it takes at once, if it has a limit.
    #[serde(default)]
    pub concurrency: Option<Concurrency>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate that the door shows to it.
    #[serde(default)]
    pub client_certificate: Option<Tls>,
    /// An HTTP proxy to reach it through, as `http://proxy:3128`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Url>,
}

/// What a server is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An MCP server.
    #[default]
    Mcp,
    /// A plain HTTP API.
    Api,
}

impl Kind {
    /// What its paths begin with (DEC-21).
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Mcp => "/mcp/",
            Self::Api => "/api/",
        }
    }
}

/// A kind of token.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// Signed tokens: access tokens.
    Jwt,
    /// Service tokens, of `vestibule token create`.
    ServiceToken,
    /// Tokens of the time before, of `legacy`.
    Legacy,
}

/// Whose access tokens a server takes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Those of this door.
    #[default]
    Vestibule,
    /// Those of a trusted issuer.
    Issuer,
    /// Both.
    Both,
}

/// How an upstream speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Streamable HTTP.
    #[default]
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What is done when a definition changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Pinning {
    /// Nothing. (Quoted, `"off"`: to some readers of YAML the bare word is a truth value.)
    Off,
    /// It is logged and recorded.
    #[default]
    Warn,
    /// It is hidden too, until it is accepted.
    Hold,
}

/// What is shown to an upstream.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// An MCP server that is known, by its name in `vestibule preset list`: the headers that carry a credential to it, and
    /// those of callers that never reach it. What is said here stands over that.
    #[serde(default)]
    pub recipe: Option<String>,
    /// Where the service behind the server is, for a recipe that says so in a header: `jira.example.com`, with a port or a
    /// path where it has one.
    #[serde(default)]
    pub host: Option<String>,
    /// The connector, by its name in `connectors`, whose connections are shown to this server: each caller's own.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub connector: Option<ServerName>,
    /// Headers by name. `${file:/path}` and `${env:NAME}` are filled in; files are read again when they
    /// change. With `connector`, `${connection}` is the caller's token, `${connection.name}` what they are called there,
    /// and `${connection.basic}` both, as Basic credentials have them; without a header that says so, the connector's
    /// `headers` are shown.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers of callers that never reach it, beside those above and those that never pass: such as choose whom or where it
    /// asks. `X-Grafana-*` stands for all that begin so. Those of a recipe are added to.
    #[serde(default)]
    pub strip: Vec<String>,
    /// Of an API: names of parameters with which a request is refused, in the query, a form or JSON, because they would bring
    /// another credential or act for somebody else. Those of a recipe are added to; `access_token` is always refused in queries
    /// and forms.
    #[serde(default)]
    pub refuse_query: Vec<String>,
}

impl Server {
    /// Most bytes of a request (DEC-20).
    pub(crate) fn most_of_a_body(&self) -> usize {
        let usual = match self.kind {
            Kind::Mcp => 4 << 20,
            Kind::Api => 4 << 30,
        };
        self.body_limit.map_or(usual, |limit| limit.0)
    }
}

impl Credential {
    /// Whose it is.
    pub(crate) fn class(&self) -> CredentialClass {
        match self.connector {
            Some(_) => CredentialClass::Own,
            None => CredentialClass::Shared,
        }
    }
}

/// A signed statement of who is calling; the upstream verifies it with this door's key set.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The header that carries it.
    #[serde(default = "usual_assertion_header")]
    pub header: String,
    /// Its `aud`; the upstream's address if not given.
    #[serde(default)]
    pub audience: Option<String>,
}

/// How long an upstream may take.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To be connected to.
    pub connect: Span,
    /// To begin its answer.
    pub first_byte: Span,
    /// Between two pieces of an answer that is no event stream.
    pub idle: Span,
    /// For a whole answer, however much of it keeps coming; streams that only listen are none.
    pub longest: Span,
    /// For a request to arrive from the client; of an API, between two pieces of it.
    pub body: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let usual = gateway::Timeouts::default();
        Self {
            connect: Span(Duration::from_secs(5)),
            first_byte: Span(usual.first_byte),
            idle: Span(usual.idle),
            longest: Span(usual.longest),
            body: Span(usual.body),
        }
    }
}

const fn yes() -> bool {
    true
}

const fn usual_algorithm() -> Algorithm {
    Algorithm::Es256
}

fn usual_assertion_header() -> String {
    "X-MCP-Assertion".to_owned()
}
