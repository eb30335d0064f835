//! The first administrator: a one-time link, valid one hour, shown on the terminal or put into a file that
//! is its owner's alone. Never in a log, which many people read.

use std::io::IsTerminal as _;
use std::path::Path;

use model::Username;
use people::Invite;
use people::accounts::{AccountError, FIRST_ADMINISTRATOR, NewPerson};
use tracing::{info, warn};

use crate::house::Foundation;
use crate::private_file;

/// The account's name.
const USERNAME: &str = "admin";
/// The file in the data directory.
const FILE: &str = "first-administrator.txt";

/// Where a link can be given to its owner.
#[derive(Debug)]
pub enum Hand {
    /// Shown on the terminal that the server was started from.
    Terminal,
    /// Written to a file.
    File,
}

impl Hand {
    /// The terminal, if standard error is one.
    pub fn here() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::File
        }
    }
}

/// Makes the first administrator if there is none.
///
/// # Errors
/// If the database does not answer or the file cannot be written.
pub async fn invite(foundation: &Foundation, public_url: &str, hand: &Hand) -> anyhow::Result<()> {
    // A link sets a password, which lets nobody in.
    if !foundation.loaded.config.sign_in.passwords {
        return Ok(());
    }
    let accounts = foundation.store.accounts().await?;
    let file = foundation.loaded.data_dir().join(FILE);
    let administrators: Vec<_> = accounts.iter().filter(|account| account.administrator).collect();
    if administrators
        .iter()
        .any(|account| account.status == model::AccountStatus::Active)
    {
        let _ = std::fs::remove_file(file);
        return Ok(());
    }
    if let Some(invited) = administrators.first() {
        let username = &invited.username;
        warn!("no administrator has signed in yet; `vestibule user invite {username}` makes a new link");
        return Ok(());
    }
    let username: Username = USERNAME.parse()?;
    let person = NewPerson {
        username: username.clone(),
        display_name: "Administrator".to_owned(),
        email: None,
        administrator: true,
        groups: Vec::new(),
    };
    let invite = match foundation.accounts.invite(person, FIRST_ADMINISTRATOR).await {
        Ok((_, invite)) => invite,
        // Another replica was faster, or somebody who is no administrator has the name.
        Err(AccountError::Taken(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    hand_over(&invite, &username, public_url, hand, &file)
}

fn hand_over(
    invite: &Invite,
    username: &Username,
    public_url: &str,
    hand: &Hand,
    file: &Path,
) -> anyhow::Result<()> {
    let link = link(public_url, invite);
    match hand {
        Hand::Terminal => anstream::eprintln!(
            "\n  Set the password of the first administrator, {username}, within an hour:\n\n    {link}\n"
        ),
        Hand::File => {
            private_file::write(file, &format!("{link}\n"))?;
            info!(
                file = %file.display(),
                "the first administrator, {username}, sets a password within an hour with the link in this file"
            );
        }
    }
    Ok(())
}

/// The address that an invitation is opened at.
pub fn link(public_url: &str, invite: &Invite) -> String {
    format!("{public_url}/invitation/{}", invite.token.expose())
}
