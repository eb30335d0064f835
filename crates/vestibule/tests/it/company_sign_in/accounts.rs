//! OS-46: whose account somebody gets who comes from a provider, and whose never.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{OPEN, ana, ana_with, both};
use crate::rig::provider::{self, Provider};
use crate::rig::{Ask, Door};

/// Tries to sign in; gives the page that says no, or whose account it is.
async fn try_it(door: &Door, provider: &Provider, claims: &Value) -> Result<String, String> {
    // So that the record has an order.
    door.advance(Duration::from_secs(1));
    let mut browser = door.browser();
    let reply = browser.sign_in_at(door, provider, claims).await;
    if reply.status != 303 {
        assert_eq!(reply.status, 403, "{}", browser.page);
        assert!(
            browser.page.contains("<code>company_refused</code>"),
            "{}",
            browser.page
        );
        assert!(
            browser.page.contains("platform@example.com"),
            "whom to ask: {}",
            browser.page
        );
        return Err(browser.page.clone());
    }
    let signed_in = &door.audit("signed_in").await[0];
    Ok(signed_in["username"].as_str().unwrap().to_owned())
}

/// Nobody gets in whom the operator did not mean.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_an_account_is_the_operators_choice() {
    let provider = Provider::start().await;
    let nobody = "you have no account here";
    let none = "none of the groups";
    let domain = "email address of your organisation";
    let cases: [(&str, Value, Result<&str, &str>); 9] = [
        ("", ana(), Err(nobody)),
        ("accounts: create", ana(), Ok("ana+corp")),
        ("accounts: create\nrequire_groups: [ops]", ana(), Err(none)),
        (
            "accounts: create\nrequire_groups: [ops, dev]",
            ana(),
            Ok("ana+corp"),
        ),
        ("accounts: create\ndomains: [example.com]", ana(), Ok("ana+corp")),
        ("accounts: create\ndomains: [example.org]", ana(), Err(domain)),
        (
            "accounts: create\ndomains: [example.com]",
            ana_with("email_verified", json!(false)),
            Err(domain),
        ),
        (
            "accounts: create\ndomains: [example.com]",
            ana_with("email", json!("ana@example.com.evil.test")),
            Err(domain),
        ),
        // A name that is somebody's here is nobody's there.
        (
            "accounts: create",
            ana_with("preferred_username", json!(null)),
            Ok("corp-"),
        ),
    ];
    for (rules, claims, wanted) in cases {
        let door = Door::with(provider.plan(rules)).await;
        match (try_it(&door, &provider, &claims).await, wanted) {
            (Ok(username), Ok(wanted)) => assert!(username.starts_with(wanted), "{rules}: {username}"),
            (Err(page), Err(wanted)) => {
                assert!(page.contains(wanted), "{rules}: {page}");
                assert!(!door.audit("sign_in_refused").await.is_empty(), "{rules}");
                let store = &door.running().house.foundation.store;
                assert_eq!(
                    store.accounts().await.unwrap().len(),
                    3,
                    "{rules}: nothing was made"
                );
            }
            (got, _) => panic!("{rules}: {got:?}"),
        }
    }
}

/// An account is found by a stored link; by an address only where the operator believes the provider's, and never
/// where anybody else could have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_takes_no_account_over() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let believed = "accounts: create\nlink_by_verified_email: true";
    let plan = provider::plan(
        &[
            provider.section("corp", believed),
            other.section("other", "accounts: create"),
        ],
        "",
    );
    for door in Door::each(plan).await {
        let engine = door.engine();
        let store = &door.running().house.foundation.store;
        // Not verified, or verified by a provider that is not believed: somebody else.
        let unverified = ana_with("email_verified", json!(false));
        let mut claims = unverified.clone();
        claims["sub"] = json!("mallory");
        assert_eq!(
            try_it(&door, &provider, &claims).await.unwrap(),
            "ana+corp",
            "{engine}"
        );
        door.advance(Duration::from_secs(1));
        let mut browser = door.browser();
        let away = browser.leave("/sign-in", "other").await;
        assert_eq!(
            browser.get(&other.approve(&door, &away, &ana())).await.status,
            303,
            "{engine}"
        );
        assert_eq!(
            door.audit("signed_in").await[0]["username"],
            json!("ana+other"),
            "{engine}"
        );

        // Now three accounts have the address, so it is nobody's by itself; and nobody waits in one for its owner.
        let page = try_it(&door, &provider, &ana()).await.unwrap_err();
        assert!(
            page.contains("cannot be linked to you by itself"),
            "{engine}: {page}"
        );
        for name in ["ana+corp", "ana+other"] {
            door.operate(&["user", "remove", name, "--yes"]).await.unwrap();
        }
        assert_eq!(
            try_it(&door, &provider, &ana_with("email", json!("ANA@example.com")))
                .await
                .unwrap(),
            "ana"
        );
        let linked = &door.audit("identity_linked").await[0];
        assert_eq!(linked["made"], json!(false), "{engine}: {linked}");
        // The account has somebody there now: another one with the same address is not let in beside them.
        let again = try_it(&door, &provider, &ana_with("sub", json!("u-2"))).await;
        assert!(again.unwrap_err().contains("cannot be linked"), "{engine}");

        // Somebody with an address that nobody proved, who waits for its owner to come.
        let mut waiting = unverified.clone();
        waiting["sub"] = json!("waiting");
        waiting["email"] = json!("boss@example.com");
        assert_eq!(
            try_it(&door, &provider, &waiting).await.unwrap(),
            "ana+corp",
            "{engine}"
        );
        let boss = json!({ "sub": "boss", "email": "boss@example.com", "email_verified": true });
        assert!(
            try_it(&door, &provider, &boss).await.is_err(),
            "{engine}: into the account of somebody else"
        );

        // A disabled account stays closed, by its link and by its address.
        door.operate(&["user", "disable", "ana"]).await.unwrap();
        let page = try_it(&door, &provider, &ana()).await.unwrap_err();
        assert!(page.contains("is disabled"), "{engine}: {page}");
        door.operate(&["user", "disable", "ben"]).await.unwrap();
        let ben = json!({ "sub": "ben", "email": "ben@example.com", "email_verified": true });
        assert!(
            try_it(&door, &provider, &ben).await.is_err(),
            "{engine}: around the disabled account"
        );
        assert!(
            store
                .account_by_username(&"ben".parse().unwrap())
                .await
                .unwrap()
                .is_some()
        );

        // Somebody who was invited needs no password.
        door.operate(&["user", "add", "ivy", "--email", "ivy@example.com"])
            .await
            .unwrap();
        let ivy = json!({ "sub": "ivy", "email": "ivy@example.com", "email_verified": true });
        assert_eq!(try_it(&door, &provider, &ivy).await.unwrap(), "ivy", "{engine}");
    }
}

/// Sixty-four first sign-ins of one person at the same moment make one account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_first_sign_ins_make_one_account() {
    let provider = Provider::start().await;
    for rules in [
        OPEN,
        "accounts: create\nlink_by_verified_email: true\ngroups: { dev: developers }",
    ] {
        for door in Door::each(provider.plan(rules)).await {
            let engine = door.engine();
            let mut claims = ana();
            claims["email"] = json!("new@example.com");
            let mut asks = Vec::new();
            for _ in 0..64 {
                let mut browser = door.browser();
                let away = browser.leave("/sign-in", "corp").await;
                let back = provider.approve(&door, &away, &claims);
                let cookies: Vec<_> = browser
                    .cookies
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                asks.push(Ask::get(&back).with("cookie", cookies.join("; ")));
            }
            let mut replies = JoinSet::new();
            for ask in asks {
                replies.spawn(ask.to(door.address));
            }
            let replies = replies.join_all().await;
            assert!(
                replies.iter().all(|reply| reply.status == 303),
                "{engine}: {replies:?}"
            );
            let store = &door.running().house.foundation.store;
            assert_eq!(store.accounts().await.unwrap().len(), 4, "{engine}");
            assert_eq!(store.identities().await.unwrap().len(), 1, "{engine}");
            assert_eq!(door.audit("identity_linked").await.len(), 1, "{engine}");
            assert_eq!(door.audit("group_changed").await.len(), 1, "{engine}");
        }
    }
}

/// Sixty-four people with one verified address at the same moment: one of them gets the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_with_one_address_one_is_linked() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("link_by_verified_email: true")).await {
        let engine = door.engine();
        let mut replies = JoinSet::new();
        for n in 0..32 {
            let mut browser = door.browser();
            let away = browser.leave("/sign-in", "corp").await;
            let back = provider.approve(&door, &away, &ana_with("sub", json!(format!("u-{n}"))));
            let cookies: Vec<_> = browser
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            replies.spawn(
                Ask::get(&back)
                    .with("cookie", cookies.join("; "))
                    .to(door.address),
            );
        }
        let replies = replies.join_all().await;
        let let_in = replies.iter().filter(|reply| reply.status == 303).count();
        assert_eq!(let_in, 1, "{engine}: {replies:?}");
        assert_eq!(
            door.running()
                .house
                .foundation
                .store
                .identities()
                .await
                .unwrap()
                .len(),
            1,
            "{engine}"
        );
    }
}

/// Two providers are two people, whatever they call them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_sub_at_two_providers_is_two_people() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let door = Door::with(both(&provider, &other, OPEN)).await;
    assert_eq!(try_it(&door, &provider, &ana()).await.unwrap(), "ana+corp");
    door.advance(Duration::from_secs(1));
    let mut browser = door.browser();
    let away = browser.leave("/sign-in", "other").await;
    assert_eq!(
        browser.get(&other.approve(&door, &away, &ana())).await.status,
        303
    );
    assert_eq!(door.audit("signed_in").await[0]["username"], json!("ana+other"));
}

/// People are linked by command too, under the name of the provider.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_links_somebody() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan("groups: { dev: developers }")).await {
        let engine = door.engine();
        let page = try_it(&door, &provider, &ana()).await.unwrap_err();
        assert!(
            page.contains("u-1"),
            "{engine}: what the command wants is on the page"
        );
        let words = ["identity", "link", "eve", "--issuer", "corp", "--subject", "u-1"];
        door.operate(&words).await.unwrap();
        assert_eq!(try_it(&door, &provider, &ana()).await.unwrap(), "eve", "{engine}");
        let vestibule::operator::Answer::Item(eve) = door.operate(&["user", "show", "eve"]).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(eve["groups"], json!(["developers"]), "{engine}");
        assert_eq!(
            eve["groups_by_provider"],
            json!([format!("developers ({})", provider.url)]),
            "{engine}"
        );
        door.operate(&["identity", "unlink", "--issuer", "corp", "--subject", "u-1"])
            .await
            .unwrap();
        let store = &door.running().house.foundation.store;
        let view = store
            .account_view(door.account("eve").await)
            .await
            .unwrap()
            .unwrap();
        assert!(view.groups.is_empty(), "{engine}: its groups went with it");
    }
}
