//! From configuration and files to rules that were parsed and checked.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, PrincipalConstraint, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;
use model::ServerName;
use serde_json::Value;
use thiserror::Error;

use crate::compile::compile;
use crate::request::{RequestPattern, Requests};
use crate::rule::AllowRule;
use crate::schema::{self, Declarations};
use crate::scope::ScopeRule;

/// A file of Cedar policies.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// How the configuration names it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// Whether it is only tried: what it would have refused is recorded, and allowed.
    pub shadow: bool,
}

/// The rules of one server in the configuration.
#[derive(Clone, Debug)]
pub struct ServerRules {
    /// The server.
    pub server: ServerName,
    /// The scopes that its rules may ask for.
    pub scopes: Vec<ScopeRule>,
    /// Who may do what.
    pub allow: Vec<AllowRule>,
    /// Rules that are tried in place of those, if there are any.
    pub shadow_allow: Vec<AllowRule>,
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place}: {problem}")]
pub struct PolicyError {
    /// `policies/production.cedar:3:14`, or the place of a rule in the configuration.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// Whose rule it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Allow(ServerName),
    ShadowAllow(ServerName),
    File { shadow: bool },
}

/// One policy.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// How people know it: `gitea.allow[0]`, or its `@id`, or its file and number.
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
    pub(crate) reads: Declarations,
    /// The patterns of requests that it names.
    pub(crate) requests: Vec<RequestPattern>,
    /// Whether it looks at who asks beyond their groups.
    pub(crate) personal: bool,
    /// What someone is told whom it does not allow now, or whom it forbids.
    pub(crate) advice: Option<Arc<str>>,
}

impl Rule {
    pub(crate) fn forbids(&self) -> bool {
        self.policy.effect() == Effect::Forbid
    }

    /// Whether it is only tried.
    pub(crate) fn is_tried(&self) -> bool {
        matches!(
            self.origin,
            Origin::ShadowAllow(_) | Origin::File { shadow: true }
        )
    }

    fn new(policy: Policy, name: &str, origin: Origin) -> Result<Self, String> {
        let reads = schema::declarations(policy.annotation("reads").unwrap_or_default());
        Ok(Self {
            name: name.into(),
            origin,
            requests: Vec::new(),
            reads: reads.map_err(|bad| bad.to_string())?,
            personal: is_personal(&policy),
            advice: policy.annotation("advice").map(Into::into),
            policy,
        })
    }
}

/// Reads everything; all that is wrong is told at once.
pub(crate) fn load(
    servers: &[ServerRules],
    files: &[RuleFile],
    zones: &[String],
) -> Result<Vec<Rule>, Vec<PolicyError>> {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for ServerRules {
        server,
        allow,
        shadow_allow,
        ..
    } in servers
    {
        let lists = [
            ("allow", allow, Origin::Allow(server.clone())),
            ("shadow_allow", shadow_allow, Origin::ShadowAllow(server.clone())),
        ];
        for (member, list, origin) in lists {
            for (number, rule) in list.iter().enumerate() {
                let place = format!("{server}.{member}[{number}]");
                match of_configuration(server, &place, rule, &origin) {
                    Ok(some) => rules.extend(some),
                    Err(problem) => errors.push(PolicyError { place, problem }),
                }
            }
        }
    }
    let mut names = BTreeSet::new();
    for file in files {
        match of_file(file, zones) {
            Ok(some) => {
                for rule in some {
                    if !names.insert(Arc::clone(&rule.name)) {
                        errors.push(PolicyError {
                            place: file.name.clone(),
                            problem: format!("the id {:?} is given twice", rule.name),
                        });
                    }
                    rules.push(rule);
                }
            }
            Err(some) => errors.extend(some),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn of_configuration(
    server: &ServerName,
    place: &str,
    rule: &AllowRule,
    origin: &Origin,
) -> Result<Vec<Rule>, String> {
    let text = compile(server, place, rule);
    let set = PolicySet::from_str(&text).map_err(|error| error.to_string())?;
    let rules = set.policies().map(|policy| {
        let id = policy.annotation("id").unwrap_or_default();
        let parsed = Rule::new(policy.new_id(PolicyId::new(id)), place, origin.clone())?;
        let requests = match &rule.requests {
            Some(Requests::Matching(patterns)) => patterns.clone(),
            _ => Vec::new(),
        };
        Ok((id.to_owned(), Rule { requests, ..parsed }))
    });
    let mut rules: Vec<_> = rules.collect::<Result<_, String>>()?;
    // A set has no order of its own.
    rules.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
}

fn of_file(file: &RuleFile, zones: &[String]) -> Result<Vec<Rule>, Vec<PolicyError>> {
    let at = |problem: &dyn Diagnostic| PolicyError {
        place: place(file, problem),
        problem: told(problem),
    };
    let set = PolicySet::from_str(&file.text)
        .map_err(|errors| errors.iter().map(|error| at(error)).collect::<Vec<_>>())?;
    let mut errors = Vec::new();
    let mut wrong = |problem: String| {
        errors.push(PolicyError {
            place: file.name.clone(),
            problem,
        });
    };
    for template in set.templates() {
        wrong(format!(
            "{} has a slot, and nothing here fills slots",
            template.id()
        ));
    }
    let number = |policy: &Policy| {
        let id = policy.id().to_string();
        id.trim_start_matches("policy").parse().unwrap_or(0_usize)
    };
    let mut policies: Vec<_> = set.policies().map(|policy| (number(policy), policy)).collect();
    policies.sort_by_key(|(number, _)| *number);
    let mut rules = Vec::new();
    for (number, policy) in policies {
        let numbered = format!("{}#{}", file.name, number + 1);
        let name = policy.annotation("id").unwrap_or(&numbered);
        let origin = Origin::File { shadow: file.shadow };
        match Rule::new(policy.new_id(PolicyId::new(&numbered)), name, origin) {
            Ok(rule) => rules.push(rule),
            Err(problem) => wrong(format!("{name}: {problem}")),
        }
    }
    for rule in &rules {
        match invalid(rule, zones) {
            Ok(problems) => errors.extend(problems.iter().map(|problem| at(problem))),
            Err(problem) => errors.push(PolicyError {
                place: file.name.clone(),
                problem,
            }),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

/// What the schema says against a rule.
fn invalid(rule: &Rule, zones: &[String]) -> Result<Vec<cedar_policy::ValidationError>, String> {
    let schema = Schema::from_str(&schema::schema(&rule.reads, zones));
    let schema = schema.map_err(|error| format!("{}: {error}", rule.name))?;
    let mut alone = PolicySet::new();
    alone
        .add(rule.policy.clone())
        .map_err(|error| format!("{}: {error}", rule.name))?;
    let judged = Validator::new(schema).validate(&alone, ValidationMode::Strict);
    Ok(judged.validation_errors().cloned().collect())
}

/// File, line and column.
fn place(file: &RuleFile, problem: &dyn Diagnostic) -> String {
    let label = problem.labels().and_then(|mut labels| labels.next());
    let before = label.and_then(|label| file.text.get(..label.offset()));
    match before {
        None => file.name.clone(),
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("{}:{line}:{column}", file.name)
        }
    }
}

fn told(problem: &dyn Diagnostic) -> String {
    let mut text = problem.to_string();
    let label = problem.labels().and_then(|mut labels| labels.next());
    if let Some(label) = label.as_ref().and_then(miette::LabeledSpan::label) {
        text = format!("{text}: {label}");
    }
    match problem.help() {
        Some(help) => format!("{text} ({help})"),
        None => text,
    }
}

/// Whether a policy says anything of its principal but which groups they are in. When in doubt it does: then
/// its decisions are remembered for each person instead of for each set of groups.
fn is_personal(policy: &Policy) -> bool {
    let by_scope = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => false,
        PrincipalConstraint::In(group) | PrincipalConstraint::IsIn(_, group) => !is_group(&group),
        PrincipalConstraint::Eq(_) => true,
    };
    let Ok(json) = policy.to_json() else {
        return true;
    };
    by_scope || json.get("conditions").is_none_or(mentions_principal)
}

fn is_group(uid: &cedar_policy::EntityUid) -> bool {
    uid.type_name().to_string() == "Group"
}

/// Looks for the principal anywhere but in `principal in Group::"…"`.
fn mentions_principal(json: &Value) -> bool {
    match json {
        Value::Object(members) => {
            if members.get("Var").is_some_and(|name| name == "principal") {
                return true;
            }
            members.iter().any(|(operator, operands)| {
                let in_group = operator == "in"
                    && operands["left"]["Var"] == "principal"
                    && operands["right"]["Value"]["__entity"]["type"] == "Group";
                !in_group && mentions_principal(operands)
            })
        }
        Value::Array(items) => items.iter().any(mentions_principal),
        _ => false,
    }
}
