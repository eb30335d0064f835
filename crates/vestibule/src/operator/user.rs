//! `vestibule user`: people who can sign in.

use std::fmt;

use clap::Subcommand;
use model::{AccountStatus, GroupName, SecretString, Username};
use people::Invite;
use people::accounts::{AccountError, INVITATION, NewPerson};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Account;

use super::{Answer, Failure, Operator};
use crate::first_administrator::link;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserCommand {
    /// Everybody who has an account
    List,
    /// One account with its groups and factors, and how many sessions, grants and service tokens it has
    Show {
        /// The account
        username: Username,
    },
    /// Make an account; prints a one-time link for its owner unless a password is given
    Add {
        /// What the person will sign in with, or what the program is called
        username: Username,
        /// What others read
        #[arg(long, default_value = "")]
        name: String,
        /// Address
        #[arg(long)]
        email: Option<String>,
        /// An administrator; without one, the first start invites one
        #[arg(long)]
        admin: bool,
        /// A group to be in; may be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<GroupName>,
        /// Read a password from standard input instead of making a link
        #[arg(long)]
        password_stdin: bool,
        /// An account for a program: nobody can sign in as it
        #[arg(long, conflicts_with_all = ["password_stdin", "admin", "email"])]
        #[serde(default)]
        service: bool,
        /// The password that was read.
        #[arg(skip)]
        password: Option<Password>,
    },
    /// Print a new one-time link: a first sign-in, or a new password
    Invite {
        /// The account
        username: Username,
    },
    /// End everything the account has, at once, and let it sign in no more
    Disable {
        /// The account
        username: Username,
    },
    /// Let a disabled account sign in again
    Enable {
        /// The account
        username: Username,
    },
    /// Delete the account and everything it has
    Remove {
        /// The account
        username: Username,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take every passkey, authenticator app and recovery code away from somebody who lost them, and end their sessions
    ResetFactors {
        /// The account
        username: Username,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Ask the directories now who is still there and in which groups; whoever is gone loses what they had from there
    Sync {
        /// Only this account
        username: Option<Username>,
    },
    /// Make the account an administrator
    Promote {
        /// The account
        username: Username,
    },
    /// Make it one no more
    Demote {
        /// The account
        username: Username,
    },
}

/// A password on its way; does not print itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Taken(_) | AccountError::Unusable => Self::Conflict(text),
            AccountError::UnknownGroup(_) => Self::NotFound(text),
            AccountError::Password(_) => Self::Usage(text),
            _ => Self::Unavailable(text),
        }
    }
}

impl UserCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List => list(operator).await,
            Self::Show { username } => show(operator, &username).await,
            Self::Add {
                username,
                name,
                email,
                admin,
                groups,
                password,
                service,
                ..
            } => {
                let person = NewPerson {
                    username,
                    display_name: name,
                    email,
                    administrator: admin,
                    groups,
                };
                add(operator, person, password, service).await
            }
            Self::Invite { username } => invite(operator, &username).await,
            Self::Disable { username } => disable(operator, &username).await,
            Self::Enable { username } => enable(operator, &username).await,
            Self::Remove { username, .. } => remove(operator, &username).await,
            Self::ResetFactors { username, .. } => reset_factors(operator, &username).await,
            Self::Sync { username } => Box::pin(super::sync::sync(operator, username)).await,
            Self::Promote { username } => set_administrator(operator, &username, true).await,
            Self::Demote { username } => set_administrator(operator, &username, false).await,
        }
    }
}

fn facts(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(),
        "username": account.username.as_str(),
        "name": account.display_name,
        "email": account.email,
        "status": account.status.as_str(),
        "administrator": account.administrator,
        "service": account.service,
        "created_at": account.created_at.to_string(),
        "last_sign_in_at": account.last_sign_in_at.map(|at| at.to_string()),
    })
}

async fn list(operator: &Operator<'_>) -> Result<Answer, Failure> {
    let accounts = operator.foundation.store.accounts().await?;
    Ok(Answer::list(
        ["username", "name", "status", "administrator", "last_sign_in_at"],
        accounts.iter().map(facts).collect(),
        "nobody has an account yet; `vestibule user add NAME` makes one",
    ))
}

async fn show(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let view = store.account_view(account.id).await?;
    let groups = view.map(|view| view.groups).unwrap_or_default();
    let idle = operator.loaded.config.sessions.idle.0;
    let sessions = store.sessions_of(account.id, now - idle, now).await?;
    let grants = store.grants_of(account.id, now).await?;
    let tokens = store.service_tokens().await?;
    let live = tokens
        .iter()
        .filter(|token| token.account == account.id && token.revoked_at.is_none() && token.expires_at > now);
    let mut item = facts(&account);
    let provided = store.provided_groups(account.id).await?;
    let provided = provided.iter().map(|it| format!("{} ({})", it.group, it.issuer));
    item["groups"] = json!(groups);
    item["groups_by_provider"] = json!(provided.collect::<Vec<_>>());
    let factors = store.factors_of(account.id).await?;
    item["passkeys"] = json!(factors.passkeys);
    item["totp"] = json!(factors.totp);
    item["recovery_codes"] = json!(factors.recovery_codes);
    item["sessions"] = json!(sessions.len());
    item["grants"] = json!(grants.len());
    item["service_tokens"] = json!(live.count());
    Ok(Answer::Item(item))
}

async fn add(
    operator: &Operator<'_>,
    person: NewPerson,
    password: Option<Password>,
    service: bool,
) -> Result<Answer, Failure> {
    let (username, accounts) = (person.username.clone(), &operator.foundation.accounts);
    let answer = match password {
        Some(password) => {
            let id = accounts
                .add_with_password(person, SecretString::from(password.0))
                .await?;
            Answer::done(
                format!("{username} can sign in"),
                json!({ "id": id.to_string(), "username": username }),
            )
        }
        None if service => {
            let id = accounts.add_service(person).await?;
            Answer::done(
                format!("programs can act as {username}; nobody can sign in as it"),
                json!({ "id": id.to_string(), "username": username }),
            )
        }
        None => {
            let (id, invite) = accounts.invite(person, INVITATION).await?;
            let mut answer = invited(operator, &username, &invite);
            if let Answer::Done { item, .. } = &mut answer {
                item["id"] = json!(id.to_string());
            }
            answer
        }
    };
    operator.record("user add", &username);
    Ok(answer)
}

fn invited(operator: &Operator<'_>, username: &Username, invite: &Invite) -> Answer {
    let link = link(&operator.public_url(), invite);
    Answer::done(
        format!(
            "{username} sets a password with this link, once, until {}:\n\n  {link}",
            invite.expires_at
        ),
        json!({ "username": username, "link": link, "expires_at": invite.expires_at.to_string() }),
    )
}

async fn invite(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    of_a_person(&account)?;
    let invite = operator
        .foundation
        .accounts
        .new_link(account.id, INVITATION)
        .await?;
    operator.record("user invite", username);
    Ok(invited(operator, username, &invite))
}

/// What only somebody who signs in can use.
fn of_a_person(account: &Account) -> Result<(), Failure> {
    if account.service {
        let text = format!(
            "{} is a program's account: nobody can sign in as it",
            account.username
        );
        return Err(Failure::Conflict(text));
    }
    Ok(())
}

async fn disable(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let now = operator.foundation.world.now();
    if !operator.foundation.store.disable_account(account.id, now).await? {
        return Err(Failure::Conflict(format!("{username} is disabled already")));
    }
    operator.record("user disable", username);
    Ok(Answer::done(
        format!("{username} is disabled; its sessions, grants and service tokens have ended"),
        json!({ "username": username, "status": AccountStatus::Disabled.as_str() }),
    ))
}

async fn enable(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let now = operator.foundation.world.now();
    if !operator.foundation.store.enable_account(account.id, now).await? {
        return Err(Failure::Conflict(format!("{username} is not disabled")));
    }
    operator.record("user enable", username);
    let account = operator.account(username).await?;
    let text = if account.status == AccountStatus::Invited {
        format!(
            "{username} is enabled and has no password yet; `vestibule user invite {username}` makes a link"
        )
    } else {
        format!("{username} can sign in again; what it had stays ended")
    };
    Ok(Answer::done(
        text,
        json!({ "username": username, "status": account.status.as_str() }),
    ))
}

async fn remove(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let now = operator.foundation.world.now();
    if !operator.foundation.store.remove_account(account.id, now).await? {
        return Err(Failure::NotFound(format!(
            "there is no account called {username}"
        )));
    }
    operator.record("user remove", username);
    Ok(Answer::done(
        format!("{username} is deleted with everything it had"),
        json!({ "username": username }),
    ))
}

async fn reset_factors(operator: &Operator<'_>, username: &Username) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let now = operator.foundation.world.now();
    let Some(had) = operator.foundation.store.reset_factors(account.id, now).await? else {
        return Err(Failure::Conflict(format!(
            "{username} has no passkey, no authenticator app and no recovery codes"
        )));
    };
    operator.record("user reset-factors", username);
    Ok(Answer::done(
        format!("{username} signs in with the password alone, or with the company; its sessions have ended"),
        json!({
            "username": username,
            "passkeys": had.passkeys,
            "totp": had.totp,
            "recovery_codes": had.recovery_codes,
        }),
    ))
}

async fn set_administrator(
    operator: &Operator<'_>,
    username: &Username,
    administrator: bool,
) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    if administrator {
        of_a_person(&account)?;
    }
    let now = operator.foundation.world.now();
    let store = &operator.foundation.store;
    let (already, done, command) = if administrator {
        (
            "is an administrator already",
            "is an administrator now",
            "user promote",
        )
    } else {
        (
            "is not an administrator",
            "is not an administrator any more",
            "user demote",
        )
    };
    if !store.set_administrator(account.id, administrator, now).await? {
        return Err(Failure::Conflict(format!("{username} {already}")));
    }
    operator.record(command, username);
    Ok(Answer::done(
        format!("{username} {done}"),
        json!({ "username": username, "administrator": administrator }),
    ))
}
