//! `vestibule policy`: checking rules, trying cases against them, and saying why something is allowed or not.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use gateway::catalogue::believed;
use model::{GroupName, ServerName, Timestamp, Username};
use policy::{Act, Annotations, Circumstances, Client, Explanation, Opinion, Outcome, Principal, Says};
use protocol::mcp::list::{self, List};
use protocol::scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Failure, Operator};
use crate::compose::policies_of;
use crate::config::file;
use crate::config::require::Class;
use crate::config::values::Span;

mod beside;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyCommand {
    /// Check the rules of the configuration and its files of policies, as they lie on the disk
    Check,
    /// Say whether somebody may do something, by which rule, and what would change it
    Explain(Box<Question>),
    /// Try a file of cases against the rules as they lie on the disk; see docs/policy.md
    Test {
        /// A YAML file of cases
        file: PathBuf,
        /// What it says; read by the command line.
        #[arg(skip)]
        text: Option<String>,
    },
}

/// Who asks for what, under which circumstances.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Question {
    /// The account
    #[arg(long)]
    pub user: Username,
    /// As if the account were in these groups, whether it exists or not
    #[arg(long, value_delimiter = ',')]
    #[serde(default)]
    pub groups: Option<Vec<GroupName>>,
    /// The client's id, as `vestibule client list` shows it
    #[arg(long)]
    #[serde(default)]
    pub client: Option<String>,
    /// The server
    #[arg(long)]
    pub server: ServerName,
    /// As if the token were granted these scopes beyond `mcp`, as gitea:admin
    #[arg(long, value_delimiter = ',')]
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A tool
    #[arg(long, group = "what")]
    #[serde(default)]
    pub tool: Option<String>,
    /// A prompt
    #[arg(long, group = "what")]
    #[serde(default)]
    pub prompt: Option<String>,
    /// A resource, by its URI
    #[arg(long, group = "what")]
    #[serde(default)]
    pub resource: Option<String>,
    /// A request to an API: its method and path
    #[arg(long, group = "what", value_name = "METHOD PATH")]
    #[serde(default)]
    pub request: Option<String>,
    /// The tool's arguments, as a JSON object
    #[arg(long, value_parser = object)]
    #[serde(default)]
    pub arguments: Option<Value>,
    /// The address it comes from
    #[arg(long)]
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The time it is done at, as 2026-11-25T10:00:00+08:00; now if not given
    #[arg(long)]
    #[serde(default)]
    pub at: Option<jiff::Timestamp>,
    /// How long ago the person signed in
    #[arg(long)]
    #[serde(default)]
    pub signed_in_ago: Option<Span>,
    /// How sure that sign-in was: `one_factor`, `two_factors` or `passkey`; one factor if not given
    #[arg(long, value_parser = class)]
    #[serde(default)]
    pub assurance: Option<Class>,
}

fn class(text: &str) -> Result<Class, String> {
    let value = Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|_| "is one_factor, two_factors or passkey".to_owned())
}

fn object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() {
        Ok(value)
    } else {
        Err("must be a JSON object".to_owned())
    }
}

/// A case of a file: a question with the answer that is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    name: Option<String>,
    expect: Expected,
    /// The rule that must have decided.
    #[serde(default)]
    rule: Option<String>,
    #[serde(rename = "ask")]
    question: Question,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allowed,
    Hidden,
    Refused,
}

impl PolicyCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Check => check(operator),
            Self::Explain(question) => explain(operator, &question).await,
            Self::Test { file, text } => test(operator, &file, text.as_deref()).await,
        }
    }
}

/// The configuration as it lies on the disk, which may be another than the one that counts.
fn on_disk(operator: &Operator<'_>) -> Result<file::Loaded, Failure> {
    match &operator.loaded.path {
        Some(path) => file::load(path, &operator.foundation.environment)
            .map_err(|error| Failure::Usage(error.to_string())),
        None => Ok(operator.loaded.clone()),
    }
}

fn rules_of(
    operator: &Operator<'_>,
    loaded: &file::Loaded,
) -> Result<std::sync::Arc<policy::Policies>, Failure> {
    policies_of(loaded, &operator.foundation.environment)
        .map_err(|problems| Failure::Usage(problems.to_string()))
}

fn check(operator: &Operator<'_>) -> Result<Answer, Failure> {
    let loaded = on_disk(operator)?;
    let policies = rules_of(operator, &loaded)?;
    let rules = loaded
        .config
        .servers
        .values()
        .map(|server| server.allow.len())
        .sum::<usize>();
    let files = loaded.config.policy.files.len();
    let text = format!(
        "sound: {rules} rules in the configuration, {files} files of policies; revision {}",
        policies.revision()
    );
    Ok(Answer::done(
        text,
        json!({ "rules": rules, "files": files, "revision": policies.revision() }),
    ))
}

/// What a question is about, with everything that the store knows of it.
async fn judge(
    operator: &Operator<'_>,
    loaded: &file::Loaded,
    policies: &std::sync::Arc<policy::Policies>,
    question: &Question,
) -> Result<Explanation, Failure> {
    let server = loaded.config.servers.get(&question.server);
    let server =
        server.ok_or_else(|| Failure::NotFound(format!("there is no server called {}", question.server)))?;
    let groups = groups_of(operator, question).await?;
    let act = match question {
        Question { tool: Some(name), .. } => Act::CallTool(name),
        Question {
            prompt: Some(name), ..
        } => Act::GetPrompt(name),
        Question {
            resource: Some(uri), ..
        } => Act::ReadResource(uri),
        Question {
            request: Some(request),
            ..
        } => Act::Request(request),
        _ => Act::Connect,
    };
    let annotations = match act {
        Act::CallTool(name) if server.trust_annotations => said_of(operator, &question.server, name).await?,
        _ => Annotations::default(),
    };
    let id = question.client.as_deref();
    let named = id.or((!question.scopes.is_empty()).then_some(""));
    let scope = format!("{} {}", scope::MCP, question.scopes.join(" "));
    let principal = Principal {
        username: &question.user,
        groups: &groups,
        client: named.map(|id| Client {
            id,
            host: gateway::authorize::host(id),
            scope: scope.trim_end(),
        }),
    };
    let now = question.at.map(|at| Timestamp::from_millis(at.as_millisecond()));
    let arguments = question.arguments.as_ref().map(ToString::to_string);
    let circumstances = Circumstances {
        address: question.address.unwrap_or(IpAddr::from([127, 0, 0, 1])),
        now: now.unwrap_or_else(|| operator.foundation.world.now()),
        authenticated_ago: question.signed_in_ago.map_or(Duration::ZERO, |span| span.0),
        assurance: question.assurance.map(Into::into).unwrap_or_default(),
        arguments: arguments.as_deref(),
    };
    let policy = policies.of(&question.server);
    let connect = policy.explain(principal, Act::Connect, Annotations::default(), &circumstances);
    if act == Act::Connect || connect.decision.outcome != Outcome::Allowed {
        return Ok(connect);
    }
    Ok(policy.explain(principal, act, annotations, &circumstances))
}

/// The groups that are asked about.
async fn groups_of(operator: &Operator<'_>, question: &Question) -> Result<Vec<GroupName>, Failure> {
    if let Some(groups) = &question.groups {
        return Ok(groups.clone());
    }
    let account = operator.account(&question.user).await?;
    let view = operator.foundation.store.account_view(account.id).await?;
    Ok(view.map(|view| view.groups).unwrap_or_default())
}

/// What a server says of a tool, as far as it was seen.
async fn said_of(operator: &Operator<'_>, server: &ServerName, name: &str) -> Result<Annotations, Failure> {
    let entries = operator.catalogue(server).await?;
    let entry = entries
        .iter()
        .find(|entry| entry.key.list == List::Tools.method() && entry.key.name == name);
    let said = entry.and_then(|entry| list::entry(&entry.definition, List::Tools));
    Ok(said.map(|entry| believed(entry.annotations)).unwrap_or_default())
}

async fn explain(operator: &Operator<'_>, question: &Question) -> Result<Answer, Failure> {
    let policies = rules_of(operator, operator.loaded)?;
    let explanation = judge(operator, operator.loaded, &policies, question).await?;
    let decision = &explanation.decision;
    Ok(Answer::Item(json!({
        "outcome": word(decision.outcome),
        "rule": decision.rule.as_deref(),
        "advice": decision.advice.as_deref(),
        "shadow": decision.shadow.as_ref().map(|shadow| {
            format!("would be refused: {}", shadow.rule.as_deref().unwrap_or("no rule allows it"))
        }),
        "what_would_change_it": changes(&explanation, &question.user),
        "beside_the_rules": beside::of(operator, question).await?,
        "rules": explanation.rules.iter().map(opinion).collect::<Vec<_>>(),
        "revision": policies.revision(),
    })))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Hidden => "hidden",
        Outcome::Refused => "refused",
    }
}

fn opinion(opinion: &Opinion) -> String {
    let effect = if opinion.forbids { "forbids" } else { "allows" };
    let tried = if opinion.shadow { " (only tried)" } else { "" };
    let says = match &opinion.says {
        Says::Applies => "applies",
        Says::SomebodyElse => "is about others",
        Says::Otherwise(_) => "would apply under other circumstances",
    };
    format!("{}{tried} {effect}: {says}", opinion.rule)
}

/// What an operator or a caller could do about it.
fn changes(explanation: &Explanation, user: &Username) -> Vec<String> {
    let allowed = explanation.decision.outcome == Outcome::Allowed;
    let counting = explanation.rules.iter().filter(|opinion| !opinion.shadow);
    let by_rules = counting.filter_map(|opinion| match (&opinion.says, opinion.forbids) {
        (Says::Applies, true) => Some(format!("without {}, which forbids it", opinion.rule)),
        (Says::Applies, false) if allowed => Some(format!("without {}, which allows it", opinion.rule)),
        (Says::Otherwise(left), forbids) if allowed == forbids => Some(format!(
            "under the conditions of {}: {}",
            opinion.rule,
            conditions(left)
        )),
        _ => None,
    });
    let by_joining = explanation.by_joining.iter().map(|(group, then)| {
        let rule = then.rule.as_deref().unwrap_or("no rule");
        format!("{user} as a member of {group}: {} by {rule}", word(then.outcome))
    });
    let by_scopes = explanation.by_scopes.as_ref();
    let by_scopes = by_scopes.map(|scopes| format!("with a token that was granted {}", scopes.join(" and ")));
    let mut out: Vec<String> = by_scopes.into_iter().chain(by_rules).chain(by_joining).collect();
    if out.is_empty() && !allowed {
        out.push("a rule that covers it; there is none".to_owned());
    }
    out
}

/// What is left of a policy, without its head and annotations, in one line.
fn conditions(left: &str) -> String {
    let body = left.find("when").and_then(|at| left.get(at..)).unwrap_or(left);
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn test(operator: &Operator<'_>, name: &Path, text: Option<&str>) -> Result<Answer, Failure> {
    let loaded = on_disk(operator)?;
    let policies = rules_of(operator, &loaded)?;
    let cases: Option<Vec<Case>> =
        file::document(text.unwrap_or_default(), name).map_err(|error| Failure::Usage(error.to_string()))?;
    let cases = cases.unwrap_or_default();
    if cases.is_empty() {
        return Err(Failure::Usage(format!("{} holds no cases", name.display())));
    }
    let mut failed = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let found = judge(operator, &loaded, &policies, &case.question)
            .await?
            .decision;
        let expected = match case.expect {
            Expected::Allowed => Outcome::Allowed,
            Expected::Hidden => Outcome::Hidden,
            Expected::Refused => Outcome::Refused,
        };
        let rule = found.rule.as_deref().unwrap_or("no rule");
        let other_rule = case.rule.as_deref().filter(|wanted| *wanted != rule);
        if found.outcome != expected || other_rule.is_some() {
            let called = case
                .name
                .clone()
                .unwrap_or_else(|| format!("case {}", number + 1));
            let wanted = other_rule.map(|rule| format!(" by {rule}")).unwrap_or_default();
            failed.push(format!(
                "{called}: expected {}{wanted}, found {} by {rule}",
                word(expected),
                word(found.outcome)
            ));
        }
    }
    if failed.is_empty() {
        let text = format!("{} cases are as expected", cases.len());
        return Ok(Answer::done(
            text,
            json!({ "cases": cases.len(), "revision": policies.revision() }),
        ));
    }
    Err(Failure::Conflict(format!(
        "{} of {} cases are not as expected\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    )))
}
