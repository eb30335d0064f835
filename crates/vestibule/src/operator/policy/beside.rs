//! What counts beside the rules: the account itself, definitions that nobody accepted, quotas.

use model::AccountStatus;
use policy::pattern::fits;
use protocol::mcp::list::List;

use super::{Question, groups_of};
use crate::config;
use crate::operator::{Failure, Operator};

/// Everything that may refuse what the rules allow, each in a sentence.
pub(super) async fn of(operator: &Operator<'_>, question: &Question) -> Result<Vec<String>, Failure> {
    let mut said = Vec::new();
    said.extend(account(operator, question).await?);
    said.extend(definition(operator, question).await?);
    let groups = groups_of(operator, question).await?;
    let quotas = operator.loaded.config.quotas.iter().filter(|(_, quota)| {
        let server = quota.servers.is_empty() || quota.servers.contains(&question.server);
        let group = quota.groups.is_empty() || quota.groups.iter().any(|group| groups.contains(group));
        let named = |tool: &String| quota.tools.iter().any(|pattern| fits(pattern, tool));
        // A stream is opened before anything is asked for.
        let counts = quota.rate.is_some() || quota.calls.is_some();
        counts && server && group && (quota.tools.is_empty() || question.tool.as_ref().is_some_and(named))
    });
    said.extend(quotas.map(|(name, quota)| format!("quota {name}: {}", limits(quota))));
    Ok(said)
}

async fn account(operator: &Operator<'_>, question: &Question) -> Result<Option<String>, Failure> {
    let store = &operator.foundation.store;
    let account = store.account_by_username(&question.user).await?;
    Ok(match account.map(|account| account.status) {
        None => Some(format!("there is no account called {}", question.user)),
        Some(AccountStatus::Active) => None,
        Some(status) => Some(format!("{} is {}", question.user, status.as_str())),
    })
}

/// A tool or prompt of which the server says something else than what was accepted (TP-119).
async fn definition(operator: &Operator<'_>, question: &Question) -> Result<Option<String>, Failure> {
    let (name, list) = match (&question.tool, &question.prompt) {
        (Some(tool), _) => (tool, List::Tools),
        (_, Some(prompt)) => (prompt, List::Prompts),
        _ => return Ok(None),
    };
    let server = &question.server;
    let holds = operator
        .loaded
        .config
        .servers
        .get(server)
        .is_some_and(|server| server.pinning == config::Pinning::Hold);
    let entries = operator.catalogue(server).await?;
    let mut listed = entries
        .iter()
        .filter(|entry| entry.key.list == list.method())
        .peekable();
    if !holds || listed.peek().is_none() {
        return Ok(None);
    }
    Ok(match listed.find(|entry| entry.key.name == *name) {
        None => Some(format!(
            "{server} never listed {name}, and holds back what it did not list"
        )),
        Some(entry) if entry.fingerprint != entry.accepted => Some(format!(
            "the definition of {name} has changed and is held back: `vestibule tool show {server} {name}`"
        )),
        Some(_) => None,
    })
}

fn limits(quota: &config::Quota) -> String {
    let counted = [
        quota.rate.map(|rate| format!("{rate} requests")),
        quota.calls.map(|calls| format!("{calls} at once")),
    ];
    let counted: Vec<_> = counted.into_iter().flatten().collect();
    let per: Vec<_> = quota.per.iter().map(|counted| counted.as_str()).collect();
    if per.is_empty() {
        return format!("{} for all together", counted.join(", "));
    }
    format!("{} for each {}", counted.join(", "), per.join(" and "))
}
