//! Factors beyond the password: what they share. Each has a file: [`passkeys`](crate::passkeys), [`totp`](crate::totp),
//! [`recovery`](crate::recovery); what comes between the first factor and the second is
//! [`second_factor`](crate::second_factor).
//!
//! Whatever is asked of a browser lies in the database as a ceremony for five minutes, so that every replica can finish it,
//! once, and in that browser alone. Guesses at anything count on the counters of passwords.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use data_encoding::BASE64URL_NOPAD;
use keys::seal::OpenError;
use keys::{Sealer, sha256};
use model::{AccountId, World};
use net::address::network_of;
use store::{Ceremony, NewCeremony, Shown, Store, StoreError};
use thiserror::Error;

use crate::limits::Limit;

/// How long a ceremony can be finished.
pub const CEREMONY: Duration = Duration::from_mins(5);
/// How many may begin from one network in [`PER`].
const BEGUN: u32 = 3000;
const PER: Duration = Duration::from_mins(10);
/// The length of a ceremony's id: 32 bytes in Base64.
const ID: usize = 43;

/// Where somebody is who proves a factor.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The cookie that binds forms, and so ceremonies, to the browser.
    pub form: &'a str,
    /// The cookie of a browser that signed in before, if there is one.
    pub browser: Option<&'a str>,
    /// The address.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

impl At<'_> {
    /// For the record.
    pub(crate) fn person(&self, username: Option<String>) -> Person {
        Person {
            username,
            address: Some(self.address),
            user_agent: Some(self.user_agent.to_owned()),
            ..Person::default()
        }
    }
}

/// Why a factor is not proved, added or taken away.
#[derive(Debug, Error)]
pub enum FactorError {
    /// It was not begun in this browser, is used up, or is too old.
    #[error("no such ceremony is under way in this browser")]
    Gone,
    /// The code is not the one, or was used.
    #[error("the code is wrong, or was used already")]
    Wrong,
    /// The passkey, or what was done with it, does not hold; says why, for the record.
    #[error("the passkey does not hold: {0}")]
    Passkey(String),
    /// Too many attempts; wait so long.
    #[error("too many attempts; wait {} seconds", .0.as_secs().max(1))]
    Slowed(Duration),
    /// There is one already, or as many as there can be.
    #[error("there is one already, or there are too many")]
    Full,
    /// It is not there, or what it would stand in for is not.
    #[error("it is not there")]
    Missing,
    /// The account cannot sign in.
    #[error("account not active")]
    Inactive,
    /// A secret does not open.
    #[error("a secret cannot be opened: {0}")]
    Sealed(#[from] OpenError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The factors beyond the password.
#[derive(Clone, Debug)]
pub struct Factors {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Sealer,
    pub(crate) recorder: Recorder,
    begun: Arc<Limit<String>>,
}

impl Factors {
    /// The parts it needs.
    pub fn new(world: World, store: Arc<dyn Store>, sealer: Sealer, recorder: Recorder) -> Self {
        Self {
            begun: Arc::new(Limit::new(world.clone(), BEGUN, PER)),
            world,
            store,
            sealer,
            recorder,
        }
    }

    /// What an account has.
    pub async fn of(&self, account: AccountId) -> Result<store::Factors, StoreError> {
        self.store.factors_of(account).await
    }

    /// Begins a ceremony; gives its id.
    pub(crate) async fn begin(
        &self,
        purpose: &'static str,
        account: Option<AccountId>,
        state: String,
        at: &At<'_>,
    ) -> Result<String, FactorError> {
        // Without the cookie of a form nobody could finish it.
        if at.form.is_empty() {
            return Err(FactorError::Gone);
        }
        // Strangers' rows are counted; who has proved a factor does not wait for strangers.
        if account.is_none() {
            let network = network_of(at.address).to_string();
            self.begun.take(&network).map_err(FactorError::Slowed)?;
        }
        let id = BASE64URL_NOPAD.encode(&self.world.random::<32>());
        let ceremony = NewCeremony {
            id: sha256(id.as_bytes()),
            browser: sha256(at.form.as_bytes()),
            purpose,
            kept: Ceremony { account, state },
            expires_at: self.world.now() + CEREMONY,
        };
        self.store.begin_ceremony(&ceremony).await?;
        Ok(id)
    }

    /// A ceremony that is under way in this browser; it stays.
    pub(crate) async fn look(
        &self,
        purpose: &'static str,
        id: &str,
        form: &str,
    ) -> Result<Ceremony, FactorError> {
        let (id, browser) = digests(id, form)?;
        let shown = Shown {
            id: &id,
            browser: &browser,
            purpose,
        };
        let known = self.store.ceremony(shown, self.world.now()).await?;
        known.ok_or(FactorError::Gone)
    }

    /// Takes a ceremony, once.
    pub(crate) async fn take(
        &self,
        purpose: &'static str,
        id: &str,
        form: &str,
    ) -> Result<Ceremony, FactorError> {
        let (id, browser) = digests(id, form)?;
        let shown = Shown {
            id: &id,
            browser: &browser,
            purpose,
        };
        let taken = self.store.take_ceremony(shown, self.world.now()).await?;
        taken.ok_or(FactorError::Gone)
    }

    pub(crate) fn changed(&self, account: AccountId, factor: &str, change: &str, person: Person) {
        let what = What::FactorChanged {
            account,
            factor: factor.to_owned(),
            change: change.to_owned(),
        };
        self.recorder.record(what, person);
    }

    pub(crate) fn refused(&self, account: Option<AccountId>, reason: &str, person: Person) {
        let what = What::SignInRefused {
            account,
            reason: reason.to_owned(),
        };
        self.recorder.record(what, person);
    }
}

/// For what cannot be of ours the database is not asked.
fn digests(id: &str, form: &str) -> Result<([u8; 32], [u8; 32]), FactorError> {
    if id.len() != ID || form.is_empty() {
        return Err(FactorError::Gone);
    }
    Ok((sha256(id.as_bytes()), sha256(form.as_bytes())))
}

#[cfg(test)]
pub(crate) mod tests;
