//! OS-46: what somebody loses when the provider, they themselves or an operator take it away, and what nobody gains.

use std::time::Duration;

use serde_json::json;

use super::{OPEN, ana, ana_with};
use crate::rig::provider::{self, Provider};
use crate::rig::{Ask, Door, PASSWORD};

/// A provider whose addresses the operator does not believe proves none, also for another one that is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_in_an_account_with_an_address_that_only_they_call_verified() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let plan = provider::plan(
        &[
            provider.section("corp", "accounts: create\nlink_by_verified_email: true"),
            other.section("other", "accounts: create"),
        ],
        "",
    );
    for door in Door::each(plan).await {
        let engine = door.engine();
        let boss = json!({ "sub": "boss", "email": "boss@example.com", "email_verified": true });
        let mut mallory = door.browser();
        let away = mallory.leave("/sign-in", "other").await;
        let reply = mallory.get(&other.approve(&door, &away, &boss)).await;
        assert_eq!(reply.status, 303, "{engine}: {}", mallory.page);
        let mut browser = door.browser();
        let reply = browser.sign_in_at(&door, &provider, &boss).await;
        assert_eq!(reply.status, 403, "{engine}: into the account of somebody else");
        assert!(
            browser.page.contains("cannot be linked to you by itself"),
            "{engine}: {}",
            browser.page
        );
    }
}

/// Whoever is in no group that is asked for is not let in, and keeps nothing of what they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_away_for_their_groups_loses_them_here() {
    let provider = Provider::start().await;
    let rules = "accounts: create\nrequire_groups: [dev]\ngroups: { dev: developers }";
    for door in Door::each(provider.plan(rules)).await {
        let engine = door.engine();
        assert_eq!(
            door.browser().sign_in_at(&door, &provider, &ana()).await.status,
            303,
            "{engine}"
        );
        let account = door.account("ana+corp").await;
        let store = &door.running().house.foundation.store;
        let groups = async || store.account_view(account).await.unwrap().unwrap().groups;
        assert_eq!(groups().await.len(), 1, "{engine}");
        let left = ana_with("groups", json!([]));
        assert_eq!(
            door.browser().sign_in_at(&door, &provider, &left).await.status,
            403,
            "{engine}"
        );
        assert!(groups().await.is_empty(), "{engine}");
        // An operator sees what the provider gave, and takes a group away from all, whoever gave it.
        door.browser().sign_in_at(&door, &provider, &ana()).await;
        assert_eq!(groups().await.len(), 1, "{engine}");
        let words = ["group", "remove-member", "developers", "ana+corp"];
        let refused = format!("{:?}", door.operate(&words).await);
        assert!(refused.contains(&provider.url), "{engine}: {refused}");
        door.operate(&["group", "remove", "developers", "--yes"])
            .await
            .unwrap();
        assert!(groups().await.is_empty(), "{engine}");
        // A group that only a provider gives can be looked at too.
        door.browser().sign_in_at(&door, &provider, &ana()).await;
        let shown = format!("{:?}", door.operate(&["group", "show", "developers"]).await);
        assert!(shown.contains("ana+corp"), "{engine}: {shown}");
    }
}

/// A link that is taken away takes along what was begun with it, except the session that does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_gone_takes_its_sessions_along() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("")).await {
        let engine = door.engine();
        let words = ["identity", "link", "eve", "--issuer", "corp", "--subject", "u-1"];
        door.operate(&words).await.unwrap();
        let mut elsewhere = door.browser();
        elsewhere.sign_in_at(&door, &provider, &ana()).await;
        assert_eq!(elsewhere.get("/account").await.status, 200, "{engine}");
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        eve.get("/account").await;
        let form = eve.form("/account/company/corp/unlink");
        assert_eq!(eve.submit(&form).await.location(), "/account", "{engine}");
        assert_eq!(
            elsewhere.get("/account").await.location(),
            "/sign-in/account",
            "{engine}"
        );
        assert_eq!(eve.get("/account").await.status, 200, "{engine}");

        door.operate(&words).await.unwrap();
        elsewhere.sign_in_at(&door, &provider, &ana()).await;
        assert_eq!(elsewhere.get("/account").await.status, 200, "{engine}");
        door.operate(&["identity", "unlink", "--issuer", "corp", "--subject", "u-1"])
            .await
            .unwrap();
        assert_eq!(
            elsewhere.get("/account").await.location(),
            "/sign-in/account",
            "{engine}"
        );
        assert_eq!(eve.get("/account").await.status, 200, "{engine}");
    }
}

/// A way in is made and taken away only by somebody who proved lately who they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_browser_is_not_enough_to_make_a_way_in() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    let mut eve = door.browser();
    eve.sign_in("eve").await;
    eve.get("/account").await;
    let form = eve.form("/account/company/corp/link");
    door.advance(Duration::from_mins(10));
    let reply = eve.submit(&form).await;
    assert_eq!(reply.status, 403);
    assert!(eve.page.contains("sign in again first"), "{}", eve.page);
    assert_eq!(eve.fill_in("eve", PASSWORD).await.location(), "/account");
    eve.get("/account").await;
    let form = eve.form("/account/company/corp/link");
    assert!(eve.submit(&form).await.location().starts_with(&provider.url));
}

/// Who has to prove it again does so at the provider, which would otherwise answer with its session of this morning; one
/// that never says when still lets them go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_is_asked_for_again_is_a_new_one() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    for says_when in [true, false] {
        let words = ["identity", "link", "eve", "--issuer", "corp", "--subject", "u-1"];
        door.operate(&words).await.unwrap();
        let mut browser = door.browser();
        let claims = |hours: i64| {
            let at = door.world.now().as_seconds() - hours * 3600;
            ana_with("auth_time", if says_when { json!(at) } else { json!(null) })
        };
        browser.sign_in_at(&door, &provider, &claims(9)).await;
        door.advance(Duration::from_hours(1));
        browser.get("/account").await;
        let unlink = browser.form("/account/company/corp/unlink");
        assert_eq!(browser.submit(&unlink).await.status, 403, "{says_when}");
        let form = browser.form("/sign-in").set("provider", "corp");
        let away = browser.submit(&form).await.location().to_owned();
        let asked = crate::rig::app::query_of(&away);
        assert_eq!(
            (&asked["prompt"], &asked["max_age"]),
            (&json!("login"), &json!(null))
        );
        let reply = browser.get(&provider.approve(&door, &away, &claims(0))).await;
        assert_eq!(reply.location(), "/account", "{says_when}: {}", browser.page);
        browser.get("/account").await;
        let unlink = browser.form("/account/company/corp/unlink");
        assert_eq!(
            browser.submit(&unlink).await.location(),
            "/account",
            "{says_when}"
        );
    }
}

/// An invitation is of no use any more to whoever has the mail, once its owner came by the provider.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_withdraws_the_invitation() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("link_by_verified_email: true")).await {
        let engine = door.engine();
        let words = ["user", "add", "ivy", "--email", "ivy@example.com"];
        let answer = format!("{:?}", door.operate(&words).await.unwrap());
        let path = answer
            .split(['"', ' '])
            .find_map(|word| Some(word.get(word.find("/invitation/")?..)?.trim_end_matches('\\')));
        let path = path.unwrap_or_else(|| panic!("{engine}: {answer}"));
        assert_eq!(door.browser().get(path).await.status, 200, "{engine}");
        let ivy = json!({ "sub": "ivy", "email": "ivy@example.com", "email_verified": true });
        assert_eq!(
            door.browser().sign_in_at(&door, &provider, &ivy).await.status,
            303,
            "{engine}"
        );
        assert_ne!(door.browser().get(path).await.status, 200, "{engine}");
    }
}

/// What nobody began here costs nothing: neither the database nor the record hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_of_ours_is_not_looked_for() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    for query in [
        "",
        "?state=x",
        "?state=x&code=y",
        &format!("?state={}", "x".repeat(43)),
    ] {
        let reply = Ask::get(&format!("/sign-in/callback/corp{query}"))
            .to(door.address)
            .await;
        assert_eq!(reply.status, 400, "{query}");
    }
    assert!(door.audit("sign_in_refused").await.is_empty());
}
