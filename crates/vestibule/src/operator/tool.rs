//! `vestibule tool`: what servers say they have, and accepting what changed.

use clap::Subcommand;
use model::ServerName;
use protocol::mcp::list::List;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::CatalogueEntry;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolCommand {
    /// What a server was seen to have: tools, prompts, resources, templates
    List {
        /// The server
        server: ServerName,
        /// Only what is not as it was accepted
        #[arg(long)]
        changed: bool,
    },
    /// One tool or prompt: its definition, the accepted one, and where they differ
    Show {
        /// The server
        server: ServerName,
        /// The tool or prompt
        name: String,
    },
    /// Accept the latest definition of a tool or prompt; with `pinning: hold` it is shown again
    Accept {
        /// The server
        server: ServerName,
        /// The tool or prompt
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Everything of the server that changed
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Forget what a server has; what it lists next is accepted
    Forget {
        /// The server
        server: ServerName,
    },
}

impl ToolCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { server, changed } => list(operator, &server, changed).await,
            Self::Show { server, name } => show(operator, &server, &name).await,
            Self::Accept { server, name, all: _ } => accept(operator, &server, name.as_deref()).await,
            Self::Forget { server } => forget(operator, &server).await,
        }
    }
}

async fn entries(operator: &Operator<'_>, server: &ServerName) -> Result<Vec<CatalogueEntry>, Failure> {
    let entries = operator.foundation.store.catalogue(server).await?;
    if entries.is_empty() && !operator.loaded.config.servers.contains_key(server) {
        return Err(Failure::NotFound(format!("there is no server called {server}")));
    }
    Ok(entries)
}

fn kind(entry: &CatalogueEntry) -> &'static str {
    match List::of_method(&entry.key.list) {
        Some(List::Tools) => "tool",
        Some(List::Prompts) => "prompt",
        Some(List::Resources) => "resource",
        Some(List::Templates) => "template",
        None => "other",
    }
}

fn facts(entry: &CatalogueEntry) -> Value {
    let changed = entry.fingerprint != entry.accepted;
    json!({
        "name": entry.key.name,
        "kind": kind(entry),
        "state": if changed { "changed" } else { "accepted" },
        "first_seen_at": entry.first_seen_at,
        "changed_at": changed.then_some(entry.changed_at),
    })
}

async fn list(operator: &Operator<'_>, server: &ServerName, changed: bool) -> Result<Answer, Failure> {
    let entries = entries(operator, server).await?;
    let rows = entries
        .iter()
        .filter(|entry| !changed || entry.fingerprint != entry.accepted)
        .map(facts);
    Ok(Answer::list(
        ["name", "kind", "state", "first_seen_at", "changed_at"],
        rows.collect(),
        if changed {
            "nothing is other than it was accepted"
        } else {
            "nothing is known yet; it is learned when somebody lists what the server has"
        },
    ))
}

async fn show(operator: &Operator<'_>, server: &ServerName, name: &str) -> Result<Answer, Failure> {
    let entries = entries(operator, server).await?;
    let entry = entries.iter().find(|entry| entry.key.name == name);
    let entry = entry.ok_or_else(|| Failure::NotFound(format!("{server} was not seen to have {name:?}")))?;
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let (now, accepted): (Value, Value) = (read(&entry.definition), read(&entry.accepted_definition));
    let mut item = facts(entry);
    let mut differences = Vec::new();
    differ("", &accepted, &now, &mut differences);
    item["differences"] = json!(differences);
    item["definition"] = now;
    item["accepted_definition"] = accepted;
    Ok(Answer::Item(item))
}

/// Where two definitions differ, by JSON pointer.
fn differ(at: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one
                .keys()
                .chain(other.keys().filter(|name| !one.contains_key(*name)))
            {
                let (before, after) = (&before[name.as_str()], &after[name.as_str()]);
                let escaped = name.replace('~', "~0").replace('/', "~1");
                differ(&format!("{at}/{escaped}"), before, after, out);
            }
        }
        _ if before != after => out.push(format!("{at}: {before} -> {after}")),
        _ => {}
    }
}

async fn accept(operator: &Operator<'_>, server: &ServerName, name: Option<&str>) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    let entries = entries(operator, server).await?;
    let named: Vec<_> = entries
        .iter()
        .filter(|entry| name.is_none_or(|name| entry.key.name == name))
        .collect();
    if let (Some(name), true) = (name, named.is_empty()) {
        return Err(Failure::NotFound(format!(
            "{server} was not seen to have {name:?}"
        )));
    }
    let mut accepted = Vec::new();
    for entry in named
        .into_iter()
        .filter(|entry| entry.fingerprint != entry.accepted)
    {
        let now = foundation.world.now();
        if !foundation
            .store
            .accept_definition(&entry.key, &entry.fingerprint, now)
            .await?
        {
            return Err(Failure::Conflict(format!(
                "{} has changed again in this moment; look at it once more",
                entry.key.name
            )));
        }
        accepted.push(entry.key.name.clone());
        operator.record("tool accept", &format!("{server} {}", entry.key.name));
    }
    let text = match accepted.as_slice() {
        [] => "nothing has changed; it is as it was accepted".to_owned(),
        names => format!("accepted: {}", names.join(", ")),
    };
    Ok(Answer::done(
        text,
        json!({ "server": server, "accepted": accepted }),
    ))
}

async fn forget(operator: &Operator<'_>, server: &ServerName) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    if !foundation
        .store
        .forget_catalogue(server, foundation.world.now())
        .await?
    {
        let text = format!("nothing was known of {server}");
        return Ok(Answer::done(
            text,
            json!({ "server": server, "forgotten": false }),
        ));
    }
    operator.record("tool forget", server);
    let text = format!("what {server} has is forgotten; what it lists next is accepted");
    Ok(Answer::done(text, json!({ "server": server, "forgotten": true })))
}
