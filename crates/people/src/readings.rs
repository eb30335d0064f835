//! Asking again about people who are known already, without them: whether they are still there, and in which groups.
//!
//! ```text
//!  asked a moment ago ──▶ as it was
//!  asked now ──▶ there, and let in ──▶ groups as they are now
//!            ├─▶ gone, or not let in ─▶ groups from there are taken away, sessions from there end; turned away
//!            └─▶ no answer ──▶ confirmed within the hour ─▶ as it was
//!                            └ longer ago ────────────────▶ nobody knows: later, and never a no
//! ```
//!
//! One question at a time for each account, outside of any transaction. Who can be asked is a case of [`Reader`]: a directory, or
//! a provider with what it gave for that ([`provider_grants`](crate::provider_grants)). What a provider, or a service, that
//! cannot be asked said holds for its `lifetime`.

use std::sync::Arc;
use std::time::Duration;

use audit::Person;
use model::{AccountId, World};
use quick_cache::sync::Cache;
use store::{Identity, Store, StoreError};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::company::Company;
use crate::company_directory::CompanyDirectory;
use crate::provider_grants::{Again, ProviderGrants};
use crate::ways::{Provider, Source, Ways, WaysIn};

/// What was confirmed so short a time ago is not asked again.
const FRESH: Duration = Duration::from_secs(10);
/// So long what was confirmed last holds while nobody answers.
const HOLDS: Duration = Duration::from_hours(1);
/// Whoever did not answer is left alone for so long.
const SILENT: Duration = Duration::from_secs(5);
/// How long somebody waits while others ask about the same account.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was said of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// They are there and let in.
    Confirmed,
    /// They are not there any more.
    Gone,
    /// They are in none of the groups that are asked for.
    NotAMember,
    /// What there is to ask with does not count any more, and that may be because an answer was lost: whether they are there
    /// shows when they sign in there again.
    Lost,
    /// There is nothing to ask with: what was said at their sign-in holds for a while.
    Unasked,
    /// Nobody answers, and why.
    Silent(String),
}

/// Why somebody is not upheld.
#[derive(Debug, Error)]
pub enum NotUpheld {
    /// They may not come in any more.
    #[error("the company's directory or provider does not let this person in any more")]
    TurnedAway,
    /// Their sign-in at a provider is too old: that one cannot be asked again, or its last answer was lost.
    #[error("the sign-in at the company's provider is too old; sign in again")]
    Expired,
    /// Nobody knows at this moment, and what was known is too old.
    #[error("the company's directory or provider does not answer: {0}")]
    Silent(String),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who can be asked about somebody without them.
#[derive(Clone, Copy, Debug)]
enum Reader<'a> {
    Directory(&'a CompanyDirectory),
    Provider(&'a Provider),
}

impl<'a> Reader<'a> {
    fn of(ways: &'a Ways, issuer: &str) -> Option<Self> {
        let directory = ways.directories.iter().find(|known| known.issuer == issuer);
        let provider = ways.providers.iter().find(|known| known.issuer() == issuer);
        directory
            .map(|directory| Self::Directory(directory))
            .or_else(|| provider.map(|provider| Self::Provider(provider)))
    }

    fn source(self) -> Source<'a> {
        match self {
            Self::Directory(directory) => directory.source(),
            Self::Provider(provider) => provider.source(),
        }
    }

    /// Who that is now.
    async fn ask(self, identity: &Identity, grants: &Arc<ProviderGrants>) -> Result<Again, StoreError> {
        match self {
            Self::Directory(directory) => Ok(directory.look_again(&identity.name.subject).await),
            Self::Provider(provider) if provider.upstream.refreshes() => {
                grants.ask(&provider.upstream, &identity.name).await
            }
            Self::Provider(_) => Ok(Again::Nothing),
        }
    }
}

/// The questions.
#[derive(Debug)]
pub struct Readings {
    world: World,
    store: Arc<dyn Store>,
    company: Company,
    ways: Arc<WaysIn>,
    turns: papaya::HashMap<AccountId, Arc<Mutex<()>>>,
    /// Until when an issuer is left alone.
    silent: Cache<String, Duration>,
}

impl Readings {
    /// The parts it needs.
    pub fn new(world: World, store: Arc<dyn Store>, company: Company, ways: Arc<WaysIn>) -> Arc<Self> {
        Arc::new(Self {
            world,
            store,
            company,
            ways,
            turns: papaya::HashMap::new(),
            silent: Cache::new(100),
        })
    }

    /// Whether anybody could be asked at all.
    pub fn can_ask(&self) -> bool {
        let ways = self.ways.now();
        !(ways.directories.is_empty() && ways.providers.is_empty())
    }

    /// Everybody who can be asked about, or those of one account.
    pub async fn known(&self, account: Option<AccountId>) -> Result<Vec<Identity>, StoreError> {
        let mut known = match account {
            Some(account) => self.store.identities_of(account).await?,
            None => self.store.identities().await?,
        };
        let ways = self.ways.now();
        known.retain(|identity| Reader::of(&ways, &identity.name.issuer).is_some());
        Ok(known)
    }

    /// Whether somebody still has what others confirmed of them; asked again if that was not a moment ago.
    pub async fn uphold(&self, account: AccountId, person: &Person) -> Result<(), NotUpheld> {
        let is_due = |identity: &Identity| {
            let now = self.world.now();
            identity.confirmed_at.is_none_or(|at| now.since(at) >= FRESH)
        };
        if !self.known(Some(account)).await?.iter().any(is_due) {
            return Ok(());
        }
        let turn = Arc::clone(self.turns.pin().get_or_insert_with(account, Arc::default));
        let upheld = match tokio::time::timeout(PATIENCE, turn.lock()).await {
            Ok(_turn) => self.in_turn(account, is_due, person).await,
            Err(_) => Err(NotUpheld::Silent("others are asking".to_owned())),
        };
        // Whoever waits holds it on; the next ones make another.
        let _ = self
            .turns
            .pin()
            .remove_if(&account, |_, known| Arc::strong_count(known) <= 2);
        upheld
    }

    async fn in_turn(
        &self,
        account: AccountId,
        is_due: impl Fn(&Identity) -> bool,
        person: &Person,
    ) -> Result<(), NotUpheld> {
        // Whoever is in several places, as while one directory takes the place of another, is upheld by any of them.
        let (mut is_upheld, mut is_turned_away, mut is_expired) = (false, false, false);
        let (mut is_lost, mut silent) = (false, None);
        for identity in &self.known(Some(account)).await? {
            // Somebody before us may have asked.
            if !is_due(identity) {
                is_upheld = true;
                continue;
            }
            match self.read(identity, person).await? {
                Seen::Confirmed => is_upheld = true,
                Seen::Gone | Seen::NotAMember => is_turned_away = true,
                Seen::Unasked if self.holds(identity) => is_upheld = true,
                Seen::Unasked => is_expired = true,
                Seen::Lost => is_lost = true,
                Seen::Silent(why) => {
                    let now = self.world.now();
                    match identity.confirmed_at {
                        Some(at) if now.since(at) < HOLDS => is_upheld = true,
                        _ => silent = Some(why),
                    }
                }
            }
        }
        match silent {
            _ if is_upheld => Ok(()),
            Some(why) => Err(NotUpheld::Silent(why)),
            None if is_turned_away => Err(NotUpheld::TurnedAway),
            // They may have been removed there: a password here does not take the place of the answer.
            None if is_lost => Err(NotUpheld::Expired),
            // Whoever has a password here is no provider's to uphold.
            None if is_expired && !self.has_password(account).await? => Err(NotUpheld::Expired),
            None => Ok(()),
        }
    }

    /// Whether what was said at a sign-in still holds.
    fn holds(&self, identity: &Identity) -> bool {
        let ways = self.ways.now();
        let lifetime = Reader::of(&ways, &identity.name.issuer).map(|reader| reader.source().rules.lifetime);
        let age = identity.confirmed_at.map(|at| self.world.now().since(at));
        lifetime.is_none_or(|lifetime| age.is_some_and(|age| age < lifetime))
    }

    async fn has_password(&self, account: AccountId) -> Result<bool, StoreError> {
        if !self.ways.now().passwords {
            return Ok(false);
        }
        let account = self.store.account(account).await?;
        Ok(account.is_some_and(|account| account.password_hash.is_some()))
    }

    /// Asks about somebody now, and keeps what is said.
    pub async fn read(&self, identity: &Identity, person: &Person) -> Result<Seen, StoreError> {
        let ways = self.ways.now();
        let issuer = &identity.name.issuer;
        let Some(reader) = Reader::of(&ways, issuer) else {
            return Ok(Seen::Silent("it is not in the configuration any more".to_owned()));
        };
        if self
            .silent
            .get(issuer)
            .is_some_and(|until| self.world.elapsed() < until)
        {
            return Ok(Seen::Silent("it did not answer a moment ago".to_owned()));
        }
        let (source, account, asked) = (reader.source(), identity.account, self.world.now());
        let (seen, ended) = match reader.ask(identity, &self.company.grants).await? {
            Again::Known(profile) if source.rules.is_member(&profile) => {
                self.company
                    .regroup(source, account, &profile.groups, asked, person)
                    .await?;
                return self.as_noted(identity, Seen::Confirmed).await;
            }
            Again::Known(_) => (Seen::NotAMember, None),
            Again::Gone(ended) => (Seen::Gone, ended),
            // They stay away until they sign in there again.
            Again::Nothing | Again::Lost if identity.is_turned_away() => {
                return self.as_noted(identity, Seen::Gone).await;
            }
            Again::Nothing => return Ok(Seen::Unasked),
            Again::Lost => {
                tracing::warn!(
                    name = source.name,
                    account = %account,
                    "a provider refuses what it gave, and an answer of it was lost: this person has to sign in there again"
                );
                return Ok(Seen::Lost);
            }
            Again::Silent { why, is_down } => {
                tracing::warn!(
                    name = source.name,
                    why,
                    "nobody answers about people who are known"
                );
                if is_down {
                    self.silent.insert(issuer.clone(), self.world.elapsed() + SILENT);
                }
                return Ok(Seen::Silent(why));
            }
        };
        self.company
            .withdraw(source, account, asked, true, person)
            .await?;
        // Not before: if whoever asks hangs up in between, the next one hears the same.
        if let Some(ended) = &ended {
            self.store.end_provider_grant(ended).await?;
        }
        self.as_noted(identity, seen).await
    }

    /// What counts once an answer was to be noted: the answer to whoever asked later, if somebody did meanwhile.
    async fn as_noted(&self, identity: &Identity, seen: Seen) -> Result<Seen, StoreError> {
        let known = self.store.identities_of(identity.account).await?;
        let noted = known.iter().find(|known| known.name == identity.name);
        let Some(noted) = noted else {
            return Ok(seen);
        };
        Ok(match (noted.confirmed_at.is_some(), seen) {
            (true, _) => Seen::Confirmed,
            (false, Seen::Confirmed) => Seen::Gone,
            (false, seen) => seen,
        })
    }
}
