//! Passkeys, with a device of the tests' own.

use std::time::Duration;

use serde_json::json;

use super::{is_in, named, password, refusal};
use crate::rig::authenticator::Device;
use crate::rig::{Browser, Door, Plan};

async fn enrolled(door: &Door, username: &str) -> Device {
    let mut owner = door.browser();
    owner.sign_in(username).await;
    let mut device = Device::new(door);
    let reply = owner.add_passkey(&mut device, "My \u{202e}phone").await;
    assert_eq!(
        (reply.status, reply.location()),
        (303, "/account#security"),
        "{}",
        owner.page
    );
    device
}

/// Web Authentication section 7.2: in without a name or a password, with `amr` of RFC 8176; and where the password is
/// typed, the passkey is the second factor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_signs_in_by_itself() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let mut device = enrolled(&door, "ana").await;
        door.advance(Duration::from_secs(1));
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let reply = browser.use_passkey(&mut device).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/"),
            "{engine}: {}",
            browser.page
        );
        let event = &door.audit("signed_in").await[0];
        assert_eq!(
            (&event["method"], &event["username"]),
            (&json!("passkey"), &json!("ana")),
            "{engine}"
        );
        browser.get("/account").await;
        assert!(
            browser.page.contains("value=\"My phone\""),
            "{engine}: {}",
            browser.page
        );
        assert!(browser.page.contains("last used"), "{engine}: {}", browser.page);
        let store = &door.running().house.foundation.store;
        let now = door.world.now();
        let sessions = store
            .sessions_of(door.account("ana").await, now - Duration::from_mins(1), now)
            .await;
        let proved = &sessions.unwrap()[0].proved;
        assert_eq!(
            (proved.acr.as_deref(), proved.amr.as_deref()),
            (Some("phr"), Some("pop user mfa")),
            "{engine}"
        );

        let mut other = door.browser();
        assert_eq!(password(&mut other, "ana").await.status, 200, "{engine}");
        assert!(!other.page.contains("name=\"code\""), "{engine}: there is no app");
        assert!(!is_in(&mut other.clone()).await, "{engine}");
        let reply = other.use_passkey(&mut device).await;
        assert_eq!(reply.status, 303, "{engine}: {}", other.page);
    }
}

async fn answer(browser: &mut Browser<'_>, ceremony: &str, credential: &str) -> u16 {
    let form = browser
        .form("/sign-in/passkey")
        .set("ceremony", ceremony)
        .set("credential", credential);
    browser.submit(&form).await.status
}

/// Web Authentication sections 7.2 and 13.4: another browser, another origin, an owner who was not verified, a counter that
/// went back, a challenge that was answered or is too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_signs_nobody_in() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let mut device = enrolled(&door, "ana").await;
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let begun = browser.begun("/sign-in/passkey").await;
        let id = begun["ceremony"].as_str().unwrap();
        let credential = device.get(&begun["options"]);

        let mut foreign = door.browser();
        foreign.get("/sign-in").await;
        assert_eq!(
            answer(&mut foreign, id, &credential).await,
            403,
            "{engine}: a foreign browser"
        );
        let page = browser.page.clone();
        assert_eq!(
            answer(&mut browser, id, &credential).await,
            303,
            "{engine}: the right one"
        );
        browser.page = page;
        assert_eq!(
            answer(&mut browser, id, &credential).await,
            403,
            "{engine}: reused"
        );

        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let origin = std::mem::replace(&mut device.origin, "https://gw.example.com.evil.test".to_owned());
        assert_eq!(
            browser.use_passkey(&mut device).await.status,
            403,
            "{engine}: another origin"
        );
        assert!(
            refusal(&door).await.contains("origin"),
            "{engine}: {}",
            refusal(&door).await
        );
        device.origin = origin;
        device.verifies = false;
        assert_eq!(
            browser.use_passkey(&mut device).await.status,
            403,
            "{engine}: not verified"
        );
        device.verifies = true;
        device.goes_back();
        assert_eq!(
            browser.use_passkey(&mut device).await.status,
            403,
            "{engine}: a copy"
        );
        let begun = browser.begun("/sign-in/passkey").await;
        door.advance(Duration::from_mins(5));
        let credential = device.get(&begun["options"]);
        let id = begun["ceremony"].as_str().unwrap();
        assert_eq!(
            answer(&mut browser, id, &credential).await,
            403,
            "{engine}: too late"
        );
        let mut stranger = Device::new(&door);
        assert_eq!(
            browser.use_passkey(&mut stranger).await.status,
            403,
            "{engine}: unknown"
        );
        assert_eq!(answer(&mut browser, "x", "{}").await, 403, "{engine}: nothing");
        assert!(!is_in(&mut browser).await, "{engine}");
    }
}

/// A disabled account's passkey is of no use, and neither is one that was removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_ends_with_its_account_and_by_its_owner() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let mut device = enrolled(&door, "ana").await;
        door.operate(&["user", "disable", "ana"]).await.unwrap();
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        assert_eq!(browser.use_passkey(&mut device).await.status, 403, "{engine}");
        door.operate(&["user", "enable", "ana"]).await.unwrap();
        assert_eq!(
            browser.use_passkey(&mut device).await.status,
            303,
            "{engine}: {}",
            browser.page
        );
        browser.get("/account").await;
        let action = browser.page.split("action=\"/account/passkeys/").nth(1).unwrap();
        let id = action.split('/').next().unwrap().to_owned();
        door.advance(Duration::from_secs(1));
        let form = browser
            .form(&format!("/account/passkeys/{id}/name"))
            .set("name", "Work key");
        assert_eq!(browser.submit(&form).await.status, 303, "{engine}");
        browser.get("/account").await;
        assert!(
            browser.page.contains("value=\"Work key\""),
            "{engine}: {}",
            browser.page
        );
        door.advance(Duration::from_secs(1));
        // Of another account it is nothing.
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        eve.get("/account").await;
        let token = eve.form("/account/totp").field("token").unwrap().to_owned();
        let form = browser.form(&format!("/account/passkeys/{id}/remove"));
        let stolen = form.clone().set("token", &token);
        assert_eq!(eve.submit(&stolen).await.status, 409, "{engine}");
        assert_eq!(browser.submit(&form).await.status, 303, "{engine}");
        let mut other = door.browser();
        other.get("/sign-in").await;
        assert_eq!(other.use_passkey(&mut device).await.status, 403, "{engine}");
        let changes: Vec<_> = door.audit("factor_changed").await;
        let changes: Vec<_> = changes
            .iter()
            .map(|event| event["change"].as_str().unwrap())
            .collect();
        assert_eq!(changes, ["removed", "named", "added"], "{engine}");
    }
}

/// An account's new passkey is asked for by its owner, in the session that adds it; a door without a name has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_added_where_it_was_asked_for() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/account").await;
        let begun = ana.begun("/account/passkeys").await;
        let mut device = Device::new(&door);
        let credential = device.create(&begun["options"]);
        let mut eve = door.browser();
        eve.sign_in("eve").await;
        eve.get("/account").await;
        let id = begun["ceremony"].as_str().unwrap();
        let filled = |browser: &Browser<'_>| {
            browser
                .form("/account/passkeys")
                .set("ceremony", id)
                .set("credential", &credential)
                .set("name", "x")
        };
        let form = filled(&eve);
        assert_eq!(eve.submit(&form).await.status, 400, "{engine}");
        let form = filled(&ana);
        assert_eq!(ana.submit(&form).await.status, 303, "{engine}: {}", ana.page);
        assert_eq!(
            ana.submit(&form).await.status,
            403,
            "{engine}: what there is by now is proved first"
        );
        assert!(ana.page.contains("/sign-in/passkey"), "{engine}: {}", ana.page);
    }
    let door = Door::with(Plan::default()).await;
    let mut browser = door.browser();
    browser.get("/sign-in").await;
    assert!(
        !browser.page.contains("/sign-in/passkey"),
        "an address is no name: {}",
        browser.page
    );
}

/// The page for the second factor says whose it waits for: another person's passkey is none, and what is waited for is on
/// record. A session that has ended adds nothing, and adding ends the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_is_of_who_gave_the_first() {
    for door in Door::each(named()).await {
        let engine = door.engine();
        let mut anas = enrolled(&door, "ana").await;
        let mut early = door.browser();
        early.sign_in("ben").await;
        let mut bens = enrolled(&door, "ben").await;
        assert!(!is_in(&mut early).await, "{engine}: began without the factor");

        let mut browser = door.browser();
        password(&mut browser, "ana").await;
        let page = browser.page.clone();
        assert_eq!(door.audit("second_factor_asked").await.len(), 1, "{engine}");
        assert_eq!(
            browser.use_passkey(&mut bens).await.status,
            403,
            "{engine}: ben's"
        );
        assert!(!is_in(&mut browser.clone()).await, "{engine}");
        browser.page = page;
        assert_eq!(
            browser.use_passkey(&mut anas).await.status,
            303,
            "{engine}: {}",
            browser.page
        );
    }
}
