//! The end of a session at the company, on both sides: a provider that says so (OpenID Connect Back-Channel Logout 1.0), and
//! the way to its own sign-out.

use serde_json::{Value, json};

use super::{MINUTE, OPEN, ana, ana_with, approve};
use crate::rig::app::code_of;
use crate::rig::provider::{Provider, Sign};
use crate::rig::{Ask, Browser, Door, Reply, Tokens};

async fn tell(door: &Door, token: &str) -> Reply {
    door.ask(Ask::form("/backchannel-logout/corp", &[("logout_token", token)]))
        .await
}

async fn is_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/apps").await.status == 200
}

/// Ana in a new browser, in this session at the provider.
async fn signed_in<'d>(door: &'d Door, provider: &Provider, sid: Value) -> Browser<'d> {
    let mut browser = door.browser();
    let reply = browser.sign_in_at(door, provider, &ana_with("sid", sid)).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    browser
}

/// Sections 2.6 and 2.7: the session that is named ends, or all that the provider began for the person; what began later, by
/// a password or for others stays, and so do programs. The same token again ends nothing new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_ends_what_it_began() {
    let provider = Provider::start().await;
    for door in Door::each(provider.plan(OPEN)).await {
        let engine = door.engine();
        let mut one = signed_in(&door, &provider, json!("s-1")).await;
        let mut two = signed_in(&door, &provider, json!("s-2")).await;
        let mut three = signed_in(&door, &provider, Value::Null).await;
        let mut other = door.browser();
        let ben = json!({ "sub": "u-2", "preferred_username": "ben", "sid": "s-1" });
        other.sign_in_at(&door, &provider, &ben).await;
        let mut local = door.browser();
        local.sign_in("ana").await;
        let app = door.app().await;
        let mut four = door.browser();
        let back = approve(&mut four, &door, &provider, &app, &ana()).await;
        let tokens = Tokens::of(&app.redeem(&code_of(&back)).await);

        // One session by its name, of this person.
        let token = provider.logout_token(&door, &json!({ "sub": "u-1", "sid": "s-1" }));
        let reply = tell(&door, &token).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        assert_eq!(reply.headers["cache-control"], "no-store", "{engine}");
        let left = [
            is_in(&mut one).await,
            is_in(&mut two).await,
            is_in(&mut three).await,
            is_in(&mut other).await,
        ];
        assert_eq!(left, [false, true, true, true], "{engine}");
        let recorded = door.audit("signed_out").await;
        assert_eq!(recorded.len(), 1, "{engine}: {recorded:?}");
        assert_eq!(recorded[0]["provider"], "corp", "{engine}");

        // By its name alone.
        let token = provider.logout_token(&door, &json!({ "sid": "s-2" }));
        assert_eq!(tell(&door, &token).await.status, 200, "{engine}");
        assert!(!is_in(&mut two).await && is_in(&mut three).await, "{engine}");

        // All of the person.
        door.clock.advance(MINUTE);
        let token = provider.logout_token(&door, &json!({ "sub": "u-1" }));
        assert_eq!(tell(&door, &token).await.status, 200, "{engine}");
        assert!(!is_in(&mut three).await && !is_in(&mut four).await, "{engine}");
        assert!(is_in(&mut other).await && is_in(&mut local).await, "{engine}");
        assert_eq!(
            app.refresh(&tokens.refresh).await.status,
            200,
            "{engine}: a program lost its grant"
        );

        // Later, and the same token again.
        door.clock.advance(MINUTE);
        let mut later = signed_in(&door, &provider, json!("s-1")).await;
        assert_eq!(tell(&door, &token).await.status, 200, "{engine}");
        assert!(
            is_in(&mut later).await,
            "{engine}: a token ended what began after it"
        );

        // Somebody whom nobody knows here; and somebody known with a session that is another's.
        for claims in [json!({ "sub": "u-9" }), json!({ "sub": "u-2", "sid": "s-2" })] {
            let token = provider.logout_token(&door, &claims);
            assert_eq!(tell(&door, &token).await.status, 200, "{engine}");
            assert!(is_in(&mut later).await && is_in(&mut other).await, "{engine}");
        }
    }
}

/// Section 2.6: what is no logout token of this provider for this door ends nothing; keys that cannot be had are no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_does_not_count_ends_nothing() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    let mut ana = signed_in(&door, &provider, json!("s-1")).await;
    let sub = json!({ "sub": "u-1" });
    let laid_over = |name: &str, value: Value| {
        let mut claims = sub.clone();
        claims[name] = value;
        provider.logout_token(&door, &claims)
    };
    let mut bad = vec![
        String::new(),
        "a.b.c".to_owned(),
        laid_over("aud", json!("another")),
        laid_over("iss", json!("https://evil.example")),
        laid_over("nonce", json!("an-id-token")),
        laid_over("events", json!({})),
        laid_over("exp", json!(door.world.now().as_seconds() - 600)),
        provider.logout_token(&door, &json!({})),
    ];
    for sign in [Sign::Not, Sign::WithSecret, Sign::AsAccess] {
        provider.sign(sign);
        bad.push(provider.logout_token(&door, &sub));
    }
    provider.sign(Sign::Well);
    for (at, token) in bad.iter().enumerate() {
        let reply = tell(&door, token).await;
        assert_eq!(reply.status, 400, "{at}: {reply:?}");
        assert_eq!(reply.json()["error"], "invalid_request", "{at}");
        assert!(is_in(&mut ana).await, "{at}");
    }
    // An unknown key: nobody can say until the keys may be asked for again.
    provider.sign(Sign::Strangely);
    assert_eq!(tell(&door, &provider.logout_token(&door, &sub)).await.status, 503);
    door.clock.advance(MINUTE);
    assert_eq!(tell(&door, &provider.logout_token(&door, &sub)).await.status, 400);
    provider.sign(Sign::Well);
    assert!(is_in(&mut ana).await);
    let good = provider.logout_token(&door, &sub);
    let elsewhere = Ask::form("/backchannel-logout/nobody", &[("logout_token", &good)]);
    assert_eq!(door.ask(elsewhere).await.status, 400);
    assert!(is_in(&mut ana).await);
    assert_eq!(tell(&door, &good).await.status, 200);
    assert!(!is_in(&mut ana).await);
}

/// RP-Initiated Logout 1.0 section 2: who signs out here is shown the way out there, if there is one; a shared computer would
/// let the next one in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_out_at_the_provider_is_shown() {
    let provider = Provider::start().await;
    provider.has_sign_out();
    let door = Door::with(provider.plan(OPEN)).await;
    for (page, form) in [("/apps", "/sign-out"), ("/logout", "/logout")] {
        let mut browser = signed_in(&door, &provider, Value::Null).await;
        browser.get(page).await;
        let form = browser.form(form);
        let reply = browser.submit(&form).await;
        assert_eq!(reply.status, 200, "{page}: {reply:?}");
        let way = format!("{}/sign-out?client_id=door", provider.url);
        assert!(
            reply.body.contains(&way) && reply.body.contains("Sign out at Example corp too"),
            "{page}: {}",
            reply.body
        );
        assert!(!is_in(&mut browser).await, "{page}");
    }
    // Nothing of it for a password.
    let mut local = door.browser();
    local.sign_in("ana").await;
    local.get("/apps").await;
    let form = local.form("/sign-out");
    assert_eq!(local.submit(&form).await.location(), "/sign-in");
}
