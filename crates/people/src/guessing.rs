//! Slowing guesses down. The rule is `model::slowdown`; here it is decided which counters an attempt counts
//! on, and counted without a gap between looking and counting.

use std::net::IpAddr;
use std::time::Duration;

use keys::{digest_of, sha256};
use model::slowdown::{NETWORK, ONE, Rule, USER_CODES};
use model::{AccountId, OpaqueToken, TokenDigest, TokenKind, Username, World};
use net::address::network_of;
use store::{Store, StoreError};

use crate::factors::At;

pub(crate) mod spelled;

/// A counter, named by a digest of what it counts.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    name: [u8; 32],
    rule: Rule,
}

impl Counter {
    fn one(name: &[u8]) -> Self {
        Self {
            name: sha256(name),
            rule: ONE,
        }
    }

    fn network(address: IpAddr) -> Self {
        Self {
            name: sha256(format!("network\0{}", network_of(address)).as_bytes()),
            rule: NETWORK,
        }
    }
}

/// The counters of an attempt at whatever factor, in the name of somebody, at an account if there is one.
pub(crate) async fn counters(
    store: &dyn Store,
    at: &At<'_>,
    username: &Username,
    account: Option<AccountId>,
) -> Result<Vec<Counter>, StoreError> {
    let known = match account {
        Some(account) => of_known_browser(store, at, account).await?,
        None => None,
    };
    Ok(known.unwrap_or_else(|| stranger(username.as_str(), at.address)))
}

/// The counter of a browser that signed in to this account before, if this is one.
async fn of_known_browser(
    store: &dyn Store,
    at: &At<'_>,
    account: AccountId,
) -> Result<Option<Vec<Counter>>, StoreError> {
    let browser = at
        .browser
        .and_then(|text| OpaqueToken::parse(TokenKind::Browser, text).ok());
    let Some(browser) = browser.as_ref().map(digest_of) else {
        return Ok(None);
    };
    let is_known = store.knows_browser(&browser, account).await?;
    Ok(is_known.then(|| known(&browser, account)))
}

/// The counters of an attempt by somebody who has no account yet, by what they are known by or typed.
pub(crate) fn of_nobody(name: &str, at: &At<'_>) -> Vec<Counter> {
    stranger(name, at.address)
}

/// The counters of an attempt by a browser that is not known to the account: one for the name that was
/// typed, whether or not it exists, and one for the network.
fn stranger(username: &str, address: IpAddr) -> Vec<Counter> {
    vec![
        Counter::one(format!("name\0{username}").as_bytes()),
        Counter::network(address),
    ]
}

/// The counter of a browser that signed in to this account before: nobody else can make it wait.
fn known(browser: &TokenDigest, account: AccountId) -> Vec<Counter> {
    let mut name = b"browser\0".to_vec();
    name.extend_from_slice(browser.as_bytes());
    name.extend_from_slice(account.to_string().as_bytes());
    vec![Counter::one(&name)]
}

/// The counters of a user code that somebody types who is signed in (OS-94): nobody else can make them wait, but for
/// those in their network.
pub fn of_user_code(account: AccountId, address: IpAddr) -> Vec<Counter> {
    vec![
        Counter {
            name: sha256(format!("user code\0{account}").as_bytes()),
            rule: USER_CODES,
        },
        Counter {
            name: sha256(format!("user code network\0{}", network_of(address)).as_bytes()),
            rule: NETWORK,
        },
    ]
}

/// How long a network has to wait before anything is asked for it; counted is nothing.
pub(crate) async fn network_waits(
    store: &dyn Store,
    world: &World,
    at: &At<'_>,
) -> Result<Option<Duration>, StoreError> {
    let counter = Counter::network(at.address);
    let before = store.guesses(&counter.name).await?;
    Ok(before.attempt(counter.rule, world.now()).err())
}

/// Counts an attempt on every counter before anything is checked, or says how long to wait.
pub async fn count(
    store: &dyn Store,
    world: &World,
    counters: &[Counter],
) -> Result<Result<(), Duration>, StoreError> {
    for counter in counters {
        if let Err(wait) = count_one(store, world, counter).await? {
            return Ok(Err(wait));
        }
    }
    Ok(Ok(()))
}

async fn count_one(
    store: &dyn Store,
    world: &World,
    counter: &Counter,
) -> Result<Result<(), Duration>, StoreError> {
    // Whoever loses the race to count reads again; the counter only grows, so soon there is a wait.
    for _ in 0..50 {
        let before = store.guesses(&counter.name).await?;
        match before.attempt(counter.rule, world.now()) {
            Err(wait) => return Ok(Err(wait)),
            Ok(after) if store.count_guess(&counter.name, before, after).await? => return Ok(Ok(())),
            Ok(_) => {}
        }
    }
    Ok(Err(Duration::from_secs(1)))
}

/// After a success: what counted for the person alone is forgotten, the network gets this one attempt back.
pub(crate) async fn forgive(store: &dyn Store, counters: &[Counter]) -> Result<(), StoreError> {
    for counter in counters {
        if counter.rule == NETWORK {
            store.uncount_guess(&counter.name).await?;
        } else {
            store.forget_guesses(&counter.name).await?;
        }
    }
    Ok(())
}

/// After an attempt that nobody could check, or that must not wipe out others: each counter gets it back.
pub async fn take_back(store: &dyn Store, counters: &[Counter]) -> Result<(), StoreError> {
    for counter in counters {
        store.uncount_guess(&counter.name).await?;
    }
    Ok(())
}

/// What counted for a name is forgotten, and nothing of the network.
pub(crate) async fn forgive_name(store: &dyn Store, counters: &[Counter]) -> Result<(), StoreError> {
    for counter in counters.iter().filter(|counter| counter.rule != NETWORK) {
        store.forget_guesses(&counter.name).await?;
    }
    Ok(())
}
