//! A provider is asked again about people whenever a program of theirs is given tokens: removed there is removed here.

use std::time::Duration;

use model::{AccountId, EventId};
use serde_json::{Value, json};
use store::{Asked, ForeignName, ProviderGrant};
use tokio::task::JoinSet;
use vestibule::operator::Answer;

use super::{MINUTE, OPEN, ana, ana_with, approve};
use crate::rig::provider::Provider;
use crate::rig::{App, Browser, Door, Reply, Tokens, app};

/// Rules of a provider that is asked again.
const AGAIN: &str = "accounts: create\ngroups: { dev: developers }\ngroup_prefix: 'corp:'\nrefresh: true";

fn is_refused(reply: &Reply) -> bool {
    reply.status == 400 && reply.json()["error"] == json!("invalid_grant")
}

/// Somebody with a program, in this browser.
async fn come(door: &Door, provider: &Provider, browser: &mut Browser<'_>, claims: &Value) -> (App, Tokens) {
    let app = door.app().await;
    let back = approve(browser, door, provider, &app, claims).await;
    let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
    (app, tokens)
}

async fn provided(door: &Door, username: &str) -> Vec<String> {
    let store = &door.running().house.foundation.store;
    let groups = store.provided_groups(door.account(username).await).await.unwrap();
    groups.iter().map(|it| it.group.to_string()).collect()
}

/// Groups are as they are there at each refresh, by userinfo or by a new ID token; with what rotates kept each time. When the
/// provider takes it back, the sign-in has ended: no tokens, no groups, no session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_at_the_provider_gets_no_more_tokens() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    for door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        provider.forget_requests();
        provider.renews_nothing();
        let mut browser = door.browser();
        let (app, first) = come(&door, &provider, &mut browser, &ana()).await;
        assert_eq!(
            provided(&door, "ana+corp").await,
            ["corp:all", "developers"],
            "{engine}"
        );
        provider.userinfo(ana());
        door.advance(MINUTE);
        let second = Tokens::of(&app.refresh(&first.refresh).await);
        assert_eq!(provider.refreshes(), 1, "{engine}");
        // A moment ago it was asked.
        let second = Tokens::of(&app.refresh(&second.refresh).await);
        assert_eq!(provider.refreshes(), 1, "{engine}");

        provider.userinfo(ana_with("groups", json!(["dev"])));
        door.advance(MINUTE);
        let third = Tokens::of(&app.refresh(&second.refresh).await);
        assert_eq!(provided(&door, "ana+corp").await, ["developers"], "{engine}");

        door.advance(MINUTE);
        provider.renews(&door, &ana());
        let fourth = Tokens::of(&app.refresh(&third.refresh).await);
        assert_eq!(
            provided(&door, "ana+corp").await,
            ["corp:all", "developers"],
            "{engine}"
        );
        let Answer::List { rows, .. } = door.operate(&["user", "sync", "ana+corp"]).await.unwrap() else {
            panic!("{engine}: a list")
        };
        assert_eq!(rows[0]["outcome"], json!("confirmed"), "{engine}: {rows:?}");

        provider.end_grants();
        door.advance(MINUTE);
        let asked = provider.refreshes();
        for _ in 0..2 {
            let reply = app.refresh(&fourth.refresh).await;
            assert!(is_refused(&reply), "{engine}: {reply:?}");
        }
        assert!(provided(&door, "ana+corp").await.is_empty(), "{engine}");
        assert_eq!(
            provider.refreshes(),
            asked + 1,
            "{engine}: there is nothing to ask with any more"
        );
        let store = &door.running().house.foundation.store;
        assert!(
            store.provider_grants().await.unwrap().is_empty(),
            "{engine}: it is forgotten"
        );
        assert_eq!(
            browser.get("/account").await.location(),
            "/sign-in/account",
            "{engine}"
        );
        // Let in there again, let in here again.
        let (app, again) = come(&door, &provider, &mut door.browser(), &ana()).await;
        door.advance(MINUTE);
        provider.renews(&door, &ana());
        assert_eq!(app.refresh(&again.refresh).await.status, 200, "{engine}");
    }
}

/// A password here keeps nobody in whom the provider turned away, however often their programs ask, until they sign in there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_there_is_not_let_in_for_a_password_here() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    for door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        provider.renews_nothing();
        provider.userinfo(ana());
        let words = ["identity", "link", "ben", "--issuer", "corp", "--subject", "u-1"];
        door.operate(&words).await.unwrap();
        let (app, first) = come(&door, &provider, &mut door.browser(), &ana()).await;
        door.advance(MINUTE);
        let second = Tokens::of(&app.refresh(&first.refresh).await);
        assert_eq!(
            provided(&door, "ben").await,
            ["corp:all", "developers"],
            "{engine}"
        );
        provider.end_grants();
        for _ in 0..3 {
            door.advance(MINUTE);
            let reply = app.refresh(&second.refresh).await;
            assert!(is_refused(&reply), "{engine}: {reply:?}");
            assert!(provided(&door, "ben").await.is_empty(), "{engine}");
        }
        door.browser().sign_in_at(&door, &provider, &ana()).await;
        door.advance(MINUTE);
        assert_eq!(app.refresh(&second.refresh).await.status, 200, "{engine}");
    }
}

/// A provider that is away: what it said last holds for an hour, then nobody knows, and programs keep what they have. What is
/// about somebody else is no answer either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_is_no_reason_to_sign_in_again() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    let door = Door::with(provider.plan(AGAIN)).await;
    let (app, first) = come(&door, &provider, &mut door.browser(), &ana()).await;
    provider.is_down(true);
    door.advance(59 * MINUTE);
    let second = Tokens::of(&app.refresh(&first.refresh).await);
    door.advance(MINUTE);
    let reply = app.refresh(&second.refresh).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert!(reply.header("retry-after").is_some());
    provider.is_down(false);
    provider.userinfo(json!({ "sub": "boss", "groups": ["dev", "all"] }));
    door.advance(MINUTE);
    assert_eq!(
        app.refresh(&second.refresh).await.status,
        503,
        "about somebody else"
    );
    provider.userinfo(ana());
    door.advance(MINUTE);
    let third = Tokens::of(&app.refresh(&second.refresh).await);
    assert_eq!(provided(&door, "ana+corp").await, ["corp:all", "developers"]);
    assert_eq!(app.refresh(&third.refresh).await.status, 200);
}

/// A provider that rotates and whose answer was lost refuses what it gave before: that is no removal. Programs send the person
/// to sign in there again, and nothing else of theirs ends; once they have, a refusal is a removal again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_no_removal() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    provider.userinfo(ana());
    for door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        let mut browser = door.browser();
        let (app, first) = come(&door, &provider, &mut browser, &ana()).await;
        door.advance(MINUTE);
        let second = Tokens::of(&app.refresh(&first.refresh).await);

        provider.loses_answers(true);
        door.advance(MINUTE);
        // What it said a minute ago holds.
        let third = Tokens::of(&app.refresh(&second.refresh).await);
        provider.loses_answers(false);
        for _ in 0..2 {
            door.advance(MINUTE);
            let reply = app.refresh(&third.refresh).await;
            assert!(is_refused(&reply), "{engine}: {reply:?}");
            assert!(reply.body.contains("too old"), "{engine}: {reply:?}");
        }
        assert_eq!(
            provided(&door, "ana+corp").await,
            ["corp:all", "developers"],
            "{engine}"
        );
        assert_eq!(browser.get("/account").await.status, 200, "{engine}");
        let Answer::List { rows, .. } = door.operate(&["user", "sync", "ana+corp"]).await.unwrap() else {
            panic!("{engine}: a list")
        };
        assert_eq!(rows[0]["outcome"], json!("sign in again"), "{engine}: {rows:?}");

        door.browser().sign_in_at(&door, &provider, &ana()).await;
        door.advance(MINUTE);
        let fourth = Tokens::of(&app.refresh(&third.refresh).await);
        provider.end_grants();
        door.advance(MINUTE);
        assert!(is_refused(&app.refresh(&fourth.refresh).await), "{engine}");
        assert!(provided(&door, "ana+corp").await.is_empty(), "{engine}");
    }
}

/// Whoever died while it asked knows as little: what it held is not given back, and a refusal after that is no removal either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_lived_to_write_down_is_no_removal() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    provider.userinfo(ana());
    for mut door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        let (app, first) = come(&door, &provider, &mut door.browser(), &ana()).await;
        {
            let store = &door.running().house.foundation.store;
            let [grant] = &store.provider_grants().await.unwrap()[..] else {
                panic!("{engine}: one grant")
            };
            let (now, holder) = (door.world.now(), door.world.new_id::<EventId>());
            let claimed = store.claim_provider_grant(grant, holder, now + MINUTE, now).await;
            assert!(claimed.unwrap().is_some(), "{engine}");
        }
        provider.end_grants();
        door.restart().await;
        door.advance(2 * MINUTE);
        let reply = app.refresh(&first.refresh).await;
        assert!(is_refused(&reply), "{engine}: {reply:?}");
        assert_eq!(
            provided(&door, "ana+corp").await,
            ["corp:all", "developers"],
            "{engine}"
        );
        door.browser().sign_in_at(&door, &provider, &ana()).await;
        door.advance(MINUTE);
        assert_eq!(app.refresh(&first.refresh).await.status, 200, "{engine}");
    }
}

/// Many programs of one person at the same moment are one question: a provider that rotates would take a second one for theft.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_refreshes_at_once_ask_the_provider_once() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    provider.userinfo(ana());
    let door = Door::with(provider.plan(AGAIN)).await;
    let mut programs = Vec::new();
    for _ in 0..5 {
        programs.push(come(&door, &provider, &mut door.browser(), &ana()).await);
    }
    door.advance(MINUTE);
    let mut all = JoinSet::new();
    for (app, tokens) in programs {
        all.spawn(async move { app.refresh(&tokens.refresh).await.status });
    }
    assert!(all.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(provider.refreshes(), 1);
}

/// Where nobody can be asked, a sign-in there is good for `lifetime`, for programs too; whoever has a password here does not
/// depend on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_refresh_token_programs_send_people_to_sign_in_again() {
    let provider = Provider::start().await;
    // It gives one, and nobody wants it.
    provider.gives_refresh();
    let hours = |count: u64| Duration::from_hours(count);
    for door in Door::each(provider.plan(OPEN)).await {
        let engine = door.engine();
        provider.forget_requests();
        let (app, first) = come(&door, &provider, &mut door.browser(), &ana()).await;
        let (other, local) = door.signed_in("ben").await;
        let words = [
            "identity",
            "link",
            "ben",
            "--issuer",
            "corp",
            "--subject",
            "u-ben",
        ];
        door.operate(&words).await.unwrap();
        door.advance(hours(11));
        let second = Tokens::of(&app.refresh(&first.refresh).await);
        let local = Tokens::of(&other.refresh(&local.refresh).await);
        door.advance(hours(1));
        let reply = app.refresh(&second.refresh).await;
        assert!(is_refused(&reply), "{engine}: {reply:?}");
        assert!(reply.body.contains("too old"), "{engine}: {reply:?}");
        assert_eq!(other.refresh(&local.refresh).await.status, 200, "{engine}");
        assert_eq!(provider.refreshes(), 0, "{engine}");
        let store = &door.running().house.foundation.store;
        assert!(store.provider_grants().await.unwrap().is_empty(), "{engine}");
        // The same program goes on once they have signed in there again, with what it had.
        door.browser().sign_in_at(&door, &provider, &ana()).await;
        assert_eq!(app.refresh(&second.refresh).await.status, 200, "{engine}");
    }
}

/// What a provider gave opens for whom it was given, and nobody else, wherever it lies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_sealed_for_one_person_at_one_provider() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    provider.userinfo(ana());
    for door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        come(&door, &provider, &mut door.browser(), &ana()).await;
        let mut ben = ana_with("sub", json!("u-2"));
        ben["preferred_username"] = json!("ben");
        let (app, tokens) = come(&door, &provider, &mut door.browser(), &ben).await;
        let store = &door.running().house.foundation.store;
        let grants = store.provider_grants().await.unwrap();
        assert_eq!(grants.len(), 2, "{engine}");
        let plain = |grant: &ProviderGrant| grant.sealed.windows(4).any(|part| part == b"u-1/");
        assert!(!grants.iter().any(plain), "{engine}");
        let of = |subject: &str| grants.iter().find(|grant| grant.name.subject == subject).unwrap();
        // Ana's in the place of Ben's: nobody is asked with it.
        let moved = ProviderGrant {
            sealed: of("u-1").sealed.clone(),
            version: of("u-1").version,
            ..of("u-2").clone()
        };
        assert!(store.keep_provider_grant(&moved).await.unwrap(), "{engine}");
        provider.forget_requests();
        door.advance(MINUTE);
        assert_eq!(app.refresh(&tokens.refresh).await.status, 200, "{engine}");
        assert_eq!(provider.refreshes(), 0, "{engine}");
    }
}

/// Each change of a kept grant names what it expects: what another replica did meanwhile is never written over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_grant_is_changed_only_by_whoever_holds_its_lease() {
    let provider = Provider::start().await;
    provider.gives_refresh();
    for door in Door::each(provider.plan(AGAIN)).await {
        let engine = door.engine();
        come(&door, &provider, &mut door.browser(), &ana()).await;
        let store = &door.running().house.foundation.store;
        let [grant] = &store.provider_grants().await.unwrap()[..] else {
            panic!("{engine}: one grant")
        };
        let now = door.world.now();
        let (one, two) = (door.world.new_id::<EventId>(), door.world.new_id::<EventId>());
        let claim = async |holder, now| {
            let claimed = store.claim_provider_grant(grant, holder, now + MINUTE, now).await;
            claimed.unwrap()
        };
        let release = async |holder, asked| {
            let released = store.release_provider_grant(grant, holder, asked).await;
            released.unwrap();
        };
        assert_eq!(claim(one, now).await, Some(Asked::Known), "{engine}");
        assert_eq!(claim(two, now).await, None, "{engine}: somebody has it");
        release(two, Asked::Known).await;
        assert_eq!(claim(two, now).await, None, "{engine}: it was not theirs");
        release(one, Asked::Unknown).await;
        assert_eq!(claim(one, now).await, Some(Asked::Unknown), "{engine}");
        release(one, Asked::Known).await;
        assert_eq!(claim(one, now).await, Some(Asked::Known), "{engine}");
        let after = ProviderGrant {
            version: door.world.new_id(),
            ..grant.clone()
        };
        assert!(
            !store.replace_provider_grant(grant, two, &after).await.unwrap(),
            "{engine}"
        );
        assert_eq!(
            claim(two, now + MINUTE).await,
            Some(Asked::Unknown),
            "{engine}: it has run out, and nobody knows what became of it"
        );
        assert!(
            !store.replace_provider_grant(grant, one, &after).await.unwrap(),
            "{engine}"
        );
        assert!(
            store.replace_provider_grant(grant, two, &after).await.unwrap(),
            "{engine}"
        );
        assert_eq!(claim(one, now + 9 * MINUTE).await, None, "{engine}: of before");
        assert!(
            !store.end_provider_grant(grant).await.unwrap(),
            "{engine}: of before"
        );
        let stranger = ProviderGrant {
            account: door.world.new_id::<AccountId>(),
            ..grant.clone()
        };
        assert!(!store.keep_provider_grant(&stranger).await.unwrap(), "{engine}");
        let name = ForeignName {
            subject: "nobody".to_owned(),
            ..grant.name.clone()
        };
        assert!(store.provider_grant(&name).await.unwrap().is_none(), "{engine}");
        // It goes with the link.
        store.unlink_identity(&grant.name, now).await.unwrap();
        assert!(store.provider_grants().await.unwrap().is_empty(), "{engine}");
    }
}
