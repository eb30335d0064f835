//! An operator's command: to the running server, or to the database itself if none runs.

use std::io::{IsTerminal as _, Read as _};

use anyhow::bail;
use model::World;

use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::control::{self, Reply, Request};
use crate::house::Foundation;
use crate::operator::audit_record::AuditCommand;
use crate::operator::client::ClientCommand;
use crate::operator::group::GroupCommand;
use crate::operator::key::{self, KeyCommand};
use crate::operator::policy::PolicyCommand;
use crate::operator::user::{Password, UserCommand};
use crate::operator::{Answer, Command, Failure, Operator};
use crate::output::Output;
use crate::secret_prompt;
use crate::storage::Storage;
use crate::system;

/// Runs it and prints the answer.
pub async fn run(
    mut command: Command,
    loaded: Loaded,
    environment: Environment,
    world: World,
    output: Output,
) -> anyhow::Result<()> {
    confirm(&command)?;
    read_password(&mut command)?;
    read_cases(&mut command)?;
    output.answer(&ask(command, &loaded, environment, world).await?);
    Ok(())
}

/// Runs it.
pub async fn ask(
    command: Command,
    loaded: &Loaded,
    environment: Environment,
    world: World,
) -> anyhow::Result<Answer> {
    let request = Request::Operate(Box::new(command));
    if let Some(conversation) = control::ask(&loaded.data_dir(), &request).await? {
        return match conversation.reply {
            Reply::Answer(answer) => Ok(answer),
            Reply::Failure(failure) => Err(failure.into()),
            Reply::Archive(_) | Reply::Stream => bail!("the running server answered something else"),
        };
    }
    let Request::Operate(command) = request else {
        bail!("no command");
    };
    if matches!(*command, Command::Key(KeyCommand::Reset { .. })) {
        let storage = Storage::open(loaded).await?;
        let outcome = key::reset(&*storage.store(), world.now()).await;
        storage.close().await;
        return Ok(outcome?);
    }
    let foundation = Foundation::open(loaded.clone(), environment, world).await?;
    let operator = Operator {
        name: system::own_name(),
        loaded,
        foundation: &foundation,
    };
    let outcome = command.run(&operator).await;
    foundation.close().await;
    Ok(outcome?)
}

/// What cannot be undone is asked about first.
fn confirm(command: &Command) -> anyhow::Result<()> {
    let question = match command {
        Command::User(UserCommand::Remove { username, yes: false }) => {
            format!("Delete the account {username} and everything it has?")
        }
        Command::User(UserCommand::ResetFactors { username, yes: false }) => {
            format!("Take every passkey, authenticator app and recovery code of {username} away?")
        }
        Command::Group(GroupCommand::Remove { group, yes: false }) => {
            format!("Delete the group {group} and all memberships in it?")
        }
        Command::Client(ClientCommand::Remove {
            client_id,
            yes: false,
        }) => {
            format!("Delete the client {client_id} and end all its grants?")
        }
        Command::Audit(AuditCommand::Erase { username, yes: false }) => {
            format!(
                "Take the name, addresses, programs and chosen arguments of {username} out of the whole record?"
            )
        }
        Command::Key(KeyCommand::Remove { kid, yes: false }) => {
            format!("Delete the signing key {kid}? Every token it signed counts no longer.")
        }
        Command::Key(KeyCommand::Reset { yes: false }) => {
            "Delete all signing keys? Access tokens count no longer; clients refresh.".to_owned()
        }
        _ => return Ok(()),
    };
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("this cannot be undone; say --yes".to_owned()).into());
    }
    if dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact()?
    {
        Ok(())
    } else {
        Err(Failure::Unavailable("nothing was done".to_owned()).into())
    }
}

/// The server may run in another folder, or may not read what the caller can.
fn read_cases(command: &mut Command) -> anyhow::Result<()> {
    if let Command::Policy(PolicyCommand::Test { file, text }) = command {
        let read = std::fs::read_to_string(&*file);
        *text = Some(read.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?);
    }
    Ok(())
}

fn read_password(command: &mut Command) -> anyhow::Result<()> {
    let Command::User(UserCommand::Add {
        password_stdin: true,
        password,
        ..
    }) = command
    else {
        return Ok(());
    };
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        text = secret_prompt::ask(
            dialoguer::Password::new()
                .with_prompt("Password")
                .with_confirmation("Once more", "they differ"),
        )?;
    } else {
        std::io::stdin().take(4096).read_to_string(&mut text)?;
    }
    *password = Some(Password(text.trim_end_matches(['\r', '\n']).to_owned()));
    Ok(())
}
