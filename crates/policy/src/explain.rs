//! Why a decision is what it is, and what would change it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::PolicyId;
use model::GroupName;
use serde_json::Value;

use crate::decide::{Decision, ServerPolicy};
use crate::load::Rule;
use crate::principal::{Act, Annotations, Circumstances, Client, Principal};

/// A decision with everything that had a say in it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was decided.
    pub decision: Decision,
    /// Every rule that can say anything of what was asked for.
    pub rules: Vec<Opinion>,
    /// The groups that these rules name and that would change the decision if the person joined them.
    pub by_joining: Vec<(GroupName, Decision)>,
    /// The scopes with which it would be allowed.
    pub by_scopes: Option<Vec<Arc<str>>>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The rule.
    pub rule: Arc<str>,
    /// Whether it forbids instead of allowing.
    pub forbids: bool,
    /// Whether it counts, or is only tried.
    pub shadow: bool,
    /// Whether it applies, and if not what is missing.
    pub says: Says,
}

/// Whether a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// It does.
    Applies,
    /// It is not about this person or their program.
    SomebodyElse,
    /// It is, and under other circumstances it would apply. What is left of its conditions, in Cedar.
    Otherwise(String),
}

impl ServerPolicy {
    /// Decides, and says why.
    pub fn explain(
        &self,
        principal: Principal<'_>,
        act: Act<'_>,
        annotations: Annotations,
        circumstances: &Circumstances<'_>,
    ) -> Explanation {
        let decision = self.decide(principal, act, annotations, circumstances);
        let mut groups = BTreeSet::new();
        let opinions: Option<Vec<Opinion>> = self.slice(act, annotations).and_then(|slice| {
            let found = slice.opinions(principal, circumstances, self.zones()).ok()?;
            let mut opinion = |rule: &Rule| {
                let id = rule.policy.id();
                let says = if found.holds(id) {
                    Says::Applies
                } else if let Some(left) = found.left(id) {
                    Says::Otherwise(left)
                } else {
                    Says::SomebodyElse
                };
                groups.extend(groups_of(rule));
                Opinion {
                    rule: Arc::clone(&rule.name),
                    forbids: rule.forbids(),
                    shadow: rule.is_tried(),
                    says,
                }
            };
            let (enforced, tried) = self.rules();
            let mut all = enforced;
            for rule in tried.into_iter().flatten() {
                if !all.iter().any(|other| other.policy.id() == rule.policy.id()) {
                    all.push(rule);
                }
            }
            let about = all.into_iter().filter(|rule| slice.holds(rule.policy.id()));
            Some(about.map(&mut opinion).collect())
        });
        let joined = groups
            .into_iter()
            .filter(|group| !principal.groups.contains(group));
        let by_joining = joined.map(|group| {
            let groups: Vec<_> = principal.groups.iter().cloned().chain([group.clone()]).collect();
            let groups = &groups;
            let decision = self.decide(Principal { groups, ..principal }, act, annotations, circumstances);
            (group, decision)
        });
        // Scopes are a program's, whichever it is.
        let with_client = Principal {
            client: principal.client.or(Some(Client {
                id: "",
                host: "",
                scope: "mcp",
            })),
            ..principal
        };
        let by_joining: Vec<_> = by_joining
            .filter(|(_, then)| then.outcome != decision.outcome)
            .collect();
        Explanation {
            decision,
            rules: opinions.unwrap_or_default(),
            by_joining,
            by_scopes: self.lacking(with_client, act, annotations, circumstances),
        }
    }
}

/// What a set of policies said, policy by policy.
#[derive(Debug, Default)]
pub(crate) struct Opinions {
    pub(crate) satisfied: Vec<PolicyId>,
    pub(crate) left: Vec<(PolicyId, String)>,
}

impl Opinions {
    fn holds(&self, id: &PolicyId) -> bool {
        self.satisfied.contains(id)
    }

    fn left(&self, id: &PolicyId) -> Option<String> {
        let (_, text) = self.left.iter().find(|(left, _)| left == id)?;
        Some(text.clone())
    }
}

/// The groups that a policy names.
fn groups_of(rule: &Rule) -> BTreeSet<GroupName> {
    let mut found = BTreeSet::new();
    if let Ok(json) = rule.policy.to_json() {
        collect(&json, &mut found);
    }
    found
}

fn collect(json: &Value, found: &mut BTreeSet<GroupName>) {
    match json {
        Value::Object(members) => {
            if members.get("type").is_some_and(|kind| kind == "Group") {
                let id = members.get("id").and_then(Value::as_str);
                found.extend(id.and_then(|id| id.parse().ok()));
            }
            members.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
