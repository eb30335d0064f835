//! `vestibule session`: where people are signed in.

use audit::{Person, What};
use clap::Subcommand;
use model::{SessionId, Username};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Failure, Operator};

/// Most sessions that a list shows.
const MOST: i64 = 10_000;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCommand {
    /// Live browser sessions, latest used first, with the names that people gave them
    List {
        /// Only of this person
        #[arg(long)]
        user: Option<Username>,
    },
    /// End a session; the browser is signed out on its next request, connected programs stay connected
    Revoke {
        /// The session
        id: SessionId,
    },
}

impl SessionCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { user } => list(operator, user).await,
            Self::Revoke { id } => revoke(operator, id).await,
        }
    }
}

async fn list(operator: &Operator<'_>, user: Option<Username>) -> Result<Answer, Failure> {
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let seen_after = now - operator.loaded.config.sessions.idle.0;
    let sessions = match user {
        Some(username) => {
            let account = operator.account(&username).await?.id;
            store.sessions_of(account, seen_after, now).await?
        }
        None => store.sessions(MOST, seen_after, now).await?,
    };
    let people = operator.usernames().await?;
    let rows = sessions.iter().map(|session| {
        json!({
            "id": session.id.to_string(),
            "user": people.get(&session.account),
            "name": session.name,
            "user_agent": session.user_agent,
            "address": session.address,
            "provider": session.proved.provider,
            "created_at": session.created_at.to_string(),
            "last_seen_at": session.last_seen_at.to_string(),
            "expires_at": session.expires_at.to_string(),
        })
    });
    Ok(Answer::list(
        [
            "id",
            "user",
            "name",
            "user_agent",
            "address",
            "last_seen_at",
            "expires_at",
        ],
        rows.collect(),
        "nobody is signed in",
    ))
}

async fn revoke(operator: &Operator<'_>, id: SessionId) -> Result<Answer, Failure> {
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let unknown = || Failure::NotFound(format!("there is no session {id}, or it has ended"));
    let session = store.session_by_id(id).await?.ok_or_else(unknown)?;
    // Its owner may have ended it at this moment.
    if !store.end_session(id, session.account, now).await? {
        return Err(unknown());
    }
    let what = What::SignedOut {
        account: session.account,
        session: id,
        provider: None,
    };
    operator.foundation.recorder.record(what, Person::default());
    operator.record("session revoke", &id);
    Ok(Answer::done(
        format!("{id} has ended; that browser has to sign in again"),
        json!({ "id": id.to_string() }),
    ))
}
