//! What a caller is told whose token lacks a scope that the rules ask for (CC-76, DEC-17, MA-30 to MA-36).
//!
//! The person can grant it on a page of the door, which works in every client. The few clients that ask for more by
//! themselves are challenged once; if that leads to nothing, they get the address of the page like all others.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use model::{GrantId, ServerName};
use policy::{Act, ServerPolicy};
use protocol::{Issuer, Scopes};
use quick_cache::DefaultHashBuilder;
use quick_cache::sync::Cache;
use url::Url;

use crate::caller::{Caller, Proof};
use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::route::Route;

/// Where the page is, on our own origin.
const PAGE: &str = "/apps/scopes";
/// Challenges that are remembered, so that none is sent twice.
const CHALLENGES: usize = 20_000;

/// The scopes that something needs and a token lacks.
#[derive(Debug)]
pub struct Lacking {
    /// As tokens carry them.
    scopes: Vec<Arc<str>>,
    /// What they allow, in the operator's words.
    titles: Vec<Arc<str>>,
    /// Where the person can grant them; none for tokens that stand on no grant of ours.
    page: Option<Url>,
    /// What was asked for.
    subject: String,
}

impl Lacking {
    pub(crate) fn new(
        scopes: Vec<Arc<str>>,
        policy: &ServerPolicy,
        caller: &Caller,
        issuer: &Issuer,
        act: Act<'_>,
    ) -> Self {
        let titles = scopes.iter().filter_map(|name| policy.scope(name));
        let titles = titles.map(|scope| Arc::clone(&scope.title)).collect();
        let page = match &caller.proof {
            Proof::Access(access) => page(issuer, access.grant, &scopes),
            Proof::Service(_) | Proof::Foreign(_) | Proof::Legacy(_) => None,
        };
        Self {
            titles,
            page,
            subject: format!("{} {}", act.method(), act.name()),
            scopes,
        }
    }
}

fn page(issuer: &Issuer, grant: GrantId, scopes: &[Arc<str>]) -> Option<Url> {
    let mut url = Url::parse(issuer.as_str()).ok()?.join(PAGE).ok()?;
    url.query_pairs_mut()
        .append_pair("grant", &grant.to_string())
        .append_pair("scope", &scopes.join(" "));
    Some(url)
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (titles, scopes) = (self.titles.join(", "), self.scopes.join(" "));
        write!(
            f,
            "This needs a permission that has not been given yet: {titles} ({scopes}). "
        )?;
        match &self.page {
            Some(page) => write!(f, "Ask the person to open {page} and allow it, then try again."),
            None => f.write_str("The token has to be issued with that scope."),
        }
    }
}

/// Challenges that were sent. A client that comes again did not, or could not, do anything about it.
#[derive(Debug)]
pub(crate) struct Challenges {
    hash: DefaultHashBuilder,
    sent: Cache<u64, ()>,
}

impl Default for Challenges {
    fn default() -> Self {
        Self {
            hash: DefaultHashBuilder::default(),
            sent: Cache::new(CHALLENGES),
        }
    }
}

impl Challenges {
    /// Whether this is the first one of its kind.
    fn is_first(&self, server: &ServerName, grant: GrantId, session: Option<&[u8]>, subject: &str) -> bool {
        let key = self.hash.hash_one((server, grant, session, subject));
        let first = self.sent.get(&key).is_none();
        self.sent.insert(key, ());
        first
    }
}

impl Gateway {
    /// How a refusal for want of a scope is said to this caller: as it is, or as a challenge.
    pub(crate) async fn step_up(
        &self,
        route: &Route,
        caller: &Caller,
        headers: &HeaderMap,
        refusal: Refusal,
    ) -> Refusal {
        let (Refusal::Lacking(lacking), Proof::Access(access)) = (&refusal, &caller.proof) else {
            return refusal;
        };
        let able = self.issuer().steps_up(&access.client, &lacking.scopes).await;
        let able = able.unwrap_or_else(|error| {
            tracing::warn!(%error, "a client cannot be looked up");
            false
        });
        let session = headers.get("mcp-session-id").map(HeaderValue::as_bytes);
        if !able
            || !self
                .challenges
                .is_first(route.name(), access.grant, session, &lacking.subject)
        {
            return refusal;
        }
        let needed = Scopes::parse(&lacking.scopes.join(" "));
        Refusal::StepUp(access.scopes.union(&needed).to_string())
    }
}
