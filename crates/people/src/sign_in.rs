//! Signing in with a local password.
//!
//! A further way to sign in is a further file beside this one; all of them end in a [`Proof`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use keys::digest_of;
use model::{AccountId, AccountStatus, OpaqueToken, SecretString, Timestamp, TokenKind, Username, World};
use store::{Account, CompanyProof, Store, StoreError};
use thiserror::Error;

use crate::guessing;
use crate::passwords::{Busy, Passwords};
use crate::ways::WaysIn;

/// What a person typed, and where.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name as it was typed.
    pub username: &'a str,
    /// The password.
    pub password: SecretString,
    /// The browser's cookie, if it signed in before.
    pub browser: Option<&'a str>,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

/// Somebody who has proved who they are; only a way to sign in makes one.
#[derive(Debug)]
pub struct Proof {
    pub(crate) account: AccountId,
    pub(crate) username: Username,
    pub(crate) method: String,
    pub(crate) there: Option<ProvedThere>,
}

/// What a provider says of a proof.
#[derive(Debug)]
pub(crate) struct ProvedThere {
    pub(crate) at: Option<Timestamp>,
    pub(crate) lifetime: Duration,
    pub(crate) company: CompanyProof,
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
    /// Too many people sign in at this moment.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The local password way.
#[derive(Clone, Debug)]
pub struct SignIn {
    world: World,
    store: Arc<dyn Store>,
    passwords: Passwords,
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
        ways: Arc<WaysIn>,
    ) -> Self {
        Self {
            world,
            store,
            passwords,
            recorder,
            ways,
        }
    }

    /// Checks one attempt.
    pub async fn with_password(&self, attempt: Attempt<'_>) -> Result<Proof, SignInError> {
        let person = Person {
            username: Some(attempt.username.chars().take(80).collect()),
            address: Some(attempt.address),
            user_agent: Some(attempt.user_agent.to_owned()),
            ..Person::default()
        };
        if !self.ways.now().passwords {
            self.refused(None, "passwords are off", person);
            return Err(SignInError::NoPasswords);
        }
        let Ok(username) = Username::from_typed(attempt.username) else {
            self.refused(None, "not a username", person);
            return Err(SignInError::Refused);
        };
        let account = self.store.account_by_username(&username).await?;
        let counters = self.counters(&attempt, &username, account.as_ref()).await?;
        if let Err(wait) = guessing::count(&*self.store, &self.world, &counters).await? {
            self.refused(account.as_ref(), "slowed down", person);
            return Err(SignInError::Slowed(wait));
        }
        let stored = account.as_ref().and_then(|account| account.password_hash.clone());
        let right = self.passwords.verify(attempt.password, stored).await?;
        match account {
            Some(account) if right && account.status == AccountStatus::Active => {
                guessing::forgive(&*self.store, &counters).await?;
                Ok(Proof {
                    account: account.id,
                    username,
                    method: "password".to_owned(),
                    there: None,
                })
            }
            account => {
                let reason = match &account {
                    None => "no such account",
                    Some(_) if !right => "wrong password",
                    Some(_) => "account not active",
                };
                self.refused(account.as_ref(), reason, person);
                Err(SignInError::Refused)
            }
        }
    }

    async fn counters(
        &self,
        attempt: &Attempt<'_>,
        username: &Username,
        account: Option<&Account>,
    ) -> Result<Vec<guessing::Counter>, StoreError> {
        let browser = attempt
            .browser
            .and_then(|text| OpaqueToken::parse(TokenKind::Browser, text).ok());
        if let (Some(browser), Some(account)) = (browser.as_ref().map(digest_of), account)
            && self.store.knows_browser(&browser, account.id).await?
        {
            return Ok(guessing::known(&browser, account.id));
        }
        Ok(guessing::stranger(username, attempt.address))
    }

    fn refused(&self, account: Option<&Account>, reason: &str, person: Person) {
        let account = account.map(|account| account.id);
        self.recorder.record(
            What::SignInRefused {
                account,
                reason: reason.to_owned(),
            },
            person,
        );
    }
}
