//! `vestibule audit`: what happened, with names instead of ids.

use clap::Subcommand;
use model::{Timestamp, Username};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditCommand {
    /// The latest events, latest first
    List {
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Only of this person
        #[arg(long)]
        user: Option<Username>,
        /// Only of this kind, as `call` or `signed_in`
        #[arg(long)]
        event: Option<String>,
    },
}

/// Events that are looked through for those that fit a filter.
const LOOKED_THROUGH: usize = 20_000;

impl AuditCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        let Self::List { limit, user, event } = self;
        list(operator, limit, user, event).await
    }
}

async fn list(
    operator: &Operator<'_>,
    limit: usize,
    user: Option<Username>,
    event: Option<String>,
) -> Result<Answer, Failure> {
    // What was just done is in it too.
    operator.foundation.recorder.flush().await;
    let read = if user.is_some() || event.is_some() {
        LOOKED_THROUGH
    } else {
        limit
    };
    let entries = audit::reading::latest(&*operator.foundation.store, Timestamp::NEVER, read).await?;
    let people = operator.usernames().await?;
    let clients = operator.client_names().await?;
    let rows = entries.iter().filter_map(|entry| {
        let Ok(Value::Object(mut row)) = serde_json::to_value(entry) else {
            return None;
        };
        row.insert("at".to_owned(), Value::from(entry.at.to_string()));
        name(&mut row, "account", "user", |id| {
            id.parse().ok().and_then(|id| people.get(&id).cloned())
        });
        name(&mut row, "client", "client_name", |id| clients.get(id).cloned());
        let username = row.get("username").cloned();
        row.entry("user").or_insert(username.unwrap_or(Value::Null));
        row.insert("details".to_owned(), Value::from(details(&row)));
        Some(row)
    });
    let fits = |row: &Map<String, Value>| {
        let is = |member: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| row.get(member).and_then(Value::as_str) == Some(wanted))
        };
        is("user", user.as_ref().map(Username::as_str)) && is("event", event.as_deref())
    };
    Ok(Answer::list(
        ["at", "event", "user", "address", "details"],
        rows.filter(fits).take(limit).map(Value::Object).collect(),
        "nothing has happened yet",
    ))
}

/// Adds the readable name beside an id.
fn name(row: &mut Map<String, Value>, member: &str, readable: &str, find: impl Fn(&str) -> Option<String>) {
    let found = row.get(member).and_then(Value::as_str).and_then(find);
    if let Some(found) = found {
        row.insert(readable.to_owned(), Value::from(found));
    }
}

/// What else is to be said, in one line.
fn details(row: &Map<String, Value>) -> String {
    const SHOWN_ELSEWHERE: [&str; 14] = [
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
            "client_name" => format!("client={value}"),
            _ => format!("{member}={value}"),
        });
    }
    if row.get("sound").and_then(Value::as_bool) == Some(false) {
        words.push("ALTERED".to_owned());
    }
    words.join(" ")
}
