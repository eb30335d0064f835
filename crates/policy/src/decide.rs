//! The one decision function, for lists and for calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::Entities;
use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use model::ServerName;
use quick_cache::sync::Cache;
use tracing::error;

use crate::load::{self, Origin, PolicyError, Rule, RuleFile, ServerRules};
use crate::principal::{Act, Annotations, Circumstances, Principal};
use crate::remember::{DecisionKey, DecisionRef, SliceKey, SliceRef, Viewer};
use crate::request::is_read_only;
use crate::schema;
use crate::scope::{self, ServerScope, ServerScopes};
use crate::slice::{Finding, Slice, fits};

/// Slices and decisions that are kept for a server. Somebody who calls tools by made-up names only makes the door cut
/// slices again.
const SLICES: usize = 2048;
const DECISIONS: usize = 65_536;

/// What was decided, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether, and if not how it is said.
    pub outcome: Outcome,
    /// The rule that decided; none if no rule allowed it.
    pub rule: Option<Arc<str>>,
    /// What to tell somebody who is refused.
    pub advice: Option<Arc<str>>,
    /// Rules that are only tried would have refused it: the one that forbids, or that none allows it.
    pub shadow: Option<Shadow>,
}

impl Decision {
    /// As if it did not exist.
    pub fn hidden() -> Self {
        Self {
            outcome: Outcome::Hidden,
            rule: None,
            advice: None,
            shadow: None,
        }
    }
}

/// What rules that are only tried would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The rule that would have forbidden it; none if no rule would have allowed it.
    pub rule: Option<Arc<str>>,
}

/// A decision's outcome (DEC-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may go on.
    Allowed,
    /// Whatever the circumstances: it is in no list, and answered as if it did not exist.
    Hidden,
    /// Not under these circumstances: it is in the lists, and the refusal says so.
    Refused,
}

/// The rules of all servers.
#[derive(Debug)]
pub struct Policies {
    rules: Vec<Rule>,
    /// Where the rules of each server stand among them, and those of files.
    of_servers: HashMap<ServerName, Vec<usize>>,
    of_files: Vec<usize>,
    scopes: HashMap<ServerName, ServerScopes>,
    base: Entities,
    zones: Vec<(String, TimeZone)>,
    revision: String,
}

impl Policies {
    /// Reads and checks all rules. `zones` are those whose clocks policies may read, beside those that the rules
    /// of the configuration name.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(
        servers: &[ServerRules],
        files: &[RuleFile],
        zones: &[String],
    ) -> Result<Arc<Self>, Vec<PolicyError>> {
        let mut names: Vec<String> = zones.to_vec();
        let of_rules = servers
            .iter()
            .flat_map(|server| server.allow.iter().chain(&server.shadow_allow));
        names.extend(of_rules.filter_map(|rule| Some(rule.when.hours.as_ref()?.zone.clone())));
        names.sort();
        names.dedup();
        let mut errors = Vec::new();
        let mut clocks = Vec::new();
        for name in &names {
            match TimeZone::get(name) {
                Ok(zone) => clocks.push((name.clone(), zone)),
                Err(_) => errors.push(PolicyError {
                    place: "policy.zones".to_owned(),
                    problem: format!("{name:?} is no time zone; write one like Asia/Taipei"),
                }),
            }
        }
        let known: Vec<_> = clocks.iter().map(|(name, _)| name.clone()).collect();
        let mut scopes = HashMap::new();
        for server in servers {
            match scope::scopes_of(server, files) {
                Ok(some) => {
                    scopes.insert(server.server.clone(), some);
                }
                Err(some) => errors.extend(some),
            }
        }
        let rules = load::load(servers, files, &known).unwrap_or_else(|more| {
            errors.extend(more);
            Vec::new()
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        let texts = rules
            .iter()
            .map(|rule| format!("{}{:?}{}", rule.name, rule.origin, rule.policy));
        let described = servers.iter().filter(|server| !server.scopes.is_empty());
        let described = described.map(|server| format!("{}{:?}", server.server, server.scopes));
        let texts: Vec<_> = texts.chain(described).collect();
        let digest = keys::sha256(texts.concat().as_bytes());
        let (mut of_servers, mut of_files) = (HashMap::<ServerName, Vec<usize>>::new(), Vec::new());
        for (at, rule) in rules.iter().enumerate() {
            match &rule.origin {
                Origin::Allow(server) | Origin::ShadowAllow(server) => {
                    of_servers.entry(server.clone()).or_default().push(at);
                }
                Origin::File { .. } => of_files.push(at),
            }
        }
        Ok(Arc::new(Self {
            of_servers,
            of_files,
            scopes,
            base: schema::plain()
                .action_entities()
                .unwrap_or_else(|_| Entities::empty()),
            revision: HEXLOWER.encode(&digest[..6]),
            rules,
            zones: clocks,
        }))
    }

    /// No rules: nothing is allowed to anybody.
    pub fn closed() -> Arc<Self> {
        Arc::new(Self {
            rules: Vec::new(),
            of_servers: HashMap::new(),
            of_files: Vec::new(),
            scopes: HashMap::new(),
            base: Entities::empty(),
            zones: Vec::new(),
            revision: "closed".to_owned(),
        })
    }

    /// Names this state of the rules in records.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The policy of one server.
    pub fn of(self: &Arc<Self>, server: &ServerName) -> ServerPolicy {
        let mut policy = ServerPolicy {
            policies: Arc::clone(self),
            scopes: self.scopes.get(server).cloned().unwrap_or_default(),
            server: server.clone(),
            slices: Cache::new(SLICES),
            decisions: Cache::new(DECISIONS),
            cut: AtomicU64::new(0),
            personal: false,
        };
        let (enforced, tried) = policy.rules();
        let mut rules = enforced.iter().chain(tried.iter().flatten());
        policy.personal = rules.any(|rule| rule.personal);
        policy
    }
}

/// The policy of one server: everything that the rules of the configuration and of files say of it.
#[derive(Debug)]
pub struct ServerPolicy {
    policies: Arc<Policies>,
    scopes: ServerScopes,
    server: ServerName,
    slices: Cache<SliceKey, Arc<Numbered>>,
    /// What no circumstance can change, by the number of the slice and who asks.
    decisions: Cache<DecisionKey, Arc<Foresight>>,
    /// How many slices were cut; each has a number of its own.
    pub(crate) cut: AtomicU64,
    /// Whether any rule looks at who asks beyond their groups.
    personal: bool,
}

/// A slice with its number.
pub(crate) type Numbered = (u64, Slice);

#[derive(Debug)]
struct Foresight {
    enforced: Finding,
    tried: Option<Finding>,
}

impl ServerPolicy {
    /// Whether a list may show it: it could be allowed, or be refused with a reason.
    pub fn shows(&self, principal: Principal<'_>, act: Act<'_>, annotations: Annotations) -> bool {
        let foreseen = self.foresee(principal, act, annotations);
        foreseen.is_some_and(|(_, foresight)| !matches!(foresight.enforced, Finding::Denied(_)))
    }

    /// Whose view of the lists this is: [`shows`](Self::shows) is the same for all who are the same viewer.
    pub fn viewer<'a>(&self, principal: Principal<'a>) -> Viewer<'a> {
        Viewer::of(principal, self.personal)
    }

    /// Decides.
    pub fn decide(
        &self,
        principal: Principal<'_>,
        act: Act<'_>,
        annotations: Annotations,
        circumstances: &Circumstances<'_>,
    ) -> Decision {
        let hidden = Decision::hidden();
        let Some((numbered, foresight)) = self.foresee(principal, act, annotations) else {
            return hidden;
        };
        let slice = &numbered.1;
        let depends = |finding: &Finding| matches!(finding, Finding::Depends(_));
        let settled = !depends(&foresight.enforced) && !foresight.tried.as_ref().is_some_and(depends);
        let (enforced, tried) = if settled {
            (foresight.enforced.clone(), foresight.tried.clone())
        } else {
            match slice.decide(principal, circumstances, self.zones()) {
                Ok(findings) => findings,
                Err(error) => {
                    error!(%error, server = %self.server, "circumstances cannot be represented");
                    return Decision {
                        outcome: Outcome::Refused,
                        ..hidden
                    };
                }
            }
        };
        let mut decision = match (&foresight.enforced, enforced) {
            (_, Finding::Allowed(rule)) => Decision {
                outcome: Outcome::Allowed,
                rule: Some(rule),
                ..hidden
            },
            (Finding::Depends(advice), Finding::Denied(rule)) => Decision {
                outcome: Outcome::Refused,
                advice: rule
                    .as_deref()
                    .and_then(|rule| slice.advice_of(rule))
                    .or_else(|| advice.clone()),
                rule,
                shadow: None,
            },
            (_, Finding::Denied(rule)) => Decision { rule, ..hidden },
            (_, Finding::Depends(_)) => hidden,
        };
        if decision.outcome == Outcome::Allowed
            && let Some(Finding::Denied(rule)) = tried
        {
            decision.shadow = Some(Shadow { rule });
        }
        decision
    }

    pub(crate) fn zones(&self) -> &[(String, TimeZone)] {
        &self.policies.zones
    }

    pub(crate) fn scopes(&self) -> &[ServerScope] {
        &self.scopes
    }

    /// The state of the rules that it decides by.
    pub fn revision(&self) -> &str {
        self.policies.revision()
    }

    fn foresee(
        &self,
        principal: Principal<'_>,
        act: Act<'_>,
        annotations: Annotations,
    ) -> Option<(Arc<Numbered>, Arc<Foresight>)> {
        let numbered = self.numbered(act, annotations)?;
        let (number, slice) = &*numbered;
        let key = DecisionRef::of(*number, principal, slice.personal);
        if let Some(foresight) = self.decisions.get(&key) {
            return Some((numbered, foresight));
        }
        let (enforced, tried) = match slice.foresee(principal) {
            Ok(findings) => findings,
            Err(error) => {
                error!(%error, server = %self.server, "a principal cannot be represented");
                return None;
            }
        };
        let foresight = Arc::new(Foresight { enforced, tried });
        self.decisions.insert(key.to_owned(), Arc::clone(&foresight));
        Some((numbered, foresight))
    }

    /// The slice of an act, as it is remembered.
    pub(crate) fn numbered(&self, act: Act<'_>, annotations: Annotations) -> Option<Arc<Numbered>> {
        let alike = self.alike(act);
        let key = match &alike {
            Some(alike) => SliceRef::of_requests(alike),
            None => SliceRef::of(act, annotations),
        };
        if let Some(numbered) = self.slices.get(&key) {
            return Some(numbered);
        }
        let number = self.cut.fetch_add(1, Ordering::Relaxed);
        let numbered = Arc::new((number, self.slice(act, annotations)?));
        self.slices.insert(key.to_owned(), Arc::clone(&numbered));
        Some(numbered)
    }

    /// What all requests to an API have in common that the rules of the configuration cannot tell from this one: paths are
    /// as many as there are things. Files may look at the path itself.
    fn alike(&self, act: Act<'_>) -> Option<String> {
        let Act::Request(request) = act else { return None };
        if !self.policies.of_files.is_empty() {
            return None;
        }
        let (enforced, tried) = self.rules();
        let rules = enforced.iter().chain(tried.iter().flatten());
        let fits: Vec<_> = fits(act, rules).into_iter().collect();
        let method = request.split_once(' ').map_or("", |(method, _)| method);
        let kind = if is_read_only(method) { "reads" } else { "writes" };
        Some(format!("{kind}\n{}", fits.join("\n")))
    }

    pub(crate) fn slice(&self, act: Act<'_>, annotations: Annotations) -> Option<Slice> {
        let (enforced, tried) = self.rules();
        let about = (act, annotations);
        let base = &self.policies.base;
        match Slice::cut(
            (base, &self.scopes),
            &self.server,
            about,
            &enforced,
            tried.as_deref(),
        ) {
            Ok(slice) => Some(slice),
            Err(error) => {
                error!(%error, server = %self.server, "what is asked for cannot be represented");
                None
            }
        }
    }

    /// The rules that count here, and those that would if what is only tried did.
    pub(crate) fn rules(&self) -> (Vec<&Rule>, Option<Vec<&Rule>>) {
        let Policies {
            rules,
            of_servers,
            of_files,
            ..
        } = &*self.policies;
        let own = of_servers
            .get(&self.server)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let all: Vec<&Rule> = own
            .iter()
            .chain(of_files)
            .filter_map(|at| rules.get(*at))
            .collect();
        let proposes = all
            .iter()
            .any(|rule| matches!(rule.origin, Origin::ShadowAllow(_)));
        let tries = proposes || all.iter().any(|rule| rule.is_tried());
        let enforced = all.iter().copied().filter(|rule| !rule.is_tried());
        let tried = all.iter().copied().filter(|rule| match rule.origin {
            Origin::Allow(_) => !proposes,
            Origin::ShadowAllow(_) | Origin::File { .. } => true,
        });
        (enforced.collect(), tries.then(|| tried.collect()))
    }
}
