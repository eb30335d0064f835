//! `vestibule identity`: who at a trusted issuer or a provider is who here.

use audit::{Person, What};
use clap::Subcommand;
use model::Username;
use people::CompanyDirectory;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::ForeignName;
use uuid::Uuid;

use super::{Answer, Failure, Operator};
use crate::config::sign_in::Provider;

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityCommand {
    /// Everybody who is linked
    List {
        /// Only to this account
        #[arg(long)]
        user: Option<Username>,
    },
    /// Link somebody at a trusted issuer or a sign-in provider to an account
    Link {
        /// The account
        username: Username,
        /// The issuer, by its name in `trusted_issuers`, `sign_in.providers` or `sign_in.directories`
        #[arg(long)]
        issuer: String,
        /// The `sub` of their tokens, or the id of their entry, as the event `identity_refused` or the page that turned them away shows it
        #[arg(long)]
        subject: String,
    },
    /// Take a link away; counts on the next request
    Unlink {
        /// The issuer, by its name in `trusted_issuers`, `sign_in.providers` or `sign_in.directories`, or its identifier
        #[arg(long)]
        issuer: String,
        /// The `sub` of their tokens, or the id of their entry
        #[arg(long)]
        subject: String,
    },
}

impl IdentityCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List { user } => list(operator, user).await,
            Self::Link {
                username,
                issuer,
                subject,
            } => link(operator, &username, &issuer, subject).await,
            Self::Unlink { issuer, subject } => unlink(operator, issuer, subject).await,
        }
    }
}

/// The identifier of a trusted issuer, or of a provider or directory by which people sign in.
fn identifier(operator: &Operator<'_>, issuer: &str) -> Option<String> {
    let config = &operator.loaded.config;
    let trusted = config
        .trusted_issuers
        .get(issuer)
        .map(|trusted| trusted.issuer.as_str());
    let provider = config.sign_in.providers.get(issuer).map(Provider::issuer);
    let directory = config
        .sign_in
        .directories
        .get(issuer)
        .map(|directory| directory.issuer(issuer));
    trusted.or(provider).map(str::to_owned).or(directory)
}

async fn list(operator: &Operator<'_>, user: Option<Username>) -> Result<Answer, Failure> {
    let only = match &user {
        Some(username) => Some(operator.account(username).await?.id),
        None => None,
    };
    let people = operator.usernames().await?;
    let identities = operator.foundation.store.identities().await?;
    let rows = identities
        .iter()
        .filter(|identity| only.is_none_or(|only| identity.account == only))
        .map(|identity| {
            json!({
                "user": people.get(&identity.account),
                "issuer": identity.name.issuer,
                "subject": identity.name.subject,
                "created_at": identity.created_at.to_string(),
            })
        });
    Ok(Answer::list(
        ["user", "issuer", "subject", "created_at"],
        rows.collect(),
        "nobody is linked yet",
    ))
}

fn said(name: &ForeignName, username: Option<&str>) -> Value {
    json!({ "user": username, "issuer": name.issuer, "subject": name.subject })
}

/// An id as a sign-in writes it: those of directories are UUIDs, if nothing else is configured, which tools write in several
/// ways.
fn as_it_signs_in(operator: &Operator<'_>, issuer: &str, subject: String) -> String {
    let directories = &operator.loaded.config.sign_in.directories;
    let name = issuer.strip_prefix(CompanyDirectory::LDAP);
    let directory = name.and_then(|name| directories.get(name));
    let is_uuid = directory.is_some_and(|directory| {
        let attribute = directory.attributes.id.as_deref();
        attribute.is_none_or(|name| ["entryuuid", "objectguid"].contains(&name.to_ascii_lowercase().as_str()))
    });
    let uuid = Uuid::parse_str(&subject).ok().filter(|_| is_uuid);
    uuid.map_or(subject, |uuid| uuid.to_string())
}

async fn link(
    operator: &Operator<'_>,
    username: &Username,
    issuer: &str,
    subject: String,
) -> Result<Answer, Failure> {
    let issuer = identifier(operator, issuer).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no trusted issuer, no provider and no directory called {issuer}"
        ))
    })?;
    let account = operator.account(username).await?;
    let subject = as_it_signs_in(operator, &issuer, subject);
    let name = ForeignName { issuer, subject };
    let foundation = operator.foundation;
    // What a directory says of one would be said of both.
    let is_directory = CompanyDirectory::is_issuer(&name.issuer);
    let identities = foundation.store.identities_of(account.id).await?;
    let other = identities
        .iter()
        .find(|known| known.name.issuer == name.issuer && known.name != name);
    if let Some(other) = other.filter(|_| is_directory) {
        return Err(Failure::Conflict(format!(
            "{username} is {} there already: unlink that one first",
            other.name.subject
        )));
    }
    if !foundation
        .store
        .link_identity(&name, account.id, foundation.world.now())
        .await?
    {
        return Err(Failure::Conflict(format!("{} is linked already", name.subject)));
    }
    let what = What::IdentityLinked {
        account: account.id,
        issuer: name.issuer.clone(),
        made: false,
    };
    record(operator, what, username.as_str(), "identity link");
    Ok(Answer::done(
        format!("{} of {} is {username} here", name.subject, name.issuer),
        said(&name, Some(username.as_str())),
    ))
}

async fn unlink(operator: &Operator<'_>, issuer: String, subject: String) -> Result<Answer, Failure> {
    let issuer = identifier(operator, &issuer).unwrap_or(issuer);
    let subject = as_it_signs_in(operator, &issuer, subject);
    let name = ForeignName { issuer, subject };
    let foundation = operator.foundation;
    let unknown = || Failure::NotFound(format!("{} of {} is not linked", name.subject, name.issuer));
    let account = foundation.store.identity(&name).await?.ok_or_else(unknown)?;
    let now = foundation.world.now();
    if !foundation.store.unlink_identity(&name, now).await? {
        return Err(unknown());
    }
    let people = operator.usernames().await?;
    let username = people.get(&account).map(String::as_str).unwrap_or_default();
    let what = What::IdentityUnlinked {
        account,
        issuer: name.issuer.clone(),
    };
    record(operator, what, username, "identity unlink");
    Ok(Answer::done(
        format!("{} of {} is nobody here any more", name.subject, name.issuer),
        said(&name, None),
    ))
}

fn record(operator: &Operator<'_>, what: What, username: &str, command: &str) {
    let person = Person {
        username: Some(username.to_owned()),
        ..Person::default()
    };
    operator.foundation.recorder.record(what, person);
    operator.record(command, &username);
}
