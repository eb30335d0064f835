//! OS-46: what somebody brings back from a provider that this browser did not begin, or that the provider did not say.

use serde_json::{Value, json};

use super::{MINUTE, OPEN, ana, ana_with, both};
use crate::rig::provider::{Provider, Sign};
use crate::rig::{Browser, Door, Reply, app};

async fn nobody_came_in(door: &Door) {
    let store = &door.running().house.foundation.store;
    assert!(door.audit("signed_in").await.is_empty());
    assert_eq!(store.accounts().await.unwrap().len(), 3, "nobody was made");
    assert!(store.identities().await.unwrap().is_empty());
}

fn refused(browser: &Browser<'_>, reply: &Reply, status: u16, slug: &str, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", browser.page);
    assert!(
        browser.page.contains(&format!("<code>{slug}</code>")),
        "{what}: {}",
        browser.page
    );
    assert!(
        !browser.cookies.keys().any(|name| name.ends_with("session")),
        "{what}"
    );
    assert!(
        reply.header("content-type").unwrap().starts_with("text/html"),
        "{what}"
    );
}

/// MA-139: state is random, of one browser, of one provider, for a quarter of an hour, and works once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_this_browser_did_not_begin() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    for door in Door::each(both(&provider, &other, OPEN)).await {
        let engine = door.engine();
        let mut victim = door.browser();
        let away = victim.leave("/sign-in", "corp").await;
        let good = provider.approve(&door, &away, &ana());
        let with = |name: &str, value: &str| {
            let mut query = app::query_of(&good);
            query[name] = json!(value);
            let pairs = query.as_object().unwrap().iter();
            let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
            format!("/sign-in/callback/corp?{}", protocol::params::encode(pairs))
        };
        // The attacker's own, shown to the victim, who would then be signed in as the attacker.
        let mut attacker = door.browser();
        let away = attacker.leave("/sign-in", "corp").await;
        let theirs = provider.approve(&door, &away, &ana_with("sub", json!("attacker")));
        let state = app::query_of(&theirs)["state"].as_str().unwrap().to_owned();
        for (what, target) in [
            ("another browser's answer", theirs.clone()),
            ("another browser's state", with("state", &state)),
            ("no such state", with("state", "made-up")),
            ("no state", with("state", "")),
            ("another provider's address", good.replace("/corp?", "/other?")),
            ("no such provider", good.replace("/corp?", "/nobody?")),
        ] {
            let reply = victim.get(&target).await;
            refused(&victim, &reply, 400, "sign_in_gone", what);
        }
        // A browser without the cookie, with everything else: the answer was stolen on its way.
        let mut thief = door.browser();
        let reply = thief.get(&good).await;
        refused(&thief, &reply, 400, "sign_in_gone", "a thief");
        nobody_came_in(&door).await;
        // What has not the form of an answer to this browser is not recorded: anybody could fill the record with it.
        assert_eq!(door.audit("sign_in_refused").await.len(), 3, "{engine}");
        // None of that took it from the victim, and it works once.
        let reply = victim.get(&good).await;
        assert_eq!(reply.status, 303, "{engine}: {}", victim.page);
        let mut again = victim.clone();
        again.cookies.retain(|name, _| !name.ends_with("session"));
        let reply = again.get(&good).await;
        refused(&again, &reply, 400, "sign_in_gone", "a second time");
        assert_eq!(
            provider.token_requests().len(),
            1,
            "{engine}: its code was not shown again"
        );

        let mut late = door.browser();
        let away = late.leave("/sign-in", "corp").await;
        let good = provider.approve(&door, &away, &ana());
        door.advance(15 * MINUTE);
        let reply = late.get(&good).await;
        refused(&late, &reply, 400, "sign_in_gone", "too late");
        provider.forget_requests();
    }
}

/// RFC 9207: the answer of another issuer is believed in nothing, not even in its error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_issuer() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let door = Door::with(both(&provider, &other, OPEN)).await;
    for (what, iss) in [
        ("another", Some(other.url.as_str())),
        ("none", None),
        ("an empty one", Some("")),
    ] {
        for error in [false, true] {
            let mut browser = door.browser();
            let away = browser.leave("/sign-in", "corp").await;
            let query = app::query_of(&provider.approve(&door, &away, &ana()));
            let mut pairs = vec![("state", query["state"].as_str().unwrap())];
            pairs.push(if error {
                ("error", "access_denied")
            } else {
                ("code", query["code"].as_str().unwrap())
            });
            pairs.extend(iss.map(|iss| ("iss", iss)));
            let target = format!("/sign-in/callback/corp?{}", protocol::params::encode(pairs));
            let reply = browser.get(&target).await;
            refused(&browser, &reply, 502, "provider_answer", what);
        }
    }
    assert!(
        provider.token_requests().is_empty(),
        "no code was shown to anybody"
    );
    // The code of one provider at the address of the other, with a state that fits: the other does not know it, and
    // its own tokens name itself.
    let mut browser = door.browser();
    let away = browser.leave("/sign-in", "other").await;
    let own = app::query_of(&other.approve(&door, &away, &ana()));
    let away = browser.leave("/sign-in", "corp").await;
    let code = app::query_of(&provider.approve(&door, &away, &ana()))["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let pairs = [
        ("code", code.as_str()),
        ("state", own["state"].as_str().unwrap()),
        ("iss", &other.url),
    ];
    let reply = browser
        .get(&format!(
            "/sign-in/callback/other?{}",
            protocol::params::encode(pairs)
        ))
        .await;
    refused(
        &browser,
        &reply,
        502,
        "provider_answer",
        "the code of another provider",
    );
    nobody_came_in(&door).await;

    // Where the provider promises nothing, nothing is missed.
    let quiet = Provider::start().await;
    quiet.names_issuer(false);
    let door = Door::with(quiet.plan(OPEN)).await;
    let mut browser = door.browser();
    let away = browser.leave("/sign-in", "corp").await;
    let back = quiet.approve(&door, &away, &ana());
    let without = back.split("&iss=").next().unwrap();
    assert_eq!(browser.get(without).await.status, 303, "{}", browser.page);
}

/// OS-121: every ID token that is not what it must be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_token_that_is_not_what_it_must_be() {
    let provider = Provider::start().await;
    let door = Door::with(provider.plan(OPEN)).await;
    let now = door.world.now().as_seconds();
    let claims: [(&str, Value); 10] = [
        ("nonce", json!("of another sign-in")),
        ("nonce", json!(null)),
        ("iss", json!("https://evil.example")),
        ("aud", json!("another client")),
        ("aud", json!(["door", "another client"])),
        ("azp", json!("another client")),
        ("exp", json!(now - 60)),
        ("iat", json!(now + 600)),
        ("sub", json!(null)),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ];
    for (name, value) in claims {
        let mut browser = door.browser();
        let reply = browser
            .sign_in_at(&door, &provider, &ana_with(name, value.clone()))
            .await;
        refused(
            &browser,
            &reply,
            502,
            "provider_answer",
            &format!("{name} {value}"),
        );
    }
    for sign in [Sign::Not, Sign::WithSecret, Sign::AsAccess] {
        provider.sign(sign);
        let mut browser = door.browser();
        let reply = browser.sign_in_at(&door, &provider, &ana()).await;
        refused(&browser, &reply, 502, "provider_answer", &format!("{sign:?}"));
    }
    // Nobody can say that a key is wrong that may be new; then it is.
    provider.sign(Sign::Well);
    let good = ana_with("at_hash", json!(keys::digest::at_hash("access-at-the-provider")));
    assert_eq!(
        door.browser().sign_in_at(&door, &provider, &good).await.status,
        303
    );
    provider.sign(Sign::Strangely);
    door.advance(11 * MINUTE);
    let mut browser = door.browser();
    let reply = browser.sign_in_at(&door, &provider, &ana()).await;
    refused(&browser, &reply, 502, "provider_answer", "a stranger's key");
    assert_eq!(door.audit("signed_in").await.len(), 1);
    assert!(door.audit("sign_in_refused").await.len() >= 14);
}
