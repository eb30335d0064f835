//! People who come with a token of another issuer: which account here is theirs.
//!
//! An account is found by a stored link from (issuer, `sub`) alone. Name and address are what the other issuer lets
//! people choose: whoever was found by them could take an account over by calling themselves so. Where the operator
//! says so, somebody who comes for the first time gets an account of their own, never one that is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::{Person, Recorder, What};
use data_encoding::HEXLOWER;
use keys::sha256;
use model::{AccountId, Change, Timestamp, Username, World};
use quick_cache::sync::Cache;
use store::{ForeignName, LinkedAccount, NewAccount, Store, StoreError};

/// Links that are kept in memory, and people who have none.
const CAPACITY: usize = 100_000;
/// So long it is remembered that somebody has no account.
const NOBODY_FOR: Duration = Duration::from_secs(30);
/// The longest username.
const LONGEST: usize = 64;

/// Somebody at another issuer, as their token describes them.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// What the configuration calls the issuer.
    pub issuer: &'a str,
    /// What they are called there.
    pub username: Option<&'a str>,
    /// What others read there.
    pub name: Option<&'a str>,
    /// Their address there.
    pub email: Option<&'a str>,
    /// Whether the issuer says that it is theirs.
    pub email_verified: bool,
}

/// Links.
#[derive(Debug)]
pub struct Identities {
    world: World,
    store: Arc<dyn Store>,
    recorder: Recorder,
    known: Cache<ForeignName, AccountId>,
    nobody: Cache<ForeignName, Timestamp>,
    refused: Cache<ForeignName, Timestamp>,
    /// Counts changes, so that a link that was read before a change is not kept after it.
    epoch: AtomicU64,
}

impl Identities {
    /// Knows none yet, and follows the change log.
    pub fn new(world: World, store: &Arc<dyn Store>, recorder: Recorder) -> Arc<Self> {
        let identities = Self::for_one_command(world, store, recorder);
        let follower = Arc::downgrade(&identities);
        store.listen(Arc::new(move |change| {
            if let (Change::IdentityChanged { issuer, subject }, Some(identities)) =
                (change, follower.upgrade())
            {
                identities.forget(&ForeignName {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                });
            }
        }));
        identities
    }

    /// The same, that hears of no change and leaves nothing behind that would.
    pub fn for_one_command(world: World, store: &Arc<dyn Store>, recorder: Recorder) -> Arc<Self> {
        Arc::new(Self {
            world,
            store: Arc::clone(store),
            recorder,
            known: Cache::new(CAPACITY),
            nobody: Cache::new(CAPACITY),
            refused: Cache::new(CAPACITY),
            epoch: AtomicU64::new(0),
        })
    }

    /// The account of an identity if it is in memory; never waits.
    pub fn remembered(&self, name: &ForeignName) -> Option<AccountId> {
        self.known.get(name)
    }

    /// Forgets a link, because it changed, or because its account is gone.
    pub fn forget(&self, name: &ForeignName) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.known.remove(name);
        self.nobody.remove(name);
    }

    /// The account of an identity. `None` if it has none.
    pub async fn account(&self, name: &ForeignName) -> Result<Option<AccountId>, StoreError> {
        if let Some(account) = self.known.get(name) {
            return Ok(Some(account));
        }
        let now = self.world.now();
        if self.nobody.get(name).is_some_and(|until| until > now) {
            return Ok(None);
        }
        let before = self.epoch.load(Ordering::SeqCst);
        let account = self.store.identity(name).await?;
        match account {
            Some(account) => self.known.insert(name.clone(), account),
            None => self.nobody.insert(name.clone(), now + NOBODY_FOR),
        }
        // A change since we began to read either sees our entry and removes it, or is seen here.
        if self.epoch.load(Ordering::SeqCst) != before {
            self.known.remove(name);
            self.nobody.remove(name);
        }
        Ok(account)
    }

    /// The account of an identity, made if there is none.
    pub async fn account_or_new(
        &self,
        name: &ForeignName,
        newcomer: Newcomer<'_>,
        person: Person,
    ) -> Result<Option<AccountId>, StoreError> {
        let mut candidates = usernames(name, newcomer);
        loop {
            // Whoever came at the same moment may have made it; looked at anew after every attempt.
            self.nobody.remove(name);
            self.known.remove(name);
            if let Some(account) = self.account(name).await? {
                return Ok(Some(account));
            }
            let Some(username) = candidates.next() else {
                return Ok(None);
            };
            let display_name = newcomer
                .name
                .and_then(|name| protocol::text::display_name(name, 80));
            let account = NewAccount {
                id: self.world.new_id(),
                display_name: display_name.unwrap_or_else(|| username.to_string()),
                username,
                email: newcomer.email.map(str::to_owned),
                email_verified: newcomer.email_verified,
                administrator: false,
                password_hash: None,
                service: false,
                groups: Vec::new(),
            };
            let now = self.world.now();
            match self.store.add_linked_account(name, &account, now).await? {
                LinkedAccount::Made => {
                    self.record(name, &account, person);
                    return Ok(Some(account.id));
                }
                LinkedAccount::NameTaken | LinkedAccount::Linked => {}
            }
        }
    }

    /// Whether it is to be recorded that somebody has no account: once in half a minute.
    pub fn refusal_is_due(&self, name: &ForeignName) -> bool {
        let now = self.world.now();
        if self.refused.get(name).is_some_and(|until| until > now) {
            return false;
        }
        self.refused.insert(name.clone(), now + NOBODY_FOR);
        true
    }

    fn record(&self, name: &ForeignName, account: &NewAccount, person: Person) {
        let what = What::IdentityLinked {
            account: account.id,
            issuer: name.issuer.clone(),
            made: true,
        };
        let person = Person {
            username: Some(account.username.to_string()),
            ..person
        };
        self.recorder.record(what, person);
    }
}

/// What a new account may be called: what the token says, with the issuer's name; else a name from the identity itself,
/// which nobody else has. Never what the token says alone: whoever can choose that would have what rules and servers
/// give to people of this name.
fn usernames(name: &ForeignName, newcomer: Newcomer<'_>) -> impl Iterator<Item = Username> + use<> {
    let said = newcomer.username.and_then(|text| Username::from_typed(text).ok());
    let digest = sha256(format!("{}\0{}", name.issuer, name.subject).as_bytes());
    let own = format!("{}-{}", newcomer.issuer, HEXLOWER.encode(&digest[..8]));
    let with_issuer = said
        .map(|said| format!("{said}+{}", newcomer.issuer))
        .filter(|name| name.len() <= LONGEST);
    [with_issuer, Some(own)]
        .into_iter()
        .flatten()
        .filter_map(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_one_is_replaced() {
        let name = ForeignName {
            issuer: "https://a.example".to_owned(),
            subject: "u1".to_owned(),
        };
        let names = |username| {
            let newcomer = Newcomer {
                issuer: "corp",
                username,
                name: None,
                email: None,
                email_verified: false,
            };
            usernames(&name, newcomer)
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        let own = names(None);
        assert_eq!(own.len(), 1);
        assert!(own[0].starts_with("corp-"), "{own:?}");
        assert_eq!(names(Some("Ana")), ["ana+corp", own[0].as_str()]);
        assert_eq!(names(Some("ana banana")), own);
        assert_eq!(
            names(Some(&"a".repeat(62))),
            own,
            "too long with the issuer's name"
        );
    }
}
