//! Counters of names at a service, on both engines.

use std::sync::Arc;
use std::time::Duration;

use keys::digest_of;
use model::{OpaqueToken, TokenKind, World};
use store::{NewAccount, NewSession, Proved};
use testkit::databases;
use tokio::task::JoinSet;

use super::*;
use crate::guessing::{count, known, take_back};

const ISSUER: &str = "http:corp";

#[test]
fn spellings_that_a_service_may_take_for_the_same_are_one() {
    for same in [
        "dora",
        "DORA",
        "d\u{f3}ra",
        "\u{ff44}\u{ff4f}\u{ff52}\u{ff41}",
        "d.ora",
        "do ra",
        "dora\u{200b}",
    ] {
        assert_eq!(folded(same), "dora", "{same}");
    }
    assert_eq!(folded("stra\u{df}e"), folded("STRASSE"));
    assert_ne!(folded("\u{5b89}\u{5a1c}"), folded("\u{5b89}"));
    assert_ne!(folded("--"), folded("-"), "a name without any letter is itself");
}

fn at(browser: Option<&str>) -> At<'_> {
    At {
        form: "",
        browser,
        address: "203.0.113.5".parse().unwrap(),
        user_agent: "",
    }
}

/// Somebody for whose name at the service this account was made, in a browser in which they signed in.
async fn dora(store: &dyn Store, world: &World) -> (AccountId, OpaqueToken) {
    let account = world.new_id();
    let new = NewAccount {
        id: account,
        username: "dora+corp".parse().unwrap(),
        display_name: String::new(),
        email: None,
        email_verified: false,
        administrator: false,
        password_hash: Some("hash".to_owned().into()),
        service: false,
        groups: vec![],
    };
    assert!(store.add_account(&new, None, world.now()).await.unwrap());
    let browser = world.new_token(TokenKind::Browser);
    let session = NewSession {
        id: world.new_id(),
        digest: digest_of(&world.new_token(TokenKind::Session)),
        replaces: None,
        raises: false,
        browser: digest_of(&browser),
        account,
        authenticated_at: world.now(),
        fresh_for: None,
        expires_at: world.now() + Duration::from_hours(1),
        user_agent: String::new(),
        address: String::new(),
        proved: Proved::default(),
    };
    assert!(store.add_session(&session, world.now()).await.unwrap());
    (account, browser)
}

async fn may_try(store: &dyn Store, world: &World, counters: &[Counter]) -> bool {
    count(store, world, counters).await.unwrap().is_ok()
}

/// OS-44: whoever is called `dora` at the service today need not be the one for whom the account was made. In the browser of that
/// one, guesses at the name count for themselves: they slow neither strangers who type it nor the account's own password there, and
/// a right password of the new one's wipes out no trace of guesses at the account.
#[tokio::test]
async fn os_44_a_name_that_is_somebody_elses_by_now_has_counters_of_its_own_in_a_known_browser() {
    for database in databases().await {
        let (store, engine) = (&*database.store, database.engine);
        let (world, _clock) = testkit::world();
        let (account, browser) = dora(store, &world).await;
        let in_it = at(Some(browser.expose()));
        let spelled = Spelled::of(store, &in_it, (ISSUER, "dora"), Some(account))
            .await
            .unwrap();
        let of_account = known(&digest_of(&browser), account);
        let of_stranger = Spelled::of(store, &at(None), (ISSUER, "dora"), Some(account))
            .await
            .unwrap();
        assert_eq!(spelled.counters().len(), 2, "{engine}: no network");
        for _ in 0..5 {
            assert!(may_try(store, &world, &spelled.counters()).await, "{engine}");
        }
        for typed in ["dora", "DORA"] {
            let same = Spelled::of(store, &in_it, (ISSUER, typed), Some(account))
                .await
                .unwrap();
            assert!(
                !may_try(store, &world, &same.counters()).await,
                "{engine}: {typed}"
            );
        }
        assert!(may_try(store, &world, &of_stranger.counters()).await, "{engine}");
        take_back(store, &of_stranger.counters()).await.unwrap();

        for _ in 0..5 {
            assert!(may_try(store, &world, &of_account).await, "{engine}");
        }
        spelled.forgive(store).await.unwrap();
        assert!(may_try(store, &world, &spelled.counters()).await, "{engine}");
        assert!(!may_try(store, &world, &of_account).await, "{engine}");

        // It is known to that account, and to nobody else's.
        let elsewhere = Spelled::of(store, &in_it, (ISSUER, "dora"), Some(world.new_id()))
            .await
            .unwrap();
        assert_eq!(elsewhere.counters().len(), 3, "{engine}");
    }
}

/// OS-44: of two who are called almost the same, each gives back their own guesses, also at the same moment; and one person who
/// signs in twice at once gives them back once, and leaves those of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_44_successes_at_once_give_back_each_guess_once() {
    for database in databases().await {
        let engine = database.engine;
        let (world, _clock) = testkit::world();
        for round in 0..20 {
            let name = |typed: &str| format!("{typed}{round}");
            let both = [name("Ana"), name("ana")];
            for (succeed, left) in [([0, 1], 0), ([1, 1], 2)] {
                let mut spelled = Vec::new();
                for (typed, guesses) in both.iter().zip([2, 3]) {
                    let typed = (ISSUER, typed.as_str());
                    let of = Spelled::of(&*database.store, &at(None), typed, None)
                        .await
                        .unwrap();
                    for _ in 0..guesses {
                        assert!(may_try(&*database.store, &world, &of.counters()[..2]).await);
                    }
                    spelled.push(Arc::new(of));
                }
                let all = spelled[0].all.name;
                assert_eq!(
                    database.store.guesses(&all).await.unwrap().failures,
                    5,
                    "{engine}"
                );
                let mut at_once = JoinSet::new();
                for who in succeed {
                    let (store, spelled) = (Arc::clone(&database.store), Arc::clone(&spelled[who]));
                    at_once.spawn(async move { spelled.forgive(&*store).await });
                }
                for done in at_once.join_all().await {
                    done.unwrap();
                }
                let counted = database.store.guesses(&all).await.unwrap().failures;
                assert_eq!(counted, left, "{engine}: round {round}");
                for of in &spelled {
                    database.store.forget_guesses(&of.own.name).await.unwrap();
                }
                database.store.forget_guesses(&all).await.unwrap();
            }
        }
    }
}
