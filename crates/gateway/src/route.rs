//! Which server a path means, and what is needed to reach it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Uri};
use issuer::Resource;
use model::ServerName;
use net::{Egress, Operators};
use protocol::{Issuer, Origin, Origins, scope};
use relying::TrustedIssuer;
use store::CredentialClass;
use url::Url;
use vault::{Recipe, SharedCredential};

use crate::api::Api;
use crate::catalogue::{Pinning, Place};
use crate::chosen::KeptArguments;
use crate::health::Health;
use crate::metrics::ServerMetrics;
use crate::old_tokens::OldTokens;
use crate::quota::Quota;
use crate::share::{Concurrency, Share};
use crate::strip::Stripped;

/// How an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, every revision since 2025-03-26.
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// A kind of token that a server may accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed token: an access token.
    Jwt,
    /// A service token.
    ServiceToken,
    /// A token of the time before.
    Legacy,
}

/// An issuer whose tokens a server takes.
#[derive(Clone, Debug)]
pub struct Trusts {
    /// The issuer.
    pub issuer: Arc<TrustedIssuer>,
    /// The audiences that mean this server and no other.
    pub audiences: Vec<String>,
    /// Whether its tokens are taken in place of ours, not beside them.
    pub alone: bool,
}

impl Trusts {
    /// Whether a token with these audiences is for the server (MA-50).
    pub(crate) fn covers(&self, audiences: &[String]) -> bool {
        self.audiences.iter().any(|audience| audiences.contains(audience))
    }
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the request to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of an answer that is no event stream.
    pub idle: Duration,
    /// A whole answer, however much of it keeps coming (TP-13); listening streams are none.
    pub longest: Duration,
    /// How long a request's body may take to arrive from the client.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_mins(5),
            idle: Duration::from_mins(2),
            longest: Duration::from_hours(1),
            body: Duration::from_secs(30),
        }
    }
}

/// A signed statement of who is calling, for upstreams that want proof instead of a plain header.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The header that carries it.
    pub header: HeaderName,
    /// Its `aud`.
    pub audience: String,
}

/// One configured server.
#[derive(Debug)]
pub struct Route {
    /// What tokens for it look like and who may use it.
    pub resource: Arc<Resource>,
    /// What it accepts, in the order in which it is tried.
    pub accepts: Vec<Kind>,
    /// Another issuer whose access tokens it takes.
    pub trust: Option<Trusts>,
    /// Tokens of the time before that it accepts for a while.
    pub old_tokens: Option<Arc<OldTokens>>,
    /// Where it is.
    pub upstream: Url,
    /// The same, as requests carry it.
    pub uri: Uri,
    /// How it speaks, if it speaks MCP.
    pub transport: Transport,
    /// What is special about it, if it is a plain HTTP API.
    pub api: Option<Api>,
    /// The way there.
    pub client: Operators,
    /// What that way was made from, so that a new configuration can take it over with its connections.
    pub egress: Egress,
    /// What is shown to it, whoever calls.
    pub credential: SharedCredential,
    /// How it is shown the caller's own credential.
    pub recipe: Option<Recipe>,
    /// Headers of callers that never reach it.
    pub strip: Vec<Stripped>,
    /// Whether the caller is named in `X-MCP-*` headers (DEC-22).
    pub identity_headers: bool,
    /// Whether the caller is named in a signed assertion too.
    pub assertion: Option<Assertion>,
    /// Most bytes of a request (DEC-20).
    pub body_limit: usize,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether what it says of its tools is believed (TP-118).
    pub trust_annotations: bool,
    /// What is done when a definition changes (TP-119).
    pub pinning: Pinning,
    /// Which arguments of calls join the record.
    pub kept_arguments: Vec<KeptArguments>,
    /// How much somebody may do here.
    pub quotas: Vec<Quota>,
    /// How many calls it takes at once; any number if none.
    pub concurrency: Option<Concurrency>,
    /// Their places; outlive a change of the configuration.
    pub share: Arc<Share>,
    /// Whether it answers; outlives a change of the configuration that leaves the way there as it was.
    pub health: Arc<Health>,
    /// What is counted of it; outlives a change of the configuration.
    pub metrics: Arc<ServerMetrics>,
    /// Whom a caller who is not allowed should ask.
    pub contact: Option<String>,
}

impl Route {
    /// Its name.
    pub fn name(&self) -> &ServerName {
        &self.resource.name
    }

    /// With whose credential it is asked.
    pub fn credential_class(&self) -> CredentialClass {
        match self.recipe {
            Some(_) => CredentialClass::Own,
            None => CredentialClass::Shared,
        }
    }

    /// Where what it lists is looked up.
    pub(crate) fn shelf(&self) -> Place<'_> {
        (self.name(), self.credential_class())
    }

    /// Whether everybody looks the same to it: it has one credential for all, and is not told who is calling.
    pub(crate) fn is_blind(&self) -> bool {
        self.recipe.is_none() && !self.identity_headers && self.assertion.is_none()
    }

    /// Its path here.
    pub fn path(&self) -> String {
        let before = if self.api.is_some() { API } else { "/mcp/" };
        format!("{before}{}", self.name())
    }

    /// The scope that a token for it needs, as clients ask their authorization server for it.
    pub fn scope(&self) -> Option<&str> {
        match &self.trust {
            Some(trust) if trust.alone => {
                let trust = &trust.issuer.trust;
                trust.claims.scopes.as_ref().map(|_| trust.mcp_scope.as_str())
            }
            _ => Some(scope::MCP),
        }
    }
}

/// Everything that a request can be routed by; replaced as one.
#[derive(Debug)]
pub struct Routes {
    /// The public origin and its aliases.
    pub origins: Origins,
    /// Our issuer.
    pub issuer: Issuer,
    /// What people call this door.
    pub title: String,
    /// Browser origins that may call although they are not ours; none listed means that a bearer token
    /// decides (CC-6).
    pub allowed_origins: Vec<Origin>,
    /// An idle event stream gets a comment so often, or proxies cut it (CC-96).
    pub keep_alive: Duration,
    /// Issuers whose tokens servers take, by their names in the configuration.
    pub issuers: HashMap<String, Arc<TrustedIssuer>>,
    /// The servers.
    pub servers: HashMap<ServerName, Arc<Route>>,
}

/// Before the names of plain HTTP APIs (DEC-21).
pub(crate) const API: &str = "/api/";

/// What a path below `/mcp` is.
#[derive(Debug)]
pub enum Leg<'a> {
    /// The MCP endpoint itself, spelled with or without slashes at the end (CC-7).
    Endpoint,
    /// The message endpoint of the legacy transport, with its sealed ticket (DEC-21).
    Message(&'a str),
}

impl Routes {
    /// Finds the plain HTTP API of a path, and what of the path is meant for it: nothing, or what begins with a slash.
    pub fn find_api<'a>(&self, path: &'a str) -> Option<(&Arc<Route>, &'a str)> {
        let rest = path.strip_prefix(API)?;
        let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let route = self.servers.get(name).filter(|route| route.api.is_some())?;
        Some((route, rest))
    }

    /// Finds the MCP server and the leg of a path.
    pub fn find<'a>(&self, path: &'a str) -> Option<(&Arc<Route>, Leg<'a>)> {
        let rest = path.strip_prefix("/mcp/")?;
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let route = self.servers.get(name).filter(|route| route.api.is_none())?;
        let rest = rest.trim_end_matches('/');
        match rest.strip_prefix("message/") {
            _ if rest.is_empty() => Some((route, Leg::Endpoint)),
            Some(ticket) if route.transport == Transport::Sse && !ticket.contains('/') => {
                Some((route, Leg::Message(ticket)))
            }
            _ => None,
        }
    }

    /// Whether a browser page of this origin may call.
    pub(crate) fn origin_is_allowed(&self, origin: &Origin) -> bool {
        self.origins.contains(origin)
            || self.allowed_origins.contains(origin)
            // On a laptop, pages of this very machine: the Inspector, for instance.
            || (self.origins.public().is_loopback() && origin.is_loopback())
    }

    /// Whether a wrong `Origin` is refused even with a good token (DEC-15).
    pub(crate) fn origin_is_binding(&self) -> bool {
        self.origins.public().is_loopback() || !self.allowed_origins.is_empty()
    }
}
