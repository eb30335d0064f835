//! `vestibule migrate`: leaving the tokens of the time before.

use clap::Subcommand;
use model::{ServerName, Username};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrateCommand {
    /// Who still uses an old token, at which server, from where, and when last
    Report {
        /// Only at this server
        #[arg(long)]
        server: Option<ServerName>,
        /// Only of this person
        #[arg(long)]
        user: Option<Username>,
    },
}

impl MigrateCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Report { server, user } => report(operator, server, user).await,
        }
    }
}

async fn report(
    operator: &Operator<'_>,
    server: Option<ServerName>,
    user: Option<Username>,
) -> Result<Answer, Failure> {
    let only = match &user {
        Some(username) => Some(operator.account(username).await?.id),
        None => None,
    };
    let people = operator.usernames().await?;
    let servers = &operator.loaded.config.servers;
    let uses = operator.foundation.store.old_token_uses().await?;
    let rows = uses
        .iter()
        .filter(|uses| only.is_none_or(|only| uses.account == only))
        .filter(|uses| server.as_ref().is_none_or(|server| uses.server == *server))
        .map(|uses| {
            let legacy = servers
                .get(&uses.server)
                .and_then(|server| server.legacy.as_ref());
            json!({
                "server": uses.server,
                "user": people.get(&uses.account),
                "token": uses.token,
                "from": uses.place,
                "program": uses.user_agent,
                "uses": uses.uses,
                "first_used_at": uses.first_at.to_string(),
                "last_used_at": uses.last_at.to_string(),
                "until": legacy.map(|legacy| legacy.until.to_string()),
            })
        });
    Ok(Answer::list(
        [
            "server",
            "user",
            "token",
            "from",
            "program",
            "uses",
            "last_used_at",
            "until",
        ],
        rows.collect(),
        "nobody has used an old token",
    ))
}
