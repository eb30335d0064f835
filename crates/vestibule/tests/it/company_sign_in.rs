//! Signing in with the company: an OpenID provider in front of the door, honest and not, on both databases.

mod accounts;
mod attacks;
mod client_key;
mod kinds;
mod linking;
mod logging_out;
mod losing;
mod pages;
mod refreshing;

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::provider::{self, Provider};
use crate::rig::{App, Browser, Door, Tokens, app};

const MINUTE: Duration = Duration::from_mins(1);

/// Rules under which everybody gets an account.
const OPEN: &str = "accounts: create\ngroups: { dev: developers }";

/// Somebody at the provider.
fn ana() -> Value {
    json!({
        "sub": "u-1", "preferred_username": "ana", "name": "Ana at Example", "email": "ana@example.com",
        "email_verified": true, "groups": ["dev", "all"], "acr": "gold", "amr": ["pwd", "otp"],
    })
}

/// The same with another value of a claim.
fn ana_with(name: &str, value: Value) -> Value {
    let mut ana = ana();
    ana[name] = value;
    ana
}

/// From an authorization request, through the provider, to the way back to the client.
async fn approve(
    browser: &mut Browser<'_>,
    door: &Door,
    provider: &Provider,
    app: &App,
    claims: &Value,
) -> String {
    let away = browser.leave(&app.authorize(&[]), "corp").await;
    let back = provider.approve(door, &away, claims);
    let reply = browser.get(&back).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    let next = reply.location().to_owned();
    assert!(next.starts_with("/authorize?"), "{next}");
    browser.get(&next).await;
    browser.answer("approve").await.location().to_owned()
}

/// OS-45, OS-46, MA-139: from the button to a call, and again; what the provider takes back is gone with the
/// next sign-in, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_button_to_a_call_and_groups_come_and_go() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let mut browser = door.browser();
        let back = approve(&mut browser, &door, &provider, &app, &ana()).await;
        let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        // There is an `ana` here, who is somebody else.
        let calls = door.calls_recorded(|rows| !rows.is_empty()).await;
        assert_eq!(calls[0]["username"], json!("ana+corp"), "{engine}");

        let account = door.account("ana+corp").await;
        let store = &door.running().house.foundation.store;
        let now = door.world.now();
        let [session] = &store.sessions_of(account, now - MINUTE, now).await.unwrap()[..] else {
            panic!("{engine}: one session")
        };
        let company = &session.proved;
        assert_eq!(
            (
                company.provider.as_deref(),
                company.acr.as_deref(),
                company.amr.as_deref()
            ),
            (Some("corp"), Some("gold"), Some("pwd otp")),
            "{engine}"
        );
        let linked = door.audit("identity_linked").await;
        assert_eq!((linked.len(), &linked[0]["made"]), (1, &json!(true)), "{engine}");
        assert_eq!(
            door.audit("signed_in").await[0]["method"],
            json!("provider:corp"),
            "{engine}"
        );
        assert_eq!(
            door.audit("group_changed").await[0]["group"],
            json!("developers"),
            "{engine}"
        );

        door.advance(Duration::from_secs(1));
        // The second time it is the same account; a group that is gone there is gone here, for tokens of before too.
        let mut stream = crate::rig::door::call("fixture", "hold", json!({}))
            .bearer(&tokens.access)
            .open(door.address)
            .await;
        assert_eq!(stream.status(), 200, "{engine}");
        let mut other = door.browser();
        let reply = other
            .sign_in_at(&door, &provider, &ana_with("groups", json!(["all"])))
            .await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/"),
            "{engine}: {}",
            other.page
        );
        assert!(
            stream.ends_within(Duration::from_secs(1)).await,
            "{engine}: the stream goes on"
        );
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert!(
            reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
        assert_eq!(door.account("ana+corp").await, account, "{engine}");
        assert_eq!(store.accounts().await.unwrap().len(), 4, "{engine}");
        let changed = door.audit("group_changed").await;
        assert_eq!(
            (changed.len(), &changed[0]["member"]),
            (2, &json!(false)),
            "{engine}"
        );
        // Groups that were given here stay whatever the provider says.
        door.operate(&["group", "add-member", "developers", "ana+corp"])
            .await
            .unwrap();
        let mut other = door.browser();
        other
            .sign_in_at(&door, &provider, &ana_with("groups", json!(null)))
            .await;
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert!(
            !reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
    }
}

/// The provider's word on when the person proved who they are is what programs are told, and a session of theirs ends
/// when the configuration says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_as_old_as_the_provider_says_and_a_session_lives_as_long_as_we_say() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(&format!("{OPEN}\nlifetime: 2h"))).await;
    let app = door.app().await;
    let mut browser = door.browser();
    let proved = door.world.now().as_seconds() - 1000;
    let back = approve(
        &mut browser,
        &door,
        &provider,
        &app,
        &ana_with("auth_time", json!(proved)),
    )
    .await;
    let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.claims()["auth_time"], json!(proved));
    door.advance(119 * MINUTE);
    assert_eq!(browser.get("/account").await.status, 200);
    door.advance(MINUTE);
    assert_eq!(browser.get("/account").await.location(), "/sign-in/account");
    // One of the future is one of now.
    let mut browser = door.browser();
    let now = door.world.now().as_seconds();
    let back = approve(
        &mut browser,
        &door,
        &provider,
        &app,
        &ana_with("auth_time", json!(now + 900)),
    )
    .await;
    let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
    assert_eq!(tokens.claims()["auth_time"], json!(now));
}

/// OS-32: `prompt=login` and `max_age` of the program are the provider's to fulfil, and are checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_proof_is_asked_for_at_the_provider_and_checked() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    let app = door.app().await;
    let now = door.world.now().as_seconds();
    for (changes, sent, too_old) in [
        (("prompt", "login"), json!(["login", "0"]), 60),
        (("max_age", "300"), json!([null, "300"]), 400),
    ] {
        let request = app.authorize(&[changes]);
        for (auth_time, good) in [
            (json!(now - too_old), false),
            (json!(null), false),
            (json!(now), true),
        ] {
            let mut browser = door.browser();
            if changes.0 == "prompt" {
                browser.sign_in("eve").await;
            }
            let away = browser.leave(&request, "corp").await;
            let asked = app::query_of(&away);
            assert_eq!(json!([asked["prompt"], asked["max_age"]]), sent, "{changes:?}");
            let back = provider.approve(&door, &away, &ana_with("auth_time", auth_time.clone()));
            let reply = browser.get(&back).await;
            if good {
                browser.get(reply.location()).await;
                assert!(
                    browser.page.contains("action=\"/consent\""),
                    "{changes:?}: {}",
                    browser.page
                );
            } else {
                assert_eq!(reply.status, 502, "{changes:?} {auth_time}");
                assert!(browser.page.contains("auth_time"), "{}", browser.page);
            }
        }
    }
}

/// What a scope asks for may be said at the userinfo endpoint alone, of the same person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn userinfo_says_what_the_id_token_does_not() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(&format!("{OPEN}\nauthentication: post"))).await;
    let thin = json!({ "sub": "u-7" });
    provider.userinfo(json!({ "sub": "u-8", "groups": ["dev"] }));
    let reply = door.browser().sign_in_at(&door, &provider, &thin).await;
    assert_eq!(reply.status, 502, "about somebody else: {reply:?}");
    provider.userinfo(
        json!({ "sub": "u-7", "groups": ["dev"], "preferred_username": "Zoe", "iss": "https://evil" }),
    );
    let mut browser = door.browser();
    let reply = browser.sign_in_at(&door, &provider, &thin).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    browser.get("/account").await;
    assert!(
        browser.page.contains("zoe+corp") && browser.page.contains("developers"),
        "{}",
        browser.page
    );
    let request = provider.token_requests().pop().unwrap();
    assert!(
        request.contains("client_secret=") && !request.contains("authorization:"),
        "{request}"
    );
}

/// A sign-in that began at one replica ends at another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_may_come_back_to_another_replica() {
    let provider = Provider::start().await;
    let mut doors = Door::each(provider.plan(OPEN)).await;
    if doors.len() < 2 {
        return;
    }
    let first = doors.pop().unwrap();
    let second = first.replica().await;
    let mut browser = first.browser();
    let away = browser.leave("/sign-in", "corp").await;
    let back = provider.approve(&first, &away, &ana());
    let cookies: Vec<_> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let ask = crate::rig::Ask::get(&back)
        .with("host", first.address.to_string())
        .with("cookie", cookies.join("; "));
    let reply = ask.to(second.address).await;
    assert_eq!((reply.status, reply.location()), (303, "/"), "{reply:?}");
    let reply = browser.get(&back).await;
    assert_eq!(reply.status, 400, "and once");
}

/// Two providers at once.
fn both(first: &Provider, second: &Provider, more: &str) -> crate::rig::Plan {
    provider::plan(&[first.section("corp", more), second.section("other", more)], "")
}
