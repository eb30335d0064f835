//! `vestibule connection`: what people linked at providers. Never what it is: nobody can read that back.

use audit::{Person, What};
use clap::Subcommand;
use model::{ServerName, Username};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Connection;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionCommand {
    /// Who is connected where, as whom, and when it was last used
    List {
        /// Only those of this account
        #[arg(long)]
        user: Option<Username>,
    },
    /// Delete a connection; counts on the next call
    Remove {
        /// The account
        username: Username,
        /// The connector, by its name in `connectors`
        connector: ServerName,
    },
}

impl ConnectionCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { user } => list(operator, user).await,
            Self::Remove { username, connector } => remove(operator, &username, &connector).await,
        }
    }
}

async fn list(operator: &Operator<'_>, user: Option<Username>) -> Result<Answer, Failure> {
    let store = &operator.foundation.store;
    let connections = match &user {
        Some(username) => store.connections_of(operator.account(username).await?.id).await?,
        None => store.connections().await?,
    };
    let people = operator.usernames().await?;
    let rows = connections.into_iter().map(|known: Connection| {
        let user = people.get(&known.account);
        let upstream = known.shown().map(str::to_owned);
        let (ended_at, because) = known.ended.unzip();
        let last = known.last_use;
        json!({
            "user": user,
            "connector": known.connector,
            "kind": known.kind.as_str(),
            "upstream": upstream,
            "upstream_id": Some(&known.upstream_id).filter(|id| !id.is_empty()),
            "created_at": known.created_at.to_string(),
            "last_used_at": last.as_ref().map(|last| last.at.to_string()),
            "last_client": last.as_ref().and_then(|last| last.client.clone()),
            "last_server": last.as_ref().and_then(|last| last.server.clone()),
            "last_tool": last.and_then(|last| last.tool),
            "ended_at": ended_at.map(|at| at.to_string()),
            "ended_because": because,
        })
    });
    Ok(Answer::list(
        [
            "user",
            "connector",
            "kind",
            "upstream",
            "created_at",
            "last_used_at",
            "ended_because",
        ],
        rows.collect(),
        "nobody has connected anything yet",
    ))
}

async fn remove(
    operator: &Operator<'_>,
    username: &Username,
    connector: &ServerName,
) -> Result<Answer, Failure> {
    let account = operator.account(username).await?.id;
    let foundation = operator.foundation;
    let now = foundation.world.now();
    if !foundation.store.disconnect(account, connector, now).await? {
        return Err(Failure::NotFound(format!(
            "{username} is not connected to {connector}"
        )));
    }
    let what = What::ConnectionRemoved {
        account,
        connector: connector.clone(),
    };
    let person = Person {
        username: Some(username.to_string()),
        ..Person::default()
    };
    foundation.recorder.record(what, person);
    operator.record("connection remove", username);
    Ok(Answer::done(
        format!(
            "{username} is not connected to {connector} any more; if the token itself should end too, that is done at the provider"
        ),
        json!({ "user": username, "connector": connector }),
    ))
}
