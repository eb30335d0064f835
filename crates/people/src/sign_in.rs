//! Signing in with a password, which is a first factor: that of a local account, or one that a directory knows.
//!
//! The name that was typed says whose it is, never the password: what is typed for a local account is shown to no directory,
//! and no attempt is a guess at two accounts. Names of accounts that have a password here are theirs; all others are the
//! directories' ([`directory_password`](crate::directory_password)).
//!
//! A further way to sign in is a further file beside this one; all of them end in a [`Proof`].

use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use model::{AccountId, AccountStatus, SecretString, Timestamp, Username, World};
use relying::Profile;
use store::{Account, Proved, Store, StoreError};
use thiserror::Error;

use crate::company::{Company, Refusal};
use crate::factors::{At, FactorError};
use crate::guessing;
use crate::passwords::{Busy, Passwords};
use crate::second_factor::First;
use crate::step_up::Raised;
use crate::ways::WaysIn;

/// What a person typed, and where.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name as it was typed.
    pub username: &'a str,
    /// The password.
    pub password: SecretString,
    /// Where.
    pub at: At<'a>,
}

/// Somebody who has proved who they are; only a way to sign in makes one.
#[derive(Debug)]
pub struct Proof {
    pub(crate) account: AccountId,
    pub(crate) username: Username,
    pub(crate) method: String,
    pub(crate) proved: Proved,
    pub(crate) there: Option<ProvedThere>,
    /// The session that it stands on, of somebody who proved one factor more.
    pub(crate) raises: Option<Raised>,
}

/// What a provider says of when a proof was made, and what it may be used for.
#[derive(Debug)]
pub(crate) struct ProvedThere {
    pub(crate) at: Option<Timestamp>,
    pub(crate) lifetime: Duration,
}

/// Why somebody is not signed in. Says nothing of whether the account exists.
#[derive(Debug, Error)]
pub enum SignInError {
    /// Wrong name, wrong password, invited, disabled: all the same to the outside.
    #[error("the username or password is wrong")]
    Refused,
    /// The configuration lets nobody in by a password.
    #[error("nobody signs in with a password here")]
    NoPasswords,
    /// Too many attempts; wait so long.
    #[error("too many attempts; wait {} seconds", .0.as_secs().max(1))]
    Slowed(Duration),
    /// A directory, called so, does not answer; nothing was counted.
    #[error("the directory {0} does not answer")]
    Directory(String),
    /// A directory, called so, knows them and their password, and we do not let them in.
    #[error("{why}")]
    NotAdmitted {
        /// What people call it.
        title: String,
        /// Why.
        why: Refusal,
        /// Who they are there.
        profile: Box<Profile>,
    },
    /// Too many people sign in at this moment.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FactorError> for SignInError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Slowed(wait) => Self::Slowed(wait),
            FactorError::Store(error) => Self::Store(error),
            _ => Self::Refused,
        }
    }
}

/// The way with a password.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) passwords: Passwords,
    pub(crate) company: Company,
    recorder: Recorder,
    ways: Arc<WaysIn>,
}

impl SignIn {
    /// The parts it needs.
    pub fn new(
        world: World,
        store: Arc<dyn Store>,
        passwords: Passwords,
        recorder: Recorder,
        company: Company,
        ways: Arc<WaysIn>,
    ) -> Self {
        Self {
            world,
            store,
            passwords,
            company,
            recorder,
            ways,
        }
    }

    /// Checks one attempt. What was counted is forgiven once it is known that no second factor follows.
    pub async fn with_password(&self, attempt: Attempt<'_>) -> Result<First, SignInError> {
        let person = attempt
            .at
            .person(Some(attempt.username.chars().take(80).collect()));
        let ways = self.ways.now();
        if !ways.ask_for_password() {
            self.refused(None, "passwords are off", person);
            return Err(SignInError::NoPasswords);
        }
        let username = Username::from_typed(attempt.username);
        let account = match &username {
            Ok(username) if ways.passwords => self.store.account_by_username(username).await?,
            _ => None,
        };
        let has_password = |account: &Account| account.password_hash.is_some();
        if !ways.directories.is_empty() && !account.as_ref().is_some_and(has_password) {
            return self.with_directory(&ways.directories, attempt, person).await;
        }
        let Ok(username) = username else {
            self.refused(None, "not a username", person);
            return Err(SignInError::Refused);
        };
        let id = account.as_ref().map(|account| account.id);
        let counters = guessing::counters(&*self.store, &attempt.at, &username, id).await?;
        if let Err(wait) = guessing::count(&*self.store, &self.world, &counters).await? {
            self.refused(id, "slowed down", person);
            return Err(SignInError::Slowed(wait));
        }
        let stored = account.as_ref().and_then(|account| account.password_hash.clone());
        let right = self.passwords.verify(attempt.password, stored).await?;
        match account {
            Some(account) if right && account.status == AccountStatus::Active => Ok(First(Proof {
                account: account.id,
                username,
                method: "password".to_owned(),
                proved: Proved {
                    provider: None,
                    acr: None,
                    amr: Some("pwd".to_owned()),
                    session: None,
                },
                there: None,
                raises: None,
            })),
            account => {
                let reason = match &account {
                    None => "no such account",
                    Some(_) if !right => "wrong password",
                    Some(_) => "account not active",
                };
                self.refused(id, reason, person);
                Err(SignInError::Refused)
            }
        }
    }

    pub(crate) fn refused(&self, account: Option<AccountId>, reason: &str, person: Person) {
        self.recorder.record(
            What::SignInRefused {
                account,
                reason: reason.to_owned(),
            },
            person,
        );
    }
}
