//! `vestibule server`: MCP servers behind this door, as the configuration has them.

use clap::Subcommand;
use model::{AccountStatus, ServerName};
use policy::{Act, Annotations, Principal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Failure, Operator};
use crate::compose::policies_of;
use crate::config::policy::{Allow, Tools, When};
use crate::config::server::Kind;
use crate::config::{self, Transport};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerCommand {
    /// All servers of the configuration
    List,
    /// One server, with the people who may use it
    Show {
        /// The server
        server: ServerName,
    },
}

impl ServerCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List => Ok(list(operator)),
            Self::Show { server } => show(operator, &server).await,
        }
    }
}

fn facts(operator: &Operator<'_>, name: &ServerName, server: &config::Server) -> Value {
    let rule = |rule: &Allow| {
        let groups = rule.groups.iter().map(|group| format!("group {group}"));
        let people = rule.people.iter().map(ToString::to_string);
        let who: Vec<_> = groups.chain(people).collect();
        let what = match server.kind {
            Kind::Mcp => "tools",
            Kind::Api => "requests",
        };
        let tools = match rule.tools.as_ref().or(rule.requests.as_ref()) {
            Some(Tools::All) => format!("all {what}"),
            Some(Tools::ReadOnly) => format!("{what} that only read"),
            Some(Tools::Matching(names)) => names.join(", "),
            None => format!("no {what}"),
        };
        let limits = if rule.when == When::default() && rule.clients.is_empty() {
            ""
        } else {
            ", under conditions"
        };
        format!("{}: {tools}{limits}", who.join(", "))
    };
    json!({
        "server": name,
        "title": server.title.as_deref().unwrap_or(name.as_str()),
        "endpoint": format!("{}{}{name}", operator.public_url(), server.kind.path()),
        "upstream": server.upstream.as_str(),
        "transport": match (server.kind, server.transport) {
            (Kind::Api, _) => "http",
            (Kind::Mcp, Transport::Streamable) => "streamable",
            (Kind::Mcp, Transport::Sse) => "sse",
        },
        "allow": server.allow.iter().map(rule).collect::<Vec<_>>(),
        "credential_headers": server.credential.headers.keys().collect::<Vec<_>>(),
    })
}

fn list(operator: &Operator<'_>) -> Answer {
    let servers = operator.loaded.config.servers.iter();
    Answer::list(
        ["server", "endpoint", "upstream", "allow"],
        servers
            .map(|(name, server)| facts(operator, name, server))
            .collect(),
        "there are no servers yet; add one under `servers` in the configuration file",
    )
}

async fn show(operator: &Operator<'_>, name: &ServerName) -> Result<Answer, Failure> {
    let server = operator.loaded.config.servers.get(name);
    let server = server.ok_or_else(|| Failure::NotFound(format!("there is no server called {name}")))?;
    let mut item = facts(operator, name, server);
    item["people"] = json!(people(operator, name).await?);
    Ok(Answer::Item(item))
}

/// Who may use it, by the one decision function.
async fn people(operator: &Operator<'_>, name: &ServerName) -> Result<Vec<String>, Failure> {
    let policies = policies_of(operator.loaded, &operator.foundation.environment)
        .map_err(|problems| Failure::Conflict(problems.to_string()))?;
    let policy = policies.of(name);
    let store = &operator.foundation.store;
    let mut allowed = Vec::new();
    for account in store.accounts().await? {
        let Some(view) = store.account_view(account.id).await? else {
            continue;
        };
        let principal = Principal {
            username: &view.username,
            groups: &view.groups,
            client: None,
        };
        let may = policy.shows(principal, Act::Connect, Annotations::default());
        if view.status == AccountStatus::Active && may {
            allowed.push(view.username.to_string());
        }
    }
    Ok(allowed)
}
