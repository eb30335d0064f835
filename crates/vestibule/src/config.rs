//! `vestibule.yaml`: what it may hold, with the defaults. `docs/configuration.md` is made from the comments
//! below, so they are written for the people who run Vestibule.
//!
//! Reading is in [`mod@file`], the environment in [`environment`], making sense of it all in
//! [`compose`](crate::compose).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use model::{ClientId, ServerName};
use protocol::Origin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use values::{Size, Span};

pub mod audit;
pub mod connector;
pub mod directory;
pub mod environment;
pub mod file;
pub mod legacy;
pub mod machine;
pub mod policy;
pub mod quota;
pub mod require;
pub mod server;
pub mod sign_in;
pub mod telemetry;
pub mod trusted_issuer;
pub mod values;

pub use audit::{Audit, Durability, KeptArguments};
pub use connector::Connector;
pub use legacy::Legacy;
pub use machine::Workload;
pub use policy::Policy;
pub use quota::{Counted, Quota};
pub use require::{Require, RequireOf};
pub use server::{Accept, Assertion, Auth, Pinning, Server, Transport};
pub use sign_in::SignIn;
pub use telemetry::{Log, LogFormat, Metrics, Otlp};
pub use trusted_issuer::TrustedIssuer;

/// The configuration file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where people and clients reach this door, for example `https://mcp.example.com`. Required. Plain
    /// `http` is accepted for this machine alone. It is the issuer of every token: changing it later makes
    /// every client sign in again.
    #[schemars(with = "Option<String>")]
    pub public_url: Option<Origin>,
    /// Other addresses of the same door. Requests to any other name are refused.
    #[schemars(with = "Vec<String>")]
    pub public_names: Vec<Origin>,
    /// What people call this door; the title of every page.
    pub title: String,
    /// Whom people should ask for access: an address, a chat room, a name.
    pub contact: Option<String>,
    /// Where the database, the master key and the control socket lie. A relative path starts at the
    /// configuration file's folder.
    pub data_dir: PathBuf,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Certificate files. Without them only this machine, or a listed proxy, may connect.
    pub tls: Option<Tls>,
    /// Networks of the proxies in front of this door, as `10.0.0.0/8`. They alone are believed about who is
    /// calling (`X-Forwarded-For`) and how (`X-Forwarded-Proto`).
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Browser origins that may call MCP endpoints from a page. Empty: any page may that holds a token.
    #[schemars(with = "Vec<String>")]
    pub allowed_origins: Vec<Origin>,
    /// Where everything is kept.
    pub database: Database,
    /// The file with the master key, under which signing keys are sealed. Made in `data_dir` if not named.
    /// The variable `VESTIBULE_MASTER_KEY` can hold the key itself instead.
    pub master_key_file: Option<PathBuf>,
    /// A program and its arguments in place of the file, as `[aws, kms, decrypt, …]`: what it prints is the key. It
    /// runs at each start and when other keys are named, without a shell, in the configuration file's folder, and has 30
    /// seconds.
    pub master_key_command: Option<Vec<String>>,
    /// Files with earlier master keys, while what they sealed is sealed again.
    pub older_master_key_files: Vec<PathBuf>,
    /// The same for keys that a program prints.
    pub older_master_key_commands: Vec<Vec<String>>,
    /// What is logged.
    pub log: Log,
    /// Metrics for Prometheus.
    pub metrics: Metrics,
    /// Traces and logs for an OpenTelemetry collector.
    pub otlp: Option<Otlp>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Tokens for programs without a browser.
    pub service_tokens: ServiceTokens,
    /// How forgiving refreshing is.
    pub refresh: Refresh,
    /// Browser sessions.
    pub sessions: Sessions,
    /// How people prove who they are.
    pub sign_in: SignIn,
    /// Whether programs may register themselves (RFC 7591): `open` or `closed`. Most MCP clients need `open`.
    pub registration: RegistrationMode,
    /// Whether programs without a browser may ask (RFC 8628): they show a code, and the person answers from a browser of
    /// their own.
    pub device_authorization: bool,
    /// Networks that may register more than 120 new clients in ten minutes: a vendor's, or a gateway that many
    /// people share.
    #[schemars(with = "Vec<String>")]
    pub unlimited_registration: Vec<IpNet>,
    /// Clients that are configured here instead of registering, by client id.
    #[schemars(with = "BTreeMap<String, Client>")]
    pub clients: BTreeMap<ClientId, Client>,
    /// A JSON file of known client programs that is laid over the built-in one.
    pub known_clients_file: Option<PathBuf>,
    /// If set, only clients whose metadata documents or redirects are on these hosts may be used; `loopback`
    /// and `private-scheme` stand for those kinds of redirects.
    pub allowed_client_hosts: Option<Vec<String>>,
    /// Networks inside the company from which client metadata documents may be fetched too.
    #[schemars(with = "Vec<String>")]
    pub client_document_networks: Vec<IpNet>,
    /// Offer to show the address that a sign-in returns to, for clients that run on another machine.
    pub copy_callback: bool,
    /// Keep `localhost`, `127.0.0.1` and `[::1]` apart when comparing redirect addresses.
    pub strict_loopback: bool,
    /// The `iss` answer parameter (RFC 9207): `always` or `never` sent and promised, or `auto`, which does not
    /// promise it to clients of 2024-11-05, some of which trip over it.
    pub iss: Iss,
    /// The server meant by clients that name none. With one server it is that one.
    #[schemars(with = "Option<String>")]
    pub default_server: Option<ServerName>,
    /// What one connection may cost.
    pub limits: Limits,
    /// How much somebody may do, by a name of your choosing. Without any, a person has at most 200 listening
    /// streams open.
    pub quotas: BTreeMap<String, Quota>,
    /// Signing keys are replaced this often.
    pub rotate_keys_every: Span,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// The audit record.
    pub audit: Audit,
    /// Rules beyond those of the servers.
    pub policy: Policy,
    /// Issuers whose access tokens servers can take, by a name of your own.
    pub trusted_issuers: BTreeMap<String, TrustedIssuer>,
    /// Programs without a person for which their platform vouches: CI jobs, pods. By a name of your own.
    pub workloads: BTreeMap<String, Workload>,
    /// Providers at which people have accounts of their own, by a name of your choosing. What somebody links there is shown
    /// to the servers that name the connector, in that person's calls alone.
    #[schemars(with = "BTreeMap<String, Connector>")]
    pub connectors: BTreeMap<ServerName, Connector>,
    /// The MCP servers behind this door, by name: `gitea` is served at `/mcp/gitea`.
    #[schemars(with = "BTreeMap<String, Server>")]
    pub servers: BTreeMap<ServerName, Server>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            public_names: Vec::new(),
            title: "Vestibule".to_owned(),
            contact: None,
            data_dir: "vestibule-data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            database: Database::default(),
            master_key_file: None,
            master_key_command: None,
            older_master_key_files: Vec::new(),
            older_master_key_commands: Vec::new(),
            log: Log::default(),
            metrics: Metrics::default(),
            otlp: None,
            lifetimes: Lifetimes::default(),
            service_tokens: ServiceTokens::default(),
            refresh: Refresh::default(),
            sessions: Sessions::default(),
            sign_in: SignIn::default(),
            registration: RegistrationMode::Open,
            device_authorization: true,
            unlimited_registration: Vec::new(),
            clients: BTreeMap::new(),
            known_clients_file: None,
            allowed_client_hosts: None,
            client_document_networks: Vec::new(),
            copy_callback: true,
            strict_loopback: false,
            iss: Iss::Auto,
            default_server: None,
            limits: Limits::default(),
            quotas: BTreeMap::from([("streams".to_owned(), Quota::usual())]),
            rotate_keys_every: days(90),
            retention: Retention::default(),
            audit: Audit::default(),
            policy: Policy::default(),
            trusted_issuers: BTreeMap::new(),
            workloads: BTreeMap::new(),
            connectors: BTreeMap::new(),
            servers: BTreeMap::new(),
        }
    }
}

/// Certificate files; read again when they change.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and its chain.
    pub certificate_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
}

/// Where everything is kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://user@host/name` for several replicas. Without it: one SQLite file in `data_dir`.
    pub url: Option<String>,
    /// A file that holds the URL, if it has a password in it.
    pub url_file: Option<PathBuf>,
    /// Most connections to PostgreSQL.
    pub connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            connections: 20,
        }
    }
}

/// How long things live.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Lifetimes {
    /// An access token; at most 24h.
    pub access_token: Span,
    /// An ID token.
    pub id_token: Span,
    /// An authorization code.
    pub code: Span,
    /// A device code, and the code that people type for it.
    pub device_code: Span,
    /// A sign-in that waits for its consent.
    pub consent: Span,
    /// A refresh token that is not used.
    pub refresh_idle: Span,
    /// What was granted, in any case.
    pub refresh_absolute: Span,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let usual = issuer::Lifetimes::default();
        Self {
            access_token: Span(usual.access),
            id_token: Span(usual.id_token),
            code: Span(usual.code),
            device_code: Span(usual.device_code),
            consent: Span(usual.transaction),
            refresh_idle: Span(usual.refresh_idle),
            refresh_absolute: Span(usual.refresh_absolute),
        }
    }
}

/// Tokens for programs without a browser, of `vestibule token create`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceTokens {
    /// The longest that one may live.
    pub longest: Span,
}

impl Default for ServiceTokens {
    fn default() -> Self {
        Self { longest: days(365) }
    }
}

/// What happens when a client sends a refresh token that was already replaced: it gets its successor again,
/// because answers are lost and windows refresh at the same moment.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    /// How long, while the successor has not been used.
    pub redelivery: Span,
    /// How long, while the successor is in use. `0s` ends the grant at once.
    pub overlap: Span,
}

impl Default for Refresh {
    fn default() -> Self {
        let usual = issuer::RefreshRules::default();
        Self {
            redelivery: Span(usual.redelivery),
            overlap: Span(usual.overlap),
        }
    }
}

/// How long a browser stays signed in.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Without being used.
    pub idle: Span,
    /// In any case.
    pub absolute: Span,
}

impl Default for Sessions {
    fn default() -> Self {
        let usual = people::SessionPolicy::default();
        Self {
            idle: Span(usual.idle),
            absolute: Span(usual.absolute),
        }
    }
}

/// Whether programs may register themselves.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationMode {
    /// Everybody may.
    Open,
    /// Nobody may.
    Closed,
}

/// When the `iss` answer parameter is sent and promised.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Iss {
    /// Sent and promised. (Not `on`: to YAML that word is a truth value.)
    Always,
    /// Sent; not promised to clients of 2024-11-05.
    Auto,
    /// Neither.
    Never,
}

/// A client that is configured instead of registering.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What consent pages call it.
    pub name: String,
    /// Where it may be sent back to. May be left out of one that asks without a browser, or acts for itself alone.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Whether it may ask without a browser (RFC 8628).
    #[serde(default)]
    pub device: bool,
    /// Where it may send a browser after sign-out.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// A file with its secret. Without one, and without keys, it is a public client.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// An https URL of its public keys, for `private_key_jwt`.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// A file with its public keys as a JWK set, for `private_key_jwt`.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The most it may be granted, separated by spaces. Everything if not given.
    #[serde(default)]
    pub scope: Option<String>,
    /// If set, it may have tokens for itself, as an account of its own.
    #[serde(default)]
    pub client_credentials: Option<machine::ClientCredentials>,
    /// If set, it may exchange tokens that it was shown for others.
    #[serde(default)]
    pub token_exchange: Option<machine::TokenExchange>,
}

/// What one connection may cost.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections at once.
    pub connections: usize,
    /// Streams at once on one HTTP/2 connection.
    pub streams: u32,
    /// Bytes of a request's head.
    pub head: Size,
    /// How long a request's head may take, and a connection may stay idle.
    pub head_time: Span,
    /// How long a stop waits for answers that are under way.
    pub drain: Span,
    /// An idle event stream gets a comment so often; proxies cut what is silent, many of them after a minute.
    pub keep_alive: Span,
}

impl Default for Limits {
    fn default() -> Self {
        let usual = net::Limits::default();
        Self {
            connections: usual.connections,
            streams: usual.streams,
            head: Size(usual.head_bytes),
            head_time: Span(usual.head_time),
            drain: Span(usual.drain_time),
            keep_alive: Span(Duration::from_secs(15)),
        }
    }
}

/// How long what has ended is kept before it is deleted.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// A registered client with which nobody ever finished a sign-in.
    pub unused_client: Span,
    /// A grant that was replaced by a newer one and is not used.
    pub replaced_grant: Span,
    /// A refresh token that was replaced, so that its theft is still noticed.
    pub rotated_token: Span,
    /// A grant or a service token that has ended.
    pub ended_grant: Span,
    /// The audit record.
    pub audit: Span,
}

impl Default for Retention {
    fn default() -> Self {
        let usual = store::Retention::default();
        Self {
            unused_client: Span(usual.unused_client),
            replaced_grant: Span(usual.replaced_grant),
            rotated_token: Span(usual.rotated_token),
            ended_grant: Span(usual.ended_grant),
            audit: Span(usual.audit),
        }
    }
}

/// The configuration file as a JSON Schema.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

const fn days(count: u64) -> Span {
    Span(Duration::from_hours(count * 24))
}
