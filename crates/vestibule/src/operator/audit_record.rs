//! `vestibule audit`: what happened, with names instead of ids, and the proof that nothing of it is missing.

use audit::readable::{Form, Names};
use audit::reading::{Entry, WhichClient, Whom};
use audit::verify;
use audit::{Filter, Trusted};
use clap::{Args, Subcommand, ValueEnum};
use model::id::Id as _;
use model::{EventId, ServerName, Timestamp, Username, World};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "what stands at the filters of a command would be its help"
)]
pub enum AuditCommand {
    /// Events that fit, latest first
    #[command(visible_alias = "list")]
    Search {
        #[command(flatten)]
        wanted: Wanted,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Of those, the oldest first
        #[arg(long)]
        oldest_first: bool,
    },
    /// The latest events, oldest first, and with `-f` those that follow
    Tail {
        #[command(flatten)]
        wanted: Wanted,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
        /// Go on until interrupted
        #[arg(long, short)]
        follow: bool,
    },
    /// Write the record into a file. JSON lines without filters prove themselves; `audit verify FILE` checks them
    Export {
        #[command(flatten)]
        wanted: Wanted,
        /// What the file holds
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// The file; standard output without it
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Say whether the record, or an export of it, is complete and unaltered
    Verify {
        /// An export; without it, what the database holds
        file: Option<PathBuf>,
        /// The public key to trust, as `audit key` prints it; without it, the one under this configuration's master
        /// key
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Lines about people may be empty though no event says that they were erased: done to the file later
        #[arg(long)]
        allow_erased: bool,
        /// What the file of `--key` holds
        #[arg(skip)]
        #[serde(default)]
        trusted: Option<Value>,
    },
    /// Print the public key that the record is signed with
    Key,
    /// Take a person out of the record: name, address, program and chosen arguments of everything they did. That it
    /// happened stays, and so does the proof
    Erase {
        /// Whom
        username: Username,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Events of other replicas may come this much later.
const LATE: std::time::Duration = std::time::Duration::from_secs(15);

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON lines
    Jsonl,
    /// Comma-separated values, latest first
    Csv,
    /// OCSF events as JSON lines, latest first
    Ocsf,
}

impl Format {
    /// As the record knows it.
    pub fn form(self) -> Form {
        match self {
            Self::Jsonl => Form::Jsonl,
            Self::Csv => Form::Csv,
            Self::Ocsf => Form::Ocsf,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "it would be the help of every command that has filters"
)]
pub struct Wanted {
    /// Of this person
    #[arg(long)]
    user: Option<Username>,
    /// Of this client, by id or name
    #[arg(long)]
    client: Option<String>,
    /// At this server
    #[arg(long)]
    server: Option<ServerName>,
    /// Of this tool, prompt or resource
    #[arg(long, alias = "target")]
    tool: Option<String>,
    /// Of this MCP method, as `tools/call`
    #[arg(long)]
    method: Option<String>,
    /// Of this kind, as `call` or `signed_in`
    #[arg(long)]
    event: Option<String>,
    /// With this outcome, as `refused`
    #[arg(long)]
    outcome: Option<String>,
    /// For this reason
    #[arg(long)]
    reason: Option<String>,
    /// Decided by this rule
    #[arg(long)]
    rule: Option<String>,
    /// With this value of an argument that is on record, as `owner=acme`
    #[arg(long, value_name = "PATH=VALUE", value_parser = argument)]
    #[serde(default)]
    argument: Vec<(String, String)>,
    /// From this time on: `2026-11-20`, `2026-11-20T12:00:00Z`, or `2h` ago
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The event that an error referred to
    #[arg(long)]
    reference: Option<EventId>,
    /// From a moment before this event on; for following
    #[arg(skip)]
    #[serde(default)]
    pub after: Option<EventId>,
}

impl Wanted {
    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// As the record knows it.
    pub async fn filter(&self, operator: &Operator<'_>) -> Result<Filter, Failure> {
        let mut filter = Filter::default();
        let world = &operator.foundation.world;
        filter.from = self.from.as_deref().map(|text| time(text, world)).transpose()?;
        filter.to = self.to.as_deref().map(|text| time(text, world)).transpose()?;
        let given = [
            ("server", self.server.as_ref().map(ToString::to_string)),
            ("target", self.tool.clone()),
            ("method", self.method.clone()),
            ("event", self.event.clone()),
            ("outcome", self.outcome.clone()),
            ("reason", self.reason.clone()),
            ("rule", self.rule.clone()),
            ("id", self.reference.map(|id| id.to_string())),
        ];
        for (member, value) in given {
            filter
                .members
                .extend(value.map(|value| (member.to_owned(), vec![value])));
        }
        filter.arguments.clone_from(&self.argument);
        if let Some(wanted) = &self.client {
            let mut ids = vec![wanted.clone()];
            let named = operator.client_names().await?.into_iter();
            ids.extend(
                named
                    .filter(|(_, name)| name == wanted)
                    .map(|(id, _)| id.to_string()),
            );
            filter.client = Some(WhichClient {
                ids,
                name: wanted.clone(),
            });
        }
        if let Some(username) = &self.user {
            let account = operator.foundation.store.account_by_username(username).await?;
            filter.person = Some(Whom {
                account: account.map(|account| account.id.to_string()),
                username: username.to_string(),
            });
        }
        if self.event.is_none() && self.reference.is_none() {
            // Of use to the proof alone.
            filter.without = vec!["checkpoint".to_owned()];
        }
        if let Some(after) = self.after {
            filter.from = filter.from.max(Some(after.made_at() - LATE));
        }
        Ok(filter)
    }
}

/// An argument as people write it.
fn argument(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    parts
        .map(|(path, value)| (path.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} has no value; write owner=acme"))
}

/// A time as people write it.
fn time(text: &str, world: &World) -> Result<Timestamp, Failure> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(instant.as_millisecond()));
    }
    let day = text.parse::<jiff::civil::Date>().ok();
    if let Some(midnight) = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok()) {
        return Ok(Timestamp::from_millis(midnight.timestamp().as_millisecond()));
    }
    if let Ok(ago) = text.parse::<crate::config::values::Span>() {
        return Ok(world.now() - ago.0);
    }
    Err(Failure::Usage(format!(
        "{text:?} is no time; write one like 2026-11-20, 2026-11-20T12:00:00Z, or 2h for two hours ago"
    )))
}

impl AuditCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Search {
                wanted,
                limit,
                oldest_first,
            } => search(operator, &wanted, limit, oldest_first).await,
            Self::Tail { wanted, limit, .. } => search(operator, &wanted, limit, true).await,
            Self::Verify {
                trusted,
                allow_erased,
                ..
            } => verify_store(operator, trusted, allow_erased).await,
            Self::Key => Ok(key(operator)),
            Self::Erase { username, .. } => erase(operator, &username).await,
            Self::Export { .. } => Err(Failure::Usage("an export is no answer of one line".to_owned())),
        }
    }
}

/// Names of accounts and clients.
pub async fn names(operator: &Operator<'_>) -> Result<Names, Failure> {
    let accounts = operator.usernames().await?.into_iter();
    let clients = operator.client_names().await?.into_iter();
    Ok(Names {
        accounts: accounts.map(|(id, name)| (id.to_string(), name)).collect(),
        clients: clients.map(|(id, name)| (id.to_string(), name)).collect(),
    })
}

async fn search(
    operator: &Operator<'_>,
    wanted: &Wanted,
    limit: usize,
    oldest_first: bool,
) -> Result<Answer, Failure> {
    let filter = wanted.filter(operator).await?;
    // What was just done is in it too.
    let _ = operator.foundation.recorder.flush().await;
    let mut entries = audit::reading::latest(&*operator.foundation.store, filter, limit).await?;
    if oldest_first {
        entries.reverse();
    }
    let names = names(operator).await?;
    let rows = entries.iter().map(|entry| shown(entry, &names));
    Ok(Answer::list(
        ["at", "event", "user", "address", "details"],
        rows.collect(),
        "nothing of the kind has happened",
    ))
}

fn shown(entry: &Entry, names: &Names) -> Value {
    let mut row = names.row(entry);
    row.insert("details".to_owned(), Value::from(details(&row)));
    Value::Object(row)
}

async fn verify_store(
    operator: &Operator<'_>,
    trusted: Option<Value>,
    allow_erased: bool,
) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    let trusted = match trusted {
        Some(given) => Trusted::from_json(&given),
        None => Trusted::new(vec![foundation.signer.public().clone()]),
    };
    let _ = foundation.recorder.flush().await;
    let report = verify::store(&*foundation.store, &trusted, allow_erased, &mut |_| {}).await?;
    Ok(Answer::done(report.words(), json!(report)))
}

fn key(operator: &Operator<'_>) -> Answer {
    let keys = json!({ "keys": [operator.foundation.signer.public().jwk()] });
    Answer::done(keys.to_string(), keys)
}

async fn erase(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    let store = &*foundation.store;
    let account = store
        .account_by_username(username)
        .await?
        .map(|account| account.id);
    let erased = audit::erasure::erase(store, &foundation.recorder, account, username.as_str()).await;
    let erased = erased.map_err(|error| Failure::Unavailable(error.to_string()))?;
    // The name would be back in the record.
    let target = account.map_or_else(|| "a removed account".to_owned(), |account| account.to_string());
    operator.record("audit erase", &target);
    let _ = foundation.recorder.flush().await;
    let note = if account.is_some() {
        "; the account is still there, and what it does from now on is recorded with its name"
    } else {
        ""
    };
    Ok(Answer::done(
        format!("{erased} lines of the record say nothing about a person any more{note}"),
        json!({ "erased": erased }),
    ))
}

/// What else is to be said, in one line.
fn details(row: &Map<String, Value>) -> String {
    const SHOWN_ELSEWHERE: [&str; 15] = [
        "id",
        "at",
        "event",
        "user",
        "username",
        "address",
        "user_agent",
        "account",
        "session",
        "token",
        "sound",
        "bytes_in",
        "bytes_out",
        "grant",
        "client_vouched_by",
    ];
    let mut words = Vec::new();
    for (member, value) in row {
        let named = member == "client" && row.contains_key("client_name");
        if named || SHOWN_ELSEWHERE.contains(&member.as_str()) || value.is_null() {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        words.push(match member.as_str() {
            "microseconds" => format!("{:.1}ms", value.parse::<f64>().unwrap_or(0.0) / 1000.0),
            "client_name" if row.get("client_vouched_by") == Some(&json!("nobody")) => {
                format!("client={value} (unverified)")
            }
            "client_name" => format!("client={value}"),
            _ => format!("{member}={value}"),
        });
    }
    if row.get("sound").and_then(Value::as_bool) == Some(false) {
        words.push("ALTERED".to_owned());
    }
    words.join(" ")
}
