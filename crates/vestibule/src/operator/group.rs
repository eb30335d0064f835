//! `vestibule group`: groups of people.

use audit::{Person, What};
use clap::Subcommand;
use model::{GroupName, Username};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupCommand {
    /// All groups
    List,
    /// One group with its members and the servers it opens
    Show {
        /// The group
        group: GroupName,
    },
    /// Make a group
    Add {
        /// The group
        group: GroupName,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Delete a group and all memberships in it
    Remove {
        /// The group
        group: GroupName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put a person into a group
    AddMember {
        /// The group
        group: GroupName,
        /// The account
        username: Username,
    },
    /// Take a person out of a group; counts on their next request
    RemoveMember {
        /// The group
        group: GroupName,
        /// The account
        username: Username,
    },
}

impl GroupCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List => list(operator).await,
            Self::Show { group } => show(operator, &group).await,
            Self::Add { group, description } => add(operator, &group, &description).await,
            Self::Remove { group, .. } => remove(operator, &group).await,
            Self::AddMember { group, username } => add_member(operator, &group, &username).await,
            Self::RemoveMember { group, username } => remove_member(operator, &group, &username).await,
        }
    }
}

async fn list(operator: &Operator<'_>) -> Result<Answer, Failure> {
    let groups = operator.foundation.store.groups().await?;
    let rows = groups.iter().map(
        |group| json!({ "group": group.name, "description": group.description, "members": group.members }),
    );
    Ok(Answer::list(
        ["group", "members", "description"],
        rows.collect(),
        "there are no groups yet; `vestibule group add NAME` makes one",
    ))
}

fn unknown(group: &GroupName) -> Failure {
    Failure::NotFound(format!("there is no group called {group}"))
}

async fn show(operator: &Operator<'_>, name: &GroupName) -> Result<Answer, Failure> {
    let groups = operator.foundation.store.groups().await?;
    let group = groups.iter().find(|group| group.name == *name);
    let members = operator.foundation.store.members(name).await?;
    // One that a provider gives need not be made here.
    if group.is_none() && members.is_empty() {
        return Err(unknown(name));
    }
    let servers = operator.loaded.config.servers.iter();
    let opens = servers.filter(|(_, server)| server.allow.iter().any(|rule| rule.groups.contains(name)));
    let opens: Vec<_> = opens.map(|(server, _)| server).collect();
    Ok(Answer::Item(json!({
        "group": name,
        "description": group.map(|group| &group.description),
        "members": members,
        "servers": opens,
    })))
}

async fn add(operator: &Operator<'_>, group: &GroupName, description: &str) -> Result<Answer, Failure> {
    let now = operator.foundation.world.now();
    if !operator
        .foundation
        .store
        .add_group(group, description, now)
        .await?
    {
        return Err(Failure::Conflict(format!(
            "there is already a group called {group}"
        )));
    }
    operator.record("group add", group);
    Ok(Answer::done(
        format!("the group {group} is there; `vestibule group add-member {group} NAME` puts people into it"),
        json!({ "group": group }),
    ))
}

async fn remove(operator: &Operator<'_>, group: &GroupName) -> Result<Answer, Failure> {
    let now = operator.foundation.world.now();
    if !operator.foundation.store.remove_group(group, now).await? {
        return Err(unknown(group));
    }
    operator.record("group remove", group);
    Ok(Answer::done(
        format!("the group {group} is gone"),
        json!({ "group": group }),
    ))
}

async fn add_member(
    operator: &Operator<'_>,
    group: &GroupName,
    username: &Username,
) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    if !store.add_member(group, account.id, now).await? {
        let known = store.groups().await?.iter().any(|known| known.name == *group);
        return Err(if known {
            Failure::Conflict(format!("{username} is in {group} already"))
        } else {
            unknown(group)
        });
    }
    changed(operator, account.id, group, true);
    operator.record("group add-member", &format_args!("{group} {username}"));
    Ok(Answer::done(
        format!("{username} is in {group} now"),
        json!({ "group": group, "username": username }),
    ))
}

async fn remove_member(
    operator: &Operator<'_>,
    group: &GroupName,
    username: &Username,
) -> Result<Answer, Failure> {
    let account = operator.account(username).await?;
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    if !store.remove_member(group, account.id, now).await? {
        let provided = store.provided_groups(account.id).await?;
        let provided = provided.into_iter().find(|provided| provided.group == *group);
        return Err(match provided {
            Some(provided) => Failure::Conflict(format!(
                "{username} is in {group} because {} says so: take it away there",
                provided.issuer
            )),
            None => Failure::NotFound(format!("{username} is not in {group}")),
        });
    }
    changed(operator, account.id, group, false);
    operator.record("group remove-member", &format_args!("{group} {username}"));
    Ok(Answer::done(
        format!("{username} is not in {group} any more"),
        json!({ "group": group, "username": username }),
    ))
}

fn changed(operator: &Operator<'_>, account: model::AccountId, group: &GroupName, member: bool) {
    let group = group.clone();
    let what = What::GroupChanged {
        account,
        group,
        member,
    };
    operator.foundation.recorder.record(what, Person::default());
}
