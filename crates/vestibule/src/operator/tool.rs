//! `vestibule tool`: what servers say they have, and accepting what changed.

use clap::{Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
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
        /// Which of several that have this name
        #[arg(long)]
        kind: Option<Kind>,
    },
    /// Accept the latest definition of a tool or prompt; with `pinning: hold` it is shown again
    Accept {
        /// The server
        server: ServerName,
        /// The tool or prompt
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Which of several that have this name
        #[arg(long, requires = "name")]
        kind: Option<Kind>,
        /// Only if it is still the definition that `tool show` showed under this fingerprint
        #[arg(long, requires = "name")]
        fingerprint: Option<String>,
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

/// What a server can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A tool
    Tool,
    /// A prompt
    Prompt,
    /// A resource
    Resource,
    /// A resource template
    Template,
}

impl ToolCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { server, changed } => list(operator, &server, changed).await,
            Self::Show { server, name, kind } => show(operator, &server, &name, kind).await,
            Self::Accept {
                server,
                name,
                kind,
                fingerprint,
                all: _,
            } => match name {
                Some(name) => accept(operator, &server, &name, kind, fingerprint.as_deref()).await,
                None => accept_all(operator, &server).await,
            },
            Self::Forget { server } => forget(operator, &server).await,
        }
    }
}

async fn entries(operator: &Operator<'_>, server: &ServerName) -> Result<Vec<CatalogueEntry>, Failure> {
    let entries = operator.catalogue(server).await?;
    if entries.is_empty() && !operator.loaded.config.servers.contains_key(server) {
        return Err(Failure::NotFound(format!("there is no server called {server}")));
    }
    Ok(entries)
}

fn kind(entry: &CatalogueEntry) -> Option<Kind> {
    Some(match List::of_method(&entry.key.list)? {
        List::Tools => Kind::Tool,
        List::Prompts => Kind::Prompt,
        List::Resources => Kind::Resource,
        List::Templates => Kind::Template,
        List::Tasks => return None,
    })
}

/// The one of this name; if there are several it must be said which, so that nobody looks at one and accepts another.
async fn named(
    operator: &Operator<'_>,
    server: &ServerName,
    name: &str,
    wanted: Option<Kind>,
) -> Result<CatalogueEntry, Failure> {
    let entries = entries(operator, server).await?.into_iter();
    let fits = |entry: &CatalogueEntry| entry.key.name == name && (wanted.is_none() || kind(entry) == wanted);
    let mut found: Vec<_> = entries.filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(entry), true) => Ok(entry),
        (None, _) => Err(Failure::NotFound(format!(
            "{server} was not seen to have {name:?}"
        ))),
        (Some(_), false) => Err(Failure::Usage(format!(
            "{server} has several things called {name:?}; say which with --kind"
        ))),
    }
}

fn fingerprint(entry: &CatalogueEntry) -> String {
    HEXLOWER.encode(&entry.fingerprint[..8])
}

fn facts(entry: &CatalogueEntry) -> Value {
    let changed = entry.fingerprint != entry.accepted;
    json!({
        "name": entry.key.name,
        "kind": kind(entry),
        "state": if changed { "changed" } else { "accepted" },
        "first_seen_at": entry.first_seen_at.to_string(),
        "changed_at": changed.then(|| entry.changed_at.to_string()),
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

async fn show(
    operator: &Operator<'_>,
    server: &ServerName,
    name: &str,
    kind: Option<Kind>,
) -> Result<Answer, Failure> {
    let entry = named(operator, server, name, kind).await?;
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let (now, accepted): (Value, Value) = (read(&entry.definition), read(&entry.accepted_definition));
    let mut item = facts(&entry);
    item["fingerprint"] = json!(fingerprint(&entry));
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

async fn accept(
    operator: &Operator<'_>,
    server: &ServerName,
    name: &str,
    kind: Option<Kind>,
    shown: Option<&str>,
) -> Result<Answer, Failure> {
    let entry = named(operator, server, name, kind).await?;
    if let Some(shown) = shown.filter(|shown| **shown != fingerprint(&entry)) {
        return Err(Failure::Conflict(format!(
            "{name:?} is not what it was under {shown}: now it is {}",
            fingerprint(&entry)
        )));
    }
    accept_each(operator, server, vec![entry]).await
}

async fn accept_all(operator: &Operator<'_>, server: &ServerName) -> Result<Answer, Failure> {
    let entries = entries(operator, server).await?;
    accept_each(operator, server, entries).await
}

async fn accept_each(
    operator: &Operator<'_>,
    server: &ServerName,
    entries: Vec<CatalogueEntry>,
) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    let mut accepted = Vec::new();
    for entry in entries.iter().filter(|entry| entry.fingerprint != entry.accepted) {
        let now = foundation.world.now();
        let store = &foundation.store;
        if !store
            .accept_definition(&entry.key, &entry.fingerprint, now)
            .await?
        {
            return Err(Failure::Conflict(format!(
                "{:?} has changed again in this moment; look at it once more",
                entry.key.name
            )));
        }
        accepted.push(entry.key.name.clone());
        operator.record(
            "tool accept",
            &format!("{server} {} {}", entry.key.name, fingerprint(entry)),
        );
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
