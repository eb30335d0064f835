//! What a caller is told whose token lacks a scope that the rules ask for (CC-76, DEC-17, MA-30 to MA-36).
//!
//! The person can grant it on a page of the door, which works in every client. The few clients that ask for more by
//! themselves are challenged once; if that leads to nothing, they get the address of the page like all others.

use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use issuer::step_up::WayToScope;
use model::{GrantId, Timestamp};
use policy::{Act, Annotations, Client, Outcome, Principal};
use protocol::{Issuer, Scopes};
use quick_cache::DefaultHashBuilder;
use quick_cache::sync::Cache;
use url::Url;

use crate::authorize::{About, in_other_words, is_too_long, of_uri};
use crate::caller::{Caller, Proof};
use crate::gateway::Gateway;
use crate::names;
use crate::refusal::Refusal;
use crate::route::{Route, Transport};

/// Where the page is, on our own origin.
const PAGE: &str = "/apps/scopes";
/// Challenges that are remembered, so that none is sent twice, and for how long.
const CHALLENGES: usize = 20_000;
const REMEMBERED: Duration = Duration::from_hours(1);

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
    /// What is said where no scope helps.
    otherwise: Refusal,
}

impl Lacking {
    pub(crate) fn new(about: &About<'_>, scopes: Vec<Arc<str>>, act: Act<'_>, otherwise: Refusal) -> Self {
        let policy = &about.route.resource.policy;
        let titles = scopes.iter().filter_map(|name| policy.scope(name));
        let titles = titles.map(|scope| Arc::clone(&scope.title)).collect();
        let page = match &about.caller.proof {
            Proof::Access(access) => page(about.issuer, access.grant, &scopes),
            Proof::Service(_) | Proof::Foreign(_) | Proof::Legacy(_) => None,
        };
        Self {
            titles,
            page,
            subject: format!("{} {}", act.method(), act.name()),
            scopes,
            otherwise,
        }
    }
}

impl About<'_> {
    /// The scopes with which this would be allowed, if that is all that is in the way.
    pub(crate) fn lacking(&self, act: Act<'_>, arguments: Option<&str>) -> Option<Vec<Arc<str>>> {
        let can_have_any = match &self.caller.proof {
            Proof::Access(_) | Proof::Service(_) => true,
            // The issuer's scopes are read, or nothing could ever change.
            Proof::Foreign(_) => self
                .route
                .trust
                .as_ref()
                .is_some_and(|trust| trust.issuer.trust.claims.scopes.is_some()),
            Proof::Legacy(_) => false,
        };
        if !can_have_any || is_too_long(act) || self.is_held(act) {
            return None;
        }
        let circumstances = self.circumstances(arguments);
        let (principal, annotations) = (self.principal(), self.annotations(act));
        let policy = &self.route.resource.policy;
        let lacking = policy.lacking(principal, act, annotations, &circumstances)?;
        // What the upstream may read it as must not need more, or be out of reach.
        let mut scope = self.caller.proof.scope().to_owned();
        for name in &lacking {
            scope.push(' ');
            scope.push_str(name);
        }
        let client = principal.client.map(|client| Client {
            scope: &scope,
            ..client
        });
        let with = Principal { client, ..principal };
        let reaches = in_other_words(act, |uri| {
            let decision = policy.decide(with, of_uri(act, uri), Annotations::default(), &circumstances);
            decision.outcome == Outcome::Allowed
        });
        reaches.then_some(lacking)
    }
}

fn page(issuer: &Issuer, grant: GrantId, scopes: &[Arc<str>]) -> Option<Url> {
    let mut url = Url::parse(issuer.as_str()).ok()?.join(PAGE).ok()?;
    url.query_pairs_mut()
        .append_pair("grant", &grant.to_string())
        .append_pair("scope", &scopes.join(" "));
    Some(url)
}

impl Lacking {
    /// The scopes, separated by spaces.
    pub(crate) fn scopes(&self) -> String {
        self.scopes.join(" ")
    }
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
    sent: Cache<u64, Timestamp>,
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
    /// Whether this is the first one of its kind. A new grant makes it no other: a client that asks for less than it
    /// was told gets one, and would be sent to the person again and again.
    fn is_first(&self, now: Timestamp, kind: impl Hash) -> bool {
        let key = self.hash.hash_one(kind);
        let mut first = false;
        let sent = self.sent.get_or_insert_with(&key, || {
            first = true;
            Ok::<_, Infallible>(now)
        });
        let Ok(sent) = sent;
        if now.since(sent) > REMEMBERED {
            self.sent.insert(key, now);
            return true;
        }
        first
    }
}

impl Gateway {
    /// How a refusal for want of a scope is said to this caller: as it is, as a challenge, or as if no scope helped if
    /// this program cannot have it.
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
        let way = self.issuer().way_to(&access.client, &lacking.scopes).await;
        let way = way.unwrap_or_else(|error| {
            tracing::warn!(%error, "a client cannot be looked up");
            WayToScope::Page
        });
        let session = headers.get(&names::SESSION).map(HeaderValue::as_bytes);
        match way {
            WayToScope::None => match refusal {
                Refusal::Lacking(lacking) => lacking.otherwise,
                other => other,
            },
            // A stream of the legacy transport has no place for a challenge.
            WayToScope::Challenge
                if route.transport == Transport::Streamable
                    && self.challenges.is_first(
                        self.now(),
                        (
                            route.name(),
                            caller.account.id,
                            &access.client,
                            session,
                            &lacking.subject,
                        ),
                    ) =>
            {
                let needed = Scopes::parse(&lacking.scopes.join(" "));
                Refusal::StepUp {
                    challenge: access.scopes.union(&needed).to_string(),
                    lacking: needed.to_string(),
                }
            }
            WayToScope::Page | WayToScope::Challenge => refusal,
        }
    }
}
