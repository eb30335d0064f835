//! From the rules of the configuration and its files of policies to what decides.

use std::collections::HashMap;
use std::sync::Arc;

use ::policy::{
    AllowRule, ArgumentTest, Conditions, Hours, Policies, RuleFile, ScopeRule, ServerRules, Tools,
};
use model::ServerName;

use super::{Problems, Sources};
use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::config::{Server, policy};

/// Of a scope, in characters: it is one line of the page that asks.
const LONGEST_TITLE: usize = 100;

/// Reads and checks all of them. With problems, nothing is allowed.
pub(super) fn policies(sources: &mut Sources<'_>, problems: &mut Problems) -> Arc<Policies> {
    let config = &sources.loaded.config;
    let mut files = Vec::new();
    for (number, named) in config.policy.files.iter().enumerate() {
        let key = format!("policy.files[{number}]");
        if let Some(text) = problems.take(key, sources.read(&named.file)) {
            files.push(RuleFile {
                name: named.file.display().to_string(),
                text,
                shadow: named.shadow,
            });
        }
    }
    let servers = config.servers.iter().map(|(name, server)| {
        let mut rules = |member: &str, list: &[policy::Allow]| {
            let rules = list.iter().enumerate();
            let rules = rules.map(|(number, allow)| {
                let scope = allow.scope.as_deref().and_then(|scope| {
                    let key = format!("servers.{name}.{member}[{number}].scope");
                    problems.take(key, scope.parse())
                });
                let key = format!("servers.{name}.{member}[{number}]");
                let requests = super::api::requests(&key, server, allow, problems);
                AllowRule {
                    scope,
                    requests,
                    ..rule(allow)
                }
            });
            rules.collect()
        };
        ServerRules {
            server: name.clone(),
            allow: rules("allow", &server.allow),
            shadow_allow: rules("shadow_allow", &server.shadow_allow),
            scopes: scopes(name, server, problems),
        }
    });
    let servers: Vec<_> = servers.collect();
    match Policies::load(&servers, &files, &config.policy.zones) {
        Ok(policies) => policies,
        Err(errors) => {
            for error in errors {
                problems.add(error.place, error.problem);
            }
            Policies::closed()
        }
    }
}

/// The rules of a configuration alone, for those who ask about them.
///
/// # Errors
/// Everything that is wrong with them.
pub fn policies_of(loaded: &Loaded, environment: &Environment) -> Result<Arc<Policies>, Problems> {
    let mut problems = Problems::default();
    let mut sources = Sources {
        loaded,
        environment,
        files: Vec::new(),
        issuers: HashMap::new(),
    };
    let policies = policies(&mut sources, &mut problems);
    if problems.0.is_empty() {
        Ok(policies)
    } else {
        Err(problems)
    }
}

fn scopes(name: &ServerName, server: &Server, problems: &mut Problems) -> Vec<ScopeRule> {
    let mut scopes = Vec::new();
    for (called, scope) in &server.scopes {
        let key = format!("servers.{name}.scopes.{called}");
        let title = scope.title.trim();
        if title.is_empty() || title.chars().count() > LONGEST_TITLE {
            let problem = format!("must say what it allows, in 1 to {LONGEST_TITLE} characters");
            problems.add(format!("{key}.title"), problem);
        }
        let includes = scope.includes.iter();
        let includes = includes.filter_map(|name| problems.take(format!("{key}.includes"), name.parse()));
        let includes = includes.collect();
        if let Some(name) = problems.take(key, called.parse()) {
            scopes.push(ScopeRule {
                name,
                title: title.to_owned(),
                includes,
            });
        }
    }
    scopes
}

/// Everything of a rule but its scope and its requests.
fn rule(allow: &policy::Allow) -> AllowRule {
    let everything = || match allow.tools {
        Some(policy::Tools::All | policy::Tools::ReadOnly) => vec!["*".to_owned()],
        Some(policy::Tools::Matching(_)) | None => Vec::new(),
    };
    let when = &allow.when;
    AllowRule {
        groups: allow.groups.clone(),
        people: allow.people.clone(),
        clients: allow.clients.clone(),
        scope: None,
        tools: match &allow.tools {
            Some(policy::Tools::All) => Tools::All,
            Some(policy::Tools::ReadOnly) => Tools::ReadOnly,
            Some(policy::Tools::Matching(names)) => Tools::Matching(names.clone()),
            None => Tools::default(),
        },
        requests: None,
        prompts: allow.prompts.clone().unwrap_or_else(everything),
        resources: allow.resources.clone().unwrap_or_else(everything),
        when: Conditions {
            arguments: when
                .arguments
                .iter()
                .map(|(path, test)| (path.clone(), argument(test)))
                .collect(),
            networks: when.networks.clone(),
            hours: when.hours.as_ref().map(|hours| Hours {
                zone: hours.zone.clone(),
                days: hours.days.iter().map(|day| *day as i8).collect(),
                from: hours.from.0,
                until: hours.until.0,
            }),
            authenticated_within: when.authenticated_within.map(|span| span.0),
            assurance: when.assurance.map(Into::into),
        },
        advice: allow.advice.clone(),
    }
}

fn argument(test: &policy::Argument) -> ArgumentTest {
    match test {
        policy::Argument::OneOf(texts) => ArgumentTest::OneOf(texts.clone()),
        policy::Argument::Like(patterns) => ArgumentTest::Like(patterns.clone()),
        policy::Argument::Is(truth) => ArgumentTest::Is(*truth),
        policy::Argument::Between(least, most) => ArgumentTest::Between(*least, *most),
    }
}
