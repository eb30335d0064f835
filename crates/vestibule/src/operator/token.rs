//! `vestibule token`: service tokens, for programs without a browser.

use audit::{Person, What};
use clap::Subcommand;
use keys::digest_of;
use model::{AccountStatus, ServerName, ServiceTokenId, TokenKind, Username};
use protocol::Scopes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{NewServiceToken, ServiceToken};

use super::{Answer, Failure, Operator};
use crate::config::Config;
use crate::config::values::Span;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenCommand {
    /// Make a service token; it is shown once
    Create {
        /// As whom it acts: it may do what this account may, and ends with it
        #[arg(long, value_name = "USER")]
        owner: Username,
        /// A server that it is for; may be given several times
        #[arg(long = "server", value_name = "SERVER", required = true)]
        servers: Vec<ServerName>,
        /// A scope of one of these servers that it gets beyond `mcp`, as gitea:admin; may be given several times
        #[arg(long = "scope", value_name = "SERVER:SCOPE")]
        #[serde(default)]
        scopes: Vec<String>,
        /// What to call it
        #[arg(long, default_value = "")]
        name: String,
        /// How long it lives, as 30d; at most `service_tokens.longest`
        #[arg(long, value_name = "SPAN")]
        expires: Span,
    },
    /// Service tokens, newest first
    List {
        /// Only of this person
        #[arg(long)]
        user: Option<Username>,
        /// Only for this server
        #[arg(long)]
        server: Option<ServerName>,
        /// Those that have ended too
        #[arg(long)]
        all: bool,
    },
    /// End a service token; counts on the next request
    Revoke {
        /// The token's id, as `token list` shows it
        id: ServiceTokenId,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Create {
                owner,
                servers,
                scopes,
                name,
                expires,
            } => {
                let servers = (servers, scopes.as_slice());
                create(operator, &owner, servers, &name, expires).await
            }
            Self::List { user, server, all } => list(operator, user, server, all).await,
            Self::Revoke { id } => revoke(operator, id).await,
        }
    }
}

async fn create(
    operator: &Operator<'_>,
    owner: &Username,
    (mut servers, scopes): (Vec<ServerName>, &[String]),
    name: &str,
    expires: Span,
) -> Result<Answer, Failure> {
    let config = &operator.loaded.config;
    servers.sort();
    servers.dedup();
    if let Some(unknown) = servers.iter().find(|name| !config.servers.contains_key(*name)) {
        return Err(Failure::NotFound(format!("there is no server called {unknown}")));
    }
    let scopes = known_scopes(config, &servers, scopes)?;
    let longest = config.service_tokens.longest;
    if expires > longest || expires.0.is_zero() {
        return Err(Failure::Usage(format!(
            "a service token may live for {longest} at most (`service_tokens.longest`)"
        )));
    }
    let account = operator.account(owner).await?;
    let foundation = operator.foundation;
    let (world, now) = (&foundation.world, foundation.world.now());
    let token = world.new_token(TokenKind::Service);
    let record = NewServiceToken {
        id: world.new_id(),
        digest: digest_of(&token),
        account: account.id,
        name: protocol::text::display_name(name, 80).unwrap_or_default(),
        servers,
        scopes,
        created_by: operator.name.clone(),
        expires_at: now + expires.0,
    };
    if !foundation.store.add_service_token(&record, now).await? {
        let why = match account.status {
            AccountStatus::Invited => "has not opened its invitation yet",
            AccountStatus::Active | AccountStatus::Disabled => "is disabled",
        };
        return Err(Failure::Conflict(format!("{owner} {why}")));
    }
    let what = What::ServiceTokenCreated {
        service_token: record.id,
        account: record.account,
        servers: record.servers.clone(),
        scopes: record.scopes.to_string(),
        expires_at: record.expires_at,
        operator: operator.name.clone(),
    };
    let person = Person {
        username: Some(owner.to_string()),
        ..Person::default()
    };
    foundation.recorder.record(what, person);
    let servers: Vec<_> = record.servers.iter().map(AsRef::<str>::as_ref).collect();
    Ok(Answer::done(
        format!(
            "this token acts as {owner} at {} until {}; it is shown only now:\n\n  {}",
            servers.join(", "),
            record.expires_at,
            token.expose()
        ),
        json!({
            "id": record.id.to_string(),
            "token": token.expose(),
            "owner": owner,
            "servers": record.servers,
            "scopes": record.scopes.to_string(),
            "expires_at": record.expires_at.to_string(),
        }),
    ))
}

/// The scopes, each of which must be one of these servers'.
fn known_scopes(config: &Config, servers: &[ServerName], scopes: &[String]) -> Result<Scopes, Failure> {
    for scope in scopes {
        let known = scope.split_once(':').is_some_and(|(server, name)| {
            let server = servers.iter().find(|known| known.as_str() == server);
            let server = server.and_then(|server| config.servers.get(server));
            server.is_some_and(|server| server.scopes.contains_key(name))
        });
        if !known {
            let problem =
                format!("none of these servers has a scope {scope}; scopes are written as gitea:admin");
            return Err(Failure::NotFound(problem));
        }
    }
    Ok(Scopes::parse(&scopes.join(" ")))
}

fn facts(token: &ServiceToken, owner: Option<&String>) -> Value {
    json!({
        "id": token.id.to_string(),
        "name": token.name,
        "owner": owner,
        "servers": token.servers,
        "scopes": token.scopes.to_string(),
        "created_at": token.created_at.to_string(),
        "created_by": token.created_by,
        "last_used_at": token.last_used_at.map(|at| at.to_string()),
        "expires_at": token.expires_at.to_string(),
        "revoked_at": token.revoked_at.map(|at| at.to_string()),
    })
}

async fn list(
    operator: &Operator<'_>,
    user: Option<Username>,
    server: Option<ServerName>,
    all: bool,
) -> Result<Answer, Failure> {
    let owner = match &user {
        Some(username) => Some(operator.account(username).await?.id),
        None => None,
    };
    let now = operator.foundation.world.now();
    let mut tokens = operator.foundation.store.service_tokens().await?;
    tokens.retain(|token| {
        owner.is_none_or(|owner| token.account == owner)
            && server
                .as_ref()
                .is_none_or(|server| token.servers.contains(server))
            && (all || (token.revoked_at.is_none() && token.expires_at > now))
    });
    let people = operator.usernames().await?;
    let rows = tokens
        .iter()
        .map(|token| facts(token, people.get(&token.account)));
    let mut columns = vec!["id", "name", "owner", "servers", "last_used_at", "expires_at"];
    if all {
        columns.push("revoked_at");
    }
    Ok(Answer::List {
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: rows.collect(),
        empty: "there are no such service tokens".to_owned(),
    })
}

async fn revoke(operator: &Operator<'_>, id: ServiceTokenId) -> Result<Answer, Failure> {
    let foundation = operator.foundation;
    let unknown = || Failure::NotFound(format!("there is no service token {id}"));
    let token = foundation.store.service_token(id).await?.ok_or_else(unknown)?;
    let now = foundation.world.now();
    if !foundation.store.revoke_service_token(id, now).await? {
        return Err(Failure::Conflict(format!("{id} was revoked already")));
    }
    let what = What::ServiceTokenRevoked {
        service_token: id,
        account: token.account,
        operator: Some(operator.name.clone()),
    };
    let people = operator.usernames().await?;
    let person = Person {
        username: people.get(&token.account).cloned(),
        ..Person::default()
    };
    foundation.recorder.record(what, person);
    Ok(Answer::done(
        format!("{id} counts no longer"),
        json!({ "id": id.to_string(), "revoked_at": now.to_string() }),
    ))
}
