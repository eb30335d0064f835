//! From the arguments that are to be on record to those of a server.

use audit::credentials::names_credential;
use gateway::KeptArguments;
use model::ServerName;

use super::Problems;
use crate::config;

/// Most paths of a rule: each of them is a text in the record of a call.
const MOST: usize = 20;

/// Those that have something to say of a server.
pub(super) fn of(server: &ServerName, rules: &[config::KeptArguments]) -> Vec<KeptArguments> {
    let concerned = rules
        .iter()
        .filter(|rule| rule.server.as_ref().is_none_or(|named| named == server));
    concerned
        .map(|rule| KeptArguments {
            tools: rule.tools.clone(),
            paths: rule.keep.iter().map(|path| path.as_str().into()).collect(),
        })
        .collect()
}

/// What is wrong with them.
pub(super) fn check(config: &config::Config, problems: &mut Problems) {
    for (number, rule) in config.audit.arguments.iter().enumerate() {
        let key = format!("audit.arguments[{number}]");
        if let Some(server) = &rule.server
            && !config.servers.contains_key(server)
        {
            problems.add(
                format!("{key}.server"),
                format_args!("there is no server {server}"),
            );
        }
        if rule.keep.is_empty() || rule.keep.len() > MOST {
            problems.add(
                format!("{key}.keep"),
                format_args!("must name 1 to {MOST} arguments"),
            );
        }
        for path in &rule.keep {
            if path.split('.').any(str::is_empty) {
                problems.add(
                    format!("{key}.keep"),
                    format_args!("{path:?} is no path; write one like owner or filter.state"),
                );
            } else if names_credential(path) {
                problems.add(
                    format!("{key}.keep"),
                    format_args!("{path} is the name of a credential, and none is ever written down"),
                );
            }
        }
    }
}
