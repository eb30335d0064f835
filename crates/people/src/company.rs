//! Signing in at a provider of the company: leaving for it, and being back (OpenID Connect Core section 3.1).
//!
//! A sign-in that leaves is one row, which the browser that began it can take once, at the address of the provider that
//! it left for (OS-46). Verifier and nonce are made from the state and that browser's cookie, so that nothing lies
//! anywhere with which a code could be redeemed. Who that is here is decided in [`admission`](crate::admission).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use model::{AccountId, Assurance, SessionId, World};
use net::address::network_of;
use relying::{Arrival, Came, Departure, ProviderError};
use store::{NewSignIn, Store, StoreError, UnderWay};
use thiserror::Error;

use crate::identities::Identities;
use crate::limits::Limit;
use crate::provider_grants::ProviderGrants;
use crate::ways::{Provider, Ways, WaysIn};

/// The length of a `state`: 32 bytes in Base64.
const STATE: usize = 43;
/// How long somebody may be at the provider.
pub const AWAY: Duration = Duration::from_mins(15);
/// How many may leave from one network in [`PER`]: a company behind one address in the morning, and no flood of rows.
const DEPARTURES: u32 = 3000;
const PER: Duration = Duration::from_mins(10);
/// The longest query that is kept for somebody who is not signed in; clients' requests have a tenth of it.
const LONGEST_QUERY: usize = 8 << 10;

/// A sign-in that is to leave.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// The cookie of the browser.
    pub browser: &'a str,
    /// Where it is.
    pub address: IpAddr,
    /// For the record.
    pub person: &'a Person,
    /// Where the provider sends it back to.
    pub redirect_uri: &'a str,
    /// The page that comes then.
    pub onward: &'a str,
    /// Its query.
    pub query: &'a str,
    /// The session of somebody who links what they are there to their account.
    pub session: Option<SessionId>,
    /// Whether the provider is asked for a new proof.
    pub again: bool,
    /// How old the proof may be, of which the provider then has to say when it was (OpenID Connect Core section 2).
    pub max_age: Option<Duration>,
    /// How sure it must be who it is.
    pub assurance: Assurance,
    /// Whom the provider's form should begin with.
    pub login_hint: Option<&'a str>,
    /// The language of our pages.
    pub language: &'a str,
}

/// What the browser is back with.
#[derive(Clone, Copy, Debug)]
pub struct Back<'a> {
    /// The cookie of the browser.
    pub browser: &'a str,
    /// As when it left.
    pub redirect_uri: &'a str,
    /// `state`.
    pub state: &'a str,
    /// `code`.
    pub code: &'a str,
}

/// Why somebody whom the provider knows is not let in here.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// They have no account, and none is made.
    #[error("has no account here")]
    NoAccount,
    /// They are in none of the groups that are asked for.
    #[error("is in none of the required groups")]
    NotAMember,
    /// Their address is of another domain, or nobody vouches for it.
    #[error("has no verified address of the required domains")]
    Domain,
    /// Their address is an account's that cannot be theirs by itself.
    #[error("has the address of an account that cannot be linked by itself")]
    Address,
    /// Their account is disabled.
    #[error("account not active")]
    Disabled,
    /// Who they are there is another account's, or their account is somebody else there.
    #[error("is linked to another account, or the account to somebody else")]
    Taken,
}

/// Why a company sign-in does not go on.
#[derive(Debug, Error)]
pub enum CompanyError {
    /// What the browser is back with was not begun in it, is used up, or is too old.
    #[error("no such sign-in is under way in this browser")]
    Gone,
    /// Too many from one network; wait so long.
    #[error("too many sign-ins from one network; wait {} seconds", .0.as_secs().max(1))]
    Slowed(Duration),
    /// The query is longer than any client sends.
    #[error("the request is too long to be kept")]
    TooLong,
    /// The provider did not do its part.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The provider knows them, and we do not let them in.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The company's way.
#[derive(Clone, Debug)]
pub struct Company {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) recorder: Recorder,
    pub(crate) grants: Arc<ProviderGrants>,
    ways: Arc<WaysIn>,
    departures: Arc<Limit<String>>,
}

impl Company {
    /// The parts it needs.
    pub fn new(
        world: World,
        store: Arc<dyn Store>,
        identities: Arc<Identities>,
        recorder: Recorder,
        (grants, ways): (Arc<ProviderGrants>, Arc<WaysIn>),
    ) -> Self {
        Self {
            departures: Arc::new(Limit::new(world.clone(), DEPARTURES, PER)),
            world,
            store,
            identities,
            recorder,
            grants,
            ways,
        }
    }

    /// The ways in of this moment.
    pub fn ways(&self) -> Arc<Ways> {
        self.ways.now()
    }

    /// Begins a sign-in; gives where the browser goes.
    pub async fn leave(&self, provider: &Provider, leaving: &Leaving<'_>) -> Result<String, CompanyError> {
        if leaving.query.len() > LONGEST_QUERY {
            return Err(CompanyError::TooLong);
        }
        let network = network_of(leaving.address).to_string();
        self.departures.take(&network).map_err(CompanyError::Slowed)?;
        let now = self.world.now();
        let state = BASE64URL_NOPAD.encode(&self.world.random::<32>());
        let bound = Bound::to(&state, leaving.browser);
        let acr_values = provider.rules.words.asked_for(leaving.assurance);
        let departure = Departure {
            redirect_uri: leaving.redirect_uri,
            state: &state,
            nonce: &bound.nonce,
            code_challenge: &BASE64URL_NOPAD.encode(&sha256(bound.verifier.as_bytes())),
            again: leaving.again,
            max_age: leaving.max_age,
            acr_values: acr_values.as_deref(),
            login_hint: leaving.login_hint,
            language: leaving.language,
        };
        // Asked before anything is kept: where nobody answers, nobody leaves.
        let url = provider.upstream.authorization_url(&departure, now).await;
        let url = url.map_err(|error| self.refused(&provider.name, None, error.into(), leaving.person))?;
        let sign_in = NewSignIn {
            state: sha256(state.as_bytes()),
            browser: sha256(leaving.browser.as_bytes()),
            provider: provider.name.clone(),
            kept: UnderWay {
                onward: leaving.onward.to_owned(),
                query: leaving.query.to_owned(),
                session: leaving.session,
                max_age: leaving.max_age,
                begun_at: now,
            },
            expires_at: now + AWAY,
        };
        self.store.begin_sign_in(&sign_in).await?;
        Ok(url.into())
    }

    /// Takes a sign-in that is back, once. For what cannot be of ours the database is not asked, and nothing is
    /// recorded: anybody could send it.
    pub async fn take(
        &self,
        provider: &Provider,
        browser: &str,
        state: &str,
        person: &Person,
    ) -> Result<UnderWay, CompanyError> {
        if browser.is_empty() || state.len() != STATE {
            return Err(CompanyError::Gone);
        }
        let (state, browser) = (sha256(state.as_bytes()), sha256(browser.as_bytes()));
        let taken = self
            .store
            .take_sign_in(&state, &browser, &provider.name, self.world.now())
            .await?;
        taken.ok_or_else(|| self.refused(&provider.name, None, CompanyError::Gone, person))
    }

    /// Checks whose answer it is, before its code or its error is believed (RFC 9207 section 2.4).
    pub async fn check_issuer(
        &self,
        provider: &Provider,
        iss: Option<&str>,
        person: &Person,
    ) -> Result<(), CompanyError> {
        let checked = provider.upstream.check_issuer(iss, self.world.now()).await;
        checked.map_err(|error| self.refused(&provider.name, None, error.into(), person))
    }

    /// Redeems what the browser is back with; gives who came.
    pub async fn prove(
        &self,
        provider: &Provider,
        under_way: &UnderWay,
        back: &Back<'_>,
        person: &Person,
    ) -> Result<Came, CompanyError> {
        let bound = Bound::to(back.state, back.browser);
        let arrival = Arrival {
            redirect_uri: back.redirect_uri,
            code: back.code,
            code_verifier: &bound.verifier,
            nonce: &bound.nonce,
            max_age: under_way.max_age.map(|age| (age, under_way.begun_at)),
        };
        let proved = provider.upstream.redeem(&arrival, &self.world).await;
        proved.map_err(|error| {
            // Whoever stands at the page is that person: for them it passes, as when nobody answers.
            let error = match error {
                ProviderError::Person(why) => ProviderError::Unavailable(why),
                error => error,
            };
            self.refused(&provider.name, None, error.into(), person)
        })
    }

    /// Records that the person gave up at the provider, or that it said no.
    pub fn gave_up(&self, provider: &Provider, error: &str, person: &Person) {
        let error: String = error.chars().take(80).collect();
        self.record_refusal(
            &provider.name,
            None,
            &format!("the provider answered {error}"),
            person,
        );
    }

    /// Records a refusal, and gives it.
    pub(crate) fn refused(
        &self,
        name: &str,
        account: Option<AccountId>,
        error: CompanyError,
        person: &Person,
    ) -> CompanyError {
        self.record_refusal(name, account, &error.to_string(), person);
        error
    }

    pub(crate) fn record_refusal(
        &self,
        name: &str,
        account: Option<AccountId>,
        reason: &str,
        person: &Person,
    ) {
        let what = What::SignInRefused {
            account,
            reason: format!("{name}: {reason}"),
        };
        self.recorder.record(what, person.clone());
    }
}

/// What binds an answer to one browser and one sign-in: nobody knows it who does not have the cookie.
struct Bound {
    verifier: String,
    nonce: String,
}

impl Bound {
    fn to(state: &str, browser: &str) -> Self {
        let made = |purpose: &str| {
            let text = format!("company sign-in {purpose}\0{state}\0{browser}");
            BASE64URL_NOPAD.encode(&sha256(text.as_bytes()))
        };
        Self {
            verifier: made("verifier"),
            nonce: made("nonce"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
