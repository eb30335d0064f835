//! The policies that can say anything of one act, and what they say.
//!
//! Cedar walks through every policy it is given, so each act is judged by its slice: the policies that are left
//! once action and resource are known and principal and circumstances are not. Cedar's own partial evaluation
//! finds them, so a slice cannot leave out a policy that the whole set would have obeyed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision as Verdict, Entities, EntityUid, PartialResponse, Policy,
    PolicyId, PolicySet, Request, ResourceConstraint,
};
use jiff::tz::TimeZone;
use model::ServerName;

use crate::arguments::Arguments;
use crate::entities::{self, NotRepresentable};
use crate::explain::Opinions;
use crate::load::Rule;
use crate::principal::{Act, Annotations, Circumstances, Principal};
use crate::request::RequestPattern;
use crate::schema::Declarations;
use crate::scope::ServerScopes;

/// What a set of policies says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Allowed(Arc<str>),
    /// By a rule that forbids, or by none that allows.
    Denied(Option<Arc<str>>),
    /// It depends on the circumstances; what a person may be told who is not allowed then.
    Depends(Option<Arc<str>>),
}

/// A set of policies with what is known of each.
#[derive(Debug, Default)]
pub(crate) struct Judges {
    set: PolicySet,
    facts: HashMap<PolicyId, Facts>,
}

/// What is known of a policy.
#[derive(Debug)]
struct Facts {
    /// Its place in the order of the configuration.
    place: usize,
    name: Arc<str>,
    forbids: bool,
    advice: Option<Arc<str>>,
}

impl Judges {
    pub(crate) fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut judges = Self::default();
        for (place, rule) in rules.enumerate() {
            // Ids are unique: places in the configuration, and numbers within files.
            if judges.set.add(rule.policy.clone()).is_ok() {
                let facts = Facts {
                    place,
                    name: Arc::clone(&rule.name),
                    forbids: rule.forbids(),
                    advice: rule.advice.clone(),
                };
                judges.facts.insert(rule.policy.id().clone(), facts);
            }
        }
        judges
    }

    fn ask(&self, request: &Request, entities: &Entities) -> PartialResponse {
        Authorizer::new().is_authorized_partial(request, &self.set, entities)
    }

    /// What it says when the circumstances are not known.
    fn foresee(&self, request: &Request, entities: &Entities) -> Finding {
        let response = self.ask(request, entities);
        // A rule that forbids and fails must not count as one that is silent.
        if let Some(rule) = self.first(response.definitely_errored(), true) {
            return Finding::Denied(Some(rule));
        }
        let satisfied: Vec<_> = response
            .definitely_satisfied()
            .map(|policy| policy.id().clone())
            .collect();
        match response.decision() {
            Some(Verdict::Allow) => match self.first(satisfied.iter(), false) {
                Some(rule) => Finding::Allowed(rule),
                None => Finding::Denied(None),
            },
            Some(Verdict::Deny) => Finding::Denied(self.first(satisfied.iter(), true)),
            None => {
                let open: Vec<_> = response
                    .nontrivial_residuals()
                    .map(|policy| policy.id().clone())
                    .collect();
                Finding::Depends(self.advice(open.iter()))
            }
        }
    }

    /// What it says when they are. Policies that cannot be judged with these arguments are `unreadable`: one that
    /// allows does not, and one that forbids does if it could apply to this caller at all.
    fn decide(&self, known: &Asked, unknown: &Asked, unreadable: &HashSet<PolicyId>) -> Finding {
        let response = self.ask(&known.request, &known.entities);
        let readable = |id: &PolicyId| !unreadable.contains(id);
        let satisfied = response.definitely_satisfied().map(|policy| policy.id().clone());
        let satisfied: Vec<_> = satisfied.filter(readable).collect();
        // Nothing is unknown here. A policy that is left over all the same counts as if it had failed.
        let left = response.nontrivial_residuals().map(|policy| policy.id().clone());
        let failed = left
            .chain(response.definitely_errored().cloned())
            .filter(readable);
        let mut forbidding: Vec<_> = satisfied.iter().cloned().chain(failed).collect();
        if !unreadable.is_empty() {
            let before = self.ask(&unknown.request, &unknown.entities);
            let could = before.nontrivial_residuals().chain(before.definitely_satisfied());
            let could = could.map(|policy| policy.id().clone());
            forbidding.extend(could.filter(|id| unreadable.contains(id)));
        }
        if let Some(rule) = self.first(forbidding.iter(), true) {
            return Finding::Denied(Some(rule));
        }
        match self.first(satisfied.iter(), false) {
            Some(rule) => Finding::Allowed(rule),
            None => Finding::Denied(None),
        }
    }

    /// The first, in the order of the configuration, that forbids or that allows.
    fn first<'i>(&self, ids: impl Iterator<Item = &'i PolicyId>, forbids: bool) -> Option<Arc<str>> {
        let facts = ids.filter_map(|id| self.facts.get(id));
        let first = facts
            .filter(|facts| facts.forbids == forbids)
            .min_by_key(|facts| facts.place);
        first.map(|facts| Arc::clone(&facts.name))
    }

    fn advice<'i>(&self, ids: impl Iterator<Item = &'i PolicyId>) -> Option<Arc<str>> {
        let facts = ids.filter_map(|id| self.facts.get(id));
        let first = facts
            .filter(|facts| facts.advice.is_some())
            .min_by_key(|facts| facts.place);
        first.and_then(|facts| facts.advice.clone())
    }

    /// What somebody is told whom this rule forbids something.
    fn advice_of(&self, name: &str) -> Option<Arc<str>> {
        let facts = self
            .facts
            .values()
            .find(|facts| &*facts.name == name && facts.forbids)?;
        facts.advice.clone()
    }
}

/// A request with everything that Cedar knows of those in it.
struct Asked {
    request: Request,
    entities: Entities,
}

/// The policies of one act.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) enforced: Judges,
    /// Those that would decide if what is only tried counted; none if that is the same.
    pub(crate) tried: Option<Judges>,
    /// Whether they look at who asks beyond their groups.
    pub(crate) personal: bool,
    /// The arguments that each of them reads.
    reads: Vec<(PolicyId, Declarations)>,
    action: EntityUid,
    resource: EntityUid,
    entities: Entities,
    /// Those of the server, to know what a granted one stands for.
    scopes: ServerScopes,
}

/// Whether a policy's head lets it say anything of this. One that does not is false whoever asks.
fn concerns(policy: &Policy, action: &EntityUid, resource: &EntityUid, entities: &Entities) -> bool {
    let within = |what: &EntityUid, group: &EntityUid| what == group || entities.is_ancestor_of(group, what);
    let action_fits = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(several) => several.iter().any(|one| within(action, one)),
    };
    action_fits
        && match policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(one) => one == *resource,
            ResourceConstraint::In(group) => within(resource, &group),
            ResourceConstraint::Is(kind) => kind == *resource.type_name(),
            ResourceConstraint::IsIn(kind, group) => {
                kind == *resource.type_name() && within(resource, &group)
            }
        }
}

/// The patterns that a request to an API fits.
pub(crate) fn fits<'r>(act: Act<'_>, rules: impl Iterator<Item = &'r &'r Rule>) -> BTreeSet<&'r str> {
    let Act::Request(request) = act else {
        return BTreeSet::new();
    };
    let (method, path) = request.split_once(' ').unwrap_or_default();
    let patterns = rules.flat_map(|rule| rule.requests.iter());
    patterns
        .filter(|pattern| pattern.fits(method, path))
        .map(RequestPattern::as_str)
        .collect()
}

impl Slice {
    /// From all policies of a server.
    pub(crate) fn cut(
        (base, scopes): (&Entities, &ServerScopes),
        server: &ServerName,
        (act, annotations): (Act<'_>, Annotations),
        enforced: &[&Rule],
        tried: Option<&[&Rule]>,
    ) -> Result<Self, NotRepresentable> {
        let rules = enforced.iter().chain(tried.into_iter().flatten());
        let entities = entities::with_resource(base, server, act, annotations, &fits(act, rules))?;
        let (action, resource) = (entities::action(act), entities::resource(server, act));
        let request = Request::builder()
            .unknown_principal_with_type(entities::uid("Person", "").type_name().clone())
            .action(action.clone())
            .resource(resource.clone())
            .build();
        let cut = |rules: &[&Rule]| {
            let concerned = rules.iter().copied();
            let concerned: Vec<_> = concerned
                .filter(|rule| concerns(&rule.policy, &action, &resource, &entities))
                .collect();
            let all = Judges::new(concerned.iter().copied());
            let response = all.ask(&request, &entities);
            let satisfied = response.definitely_satisfied().map(|policy| policy.id().clone());
            let left = response.nontrivial_residuals().map(|policy| policy.id().clone());
            let errored = response.definitely_errored().cloned();
            let ids: std::collections::HashSet<_> = satisfied.chain(left).chain(errored).collect();
            let left = concerned
                .into_iter()
                .filter(|rule| ids.contains(rule.policy.id()));
            left.cloned().collect::<Vec<Rule>>()
        };
        let enforced: Vec<Rule> = cut(enforced);
        let tried = tried.map(cut).filter(|tried| {
            let ids = |rules: &[Rule]| {
                rules
                    .iter()
                    .map(|rule| rule.policy.id().clone())
                    .collect::<Vec<_>>()
            };
            ids(tried) != ids(&enforced)
        });
        let all = enforced.iter().chain(tried.iter().flatten());
        let reads = all.filter(|rule| !rule.reads.is_empty());
        let reads = reads.map(|rule| (rule.policy.id().clone(), rule.reads.clone()));
        let reads = reads.collect();
        Ok(Self {
            personal: enforced
                .iter()
                .chain(tried.iter().flatten())
                .any(|rule| rule.personal),
            reads,
            enforced: Judges::new(enforced.iter()),
            tried: tried.map(|tried| Judges::new(tried.iter())),
            action,
            resource,
            entities,
            scopes: Arc::clone(scopes),
        })
    }

    /// The request of a person, with circumstances or without.
    fn request(&self, principal: Principal<'_>, context: Option<Context>) -> Result<Asked, NotRepresentable> {
        let person = entities::person(principal, &self.scopes)?;
        let request = Request::builder()
            .principal(person.uid())
            .action(self.action.clone())
            .resource(self.resource.clone());
        let entities = self.entities.clone().add_entities([person], None)?;
        let request = match context {
            Some(context) => request.context(context).build(),
            None => request.build(),
        };
        Ok(Asked { request, entities })
    }

    /// What is known before the circumstances are.
    pub(crate) fn foresee(
        &self,
        principal: Principal<'_>,
    ) -> Result<(Finding, Option<Finding>), NotRepresentable> {
        let asked = self.request(principal, None)?;
        let foresee = |judges: &Judges| judges.foresee(&asked.request, &asked.entities);
        Ok((foresee(&self.enforced), self.tried.as_ref().map(foresee)))
    }

    /// What is decided under these circumstances.
    pub(crate) fn decide(
        &self,
        principal: Principal<'_>,
        circumstances: &Circumstances<'_>,
        zones: &[(String, TimeZone)],
    ) -> Result<(Finding, Option<Finding>), NotRepresentable> {
        let (context, unreadable) = self.context(circumstances, zones)?;
        let known = self.request(principal, Some(context))?;
        let unknown = self.request(principal, None)?;
        let decide = |judges: &Judges| judges.decide(&known, &unknown, &unreadable);
        Ok((decide(&self.enforced), self.tried.as_ref().map(decide)))
    }

    /// The arguments that its policies read, by path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.reads.iter().flat_map(|(_, declared)| declared.keys())
    }

    /// The circumstances, and the policies that cannot be judged with the arguments as they are.
    fn context(
        &self,
        circumstances: &Circumstances<'_>,
        zones: &[(String, TimeZone)],
    ) -> Result<(Context, HashSet<PolicyId>), NotRepresentable> {
        let text = circumstances.arguments.filter(|_| !self.reads.is_empty());
        let arguments = Arguments::read(text);
        let unreadable = self
            .reads
            .iter()
            .filter(|(_, declared)| !arguments.satisfy(declared));
        let unreadable = unreadable.map(|(id, _)| id.clone()).collect();
        let record = arguments
            .record(self.paths())
            .ok_or("arguments that are no record")?;
        Ok((entities::context(circumstances, record, zones)?, unreadable))
    }

    /// Whether a policy is one of these.
    pub(crate) fn holds(&self, id: &PolicyId) -> bool {
        let tried = self
            .tried
            .as_ref()
            .is_some_and(|judges| judges.facts.contains_key(id));
        tried || self.enforced.facts.contains_key(id)
    }

    /// What each policy says: those that apply under these circumstances, and those that could under others.
    pub(crate) fn opinions(
        &self,
        principal: Principal<'_>,
        circumstances: &Circumstances<'_>,
        zones: &[(String, TimeZone)],
    ) -> Result<Opinions, NotRepresentable> {
        let (context, unreadable) = self.context(circumstances, zones)?;
        let known = self.request(principal, Some(context))?;
        let unknown = self.request(principal, None)?;
        let mut opinions = Opinions::default();
        for judges in self.tried.iter().chain([&self.enforced]) {
            let response = judges.ask(&known.request, &known.entities);
            let satisfied = response.definitely_satisfied().map(|policy| policy.id().clone());
            opinions
                .satisfied
                .extend(satisfied.filter(|id| !unreadable.contains(id)));
            let before = judges.ask(&unknown.request, &unknown.entities);
            let left = before.nontrivial_residuals();
            let left = left.map(|policy| (policy.id().clone(), policy.to_string()));
            opinions.left.extend(left);
        }
        Ok(opinions)
    }

    /// What somebody is told whom this rule forbids something.
    pub(crate) fn advice_of(&self, rule: &str) -> Option<Arc<str>> {
        self.enforced.advice_of(rule)
    }
}
