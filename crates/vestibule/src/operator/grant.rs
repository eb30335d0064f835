//! `vestibule grant`: what people have allowed programs to do.

use audit::{Person, What};
use clap::Subcommand;
use model::{ClientId, GrantId, ServerName, Username};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{EndReason, Grant};

use super::{Answer, Failure, Operator};

/// Most grants that a list shows.
const MOST: i64 = 10_000;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantCommand {
    /// Live grants, latest used first
    List {
        /// Only of this person
        #[arg(long)]
        user: Option<Username>,
        /// Only to this client
        #[arg(long)]
        client: Option<ClientId>,
        /// Only for this server
        #[arg(long)]
        server: Option<ServerName>,
    },
    /// One grant, live or ended
    Show {
        /// The grant
        id: GrantId,
    },
    /// End a grant; counts on the next request
    Revoke {
        /// The grant
        id: GrantId,
    },
}

impl GrantCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { user, client, server } => list(operator, user, client, server).await,
            Self::Show { id } => show(operator, id).await,
            Self::Revoke { id } => revoke(operator, id).await,
        }
    }
}

async fn facts(operator: &Operator<'_>, grants: &[Grant]) -> Result<Vec<Value>, Failure> {
    let people = operator.usernames().await?;
    let clients = operator.client_names().await?;
    let facts = |grant: &Grant| {
        json!({
            "id": grant.id.to_string(),
            "user": people.get(&grant.account),
            "client": clients.get(&grant.client).map_or_else(|| grant.client.to_string(), Clone::clone),
            "client_id": grant.client,
            "server": grant.server,
            "scope": grant.scopes.to_string(),
            "created_at": grant.created_at.to_string(),
            "last_used_at": grant.last_used_at.to_string(),
            "expires_at": grant.expires_at.to_string(),
            "ended_at": grant.ended.map(|(at, _)| at.to_string()),
            "ended_because": grant.ended.map(|(_, why)| why.as_str()),
        })
    };
    Ok(grants.iter().map(facts).collect())
}

async fn list(
    operator: &Operator<'_>,
    user: Option<Username>,
    client: Option<ClientId>,
    server: Option<ServerName>,
) -> Result<Answer, Failure> {
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let mut grants = match user {
        Some(username) => {
            store
                .grants_of(operator.account(&username).await?.id, now)
                .await?
        }
        None => store.grants(MOST, now).await?,
    };
    grants.retain(|grant| client.as_ref().is_none_or(|client| grant.client == *client));
    grants.retain(|grant| server.is_none() || grant.server == server);
    Ok(Answer::list(
        [
            "id",
            "user",
            "client",
            "server",
            "scope",
            "last_used_at",
            "expires_at",
        ],
        facts(operator, &grants).await?,
        "there are no such grants",
    ))
}

fn unknown(id: GrantId) -> Failure {
    Failure::NotFound(format!("there is no grant {id}"))
}

async fn show(operator: &Operator<'_>, id: GrantId) -> Result<Answer, Failure> {
    let grant = operator
        .foundation
        .store
        .grant(id)
        .await?
        .ok_or_else(|| unknown(id))?;
    let facts = facts(operator, &[grant]).await?.into_iter().next();
    facts.map(Answer::Item).ok_or_else(|| unknown(id))
}

async fn revoke(operator: &Operator<'_>, id: GrantId) -> Result<Answer, Failure> {
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let grant = store.grant(id).await?.ok_or_else(|| unknown(id))?;
    if !store.end_grant(id, EndReason::Revoked, now).await? {
        return Err(Failure::Conflict(format!("{id} has ended already")));
    }
    let what = What::GrantEnded {
        grant: id,
        account: grant.account,
        client: grant.client,
        reason: EndReason::Revoked.as_str().to_owned(),
    };
    operator.foundation.recorder.record(what, Person::default());
    operator.record("grant revoke", &id);
    Ok(Answer::done(
        format!("{id} has ended; its tokens count no longer"),
        json!({ "id": id.to_string() }),
    ))
}
