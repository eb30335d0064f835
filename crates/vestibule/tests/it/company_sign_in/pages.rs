//! The pages around a company sign-in: which ways there are, and what is said when one does not lead in.

use serde_json::json;

use super::{MINUTE, OPEN, ana, both};
use crate::rig::provider::{self, Provider};
use crate::rig::{Ask, Door, PASSWORD, app};

/// A provider that is away is named, with what to do; nobody goes around in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_named() {
    let provider = Provider::start().await;
    let door = Door::with(provider::plan(
        &[provider.section("corp", OPEN)],
        "passwords: false",
    ))
    .await;
    provider.is_down(true);
    let app = door.app().await;
    let mut browser = door.browser();
    let reply = browser.get(&app.authorize(&[])).await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert!(
        browser.page.contains("Example corp does not answer"),
        "{}",
        browser.page
    );
    assert!(
        browser.page.contains("<code>provider_unavailable</code>")
            && browser.page.contains("href=\"/authorize?")
    );
    let chinese = browser
        .send(Ask::get("/sign-in/callback/corp?state=x").with("accept-language", "zh-TW"))
        .await;
    assert!(chinese.body.contains("這次登入已不再有效"), "{chinese:?}");

    // Down between the way there and the way back: the code is not lost on anybody, the person begins again.
    provider.is_down(false);
    door.advance(MINUTE);
    let away = browser.get(&app.authorize(&[])).await.location().to_owned();
    let back = provider.approve(&door, &away, &ana());
    provider.is_down(true);
    let reply = browser.get(&back).await;
    assert_eq!(reply.status, 503, "{}", browser.page);
    provider.is_down(false);
    door.advance(MINUTE);
    let away = browser.get(&app.authorize(&[])).await.location().to_owned();
    let reply = browser.get(&provider.approve(&door, &away, &ana())).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    // What is known of it goes on counting while it cannot be asked.
    provider.is_down(true);
    door.advance(120 * MINUTE);
    let away = door.browser().get(&app.authorize(&[])).await;
    assert_eq!(away.status, 303, "{away:?}");
}

/// Whoever gives up at the provider is back on the sign-in page, with a sentence and the same request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_leads_back_to_the_page() {
    let provider = Provider::start().await;
    for more in ["passwords: true", "passwords: false"] {
        let door = Door::with(provider::plan(&[provider.section("corp", OPEN)], more)).await;
        let app = door.app().await;
        let mut browser = door.browser();
        let first = browser.get(&app.authorize(&[])).await;
        let away = match first.status {
            303 => first.location().to_owned(),
            _ => browser.leave(&app.authorize(&[]), "corp").await,
        };
        let back = provider.approve(&door, &away, &ana());
        let denied = back.replace("code=", "error=access_denied&error_description=%3Cb%3E&x=");
        let reply = browser.get(&denied).await;
        assert_eq!(reply.status, 403, "{more}: {}", browser.page);
        assert!(
            browser
                .page
                .contains("did not finish signing in with Example corp"),
            "{}",
            browser.page
        );
        let form = browser.form("/sign-in");
        assert!(
            form.action.contains("client_id="),
            "{more}: the request goes on: {form:?}"
        );
        let away = browser.submit(&form).await.location().to_owned();
        let reply = browser.get(&provider.approve(&door, &away, &ana())).await;
        assert!(reply.location().starts_with("/authorize?"), "{more}: {reply:?}");
        assert!(!door.audit("sign_in_refused").await.is_empty());

        // Another error is not the person's doing.
        let mut browser = door.browser();
        let away = browser.leave("/sign-in", "corp").await;
        let back = provider
            .approve(&door, &away, &ana())
            .replace("code=", "error=invalid_scope&x=");
        assert_eq!(browser.get(&back).await.status, 502);
        let away = browser.leave("/sign-in", "corp").await;
        let back = provider
            .approve(&door, &away, &ana())
            .replace("code=", "error=temporarily_unavailable&x=");
        assert_eq!(browser.get(&back).await.status, 503);
    }
}

/// Without passwords no page asks for one, and none lets anybody in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_can_be_off() {
    let provider = Provider::start().await;
    let mut door = Door::with(provider.plan(OPEN)).await;
    let (mut early, mut other) = (door.browser(), door.browser());
    early.get("/sign-in").await;
    let form = early.form("/sign-in");
    let link = door.operate(&["user", "invite", "eve"]).await.unwrap();
    let link = format!("{link:?}")
        .split("/invitation/")
        .nth(1)
        .unwrap()
        .chars()
        .take(66)
        .collect::<String>();
    other.sign_in("ana").await;
    other.get("/account").await;
    let change = other.form("/account/password");
    let (cookies, others) = (early.cookies.clone(), other.cookies.clone());
    door.reconfigure(|text| text.replace("sign_in:", "sign_in:\n  passwords: false"))
        .await;
    let mut browser = door.browser();
    browser.cookies = cookies;
    let mut form = form.set("username", "ana").set("password", PASSWORD);
    form.fields.retain(|(name, _)| name != "provider");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 400, "{}", browser.page);
    browser.get("/sign-in").await;
    assert!(!browser.page.contains("type=\"password\""), "{}", browser.page);
    let reply = browser.get(&format!("/invitation/{link}")).await;
    assert_eq!(reply.status, 403, "{}", browser.page);
    assert!(
        browser.page.contains("<code>no_passwords</code>"),
        "{}",
        browser.page
    );
    let mut other = door.browser();
    other.cookies = others;
    assert_eq!(other.submit(&change.set("current", PASSWORD)).await.status, 403);

    // One provider, nothing to choose: a program's request goes there at once; somebody who signs out stays.
    let app = door.app().await;
    let mut browser = door.browser();
    let away = browser
        .get(&app.authorize(&[("login_hint", "ana@example.com")]))
        .await
        .location()
        .to_owned();
    assert_eq!(app::query_of(&away)["login_hint"], json!("ana@example.com"));
    let reply = browser.get(&provider.approve(&door, &away, &ana())).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    browser.get("/account").await;
    let sign_out = browser.form("/sign-out");
    assert_eq!(browser.submit(&sign_out).await.location(), "/sign-in");
    let reply = browser.get("/sign-in").await;
    assert_eq!(reply.status, 200, "no way back in without a click");
    assert!(
        browser.page.contains("Sign in with Example corp"),
        "{}",
        browser.page
    );
    // And nobody is asked silently who must not be asked.
    let silent = browser.get(&app.authorize(&[("prompt", "none")])).await;
    assert!(silent.location().contains("login_required"), "{silent:?}");
}

/// An address is enough to find the way, with passwords beside it and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_finds_its_provider() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    for more in ["passwords: true", "passwords: false"] {
        let sections = [
            provider.section("corp", "domains: [example.com]"),
            other.section("other", "domains: [example.org]"),
        ];
        let door = Door::with(provider::plan(&sections, more)).await;
        let app = door.app().await;
        let mut browser = door.browser();
        let reply = browser.get(&app.authorize(&[])).await;
        assert_eq!(reply.status, 200, "{more}: there is something to choose");
        let mut form = browser.form("/sign-in");
        form.fields.retain(|(name, _)| name != "provider");
        let reply = browser
            .submit(
                &form
                    .clone()
                    .set("username", " Zoe@Example.ORG ")
                    .set("password", ""),
            )
            .await;
        assert!(reply.location().starts_with(&other.url), "{more}: {reply:?}");
        let reply = browser
            .submit(
                &form
                    .clone()
                    .set("username", "zoe@example.net")
                    .set("password", ""),
            )
            .await;
        assert_eq!(reply.status, 400, "{more}");
        assert!(browser.page.contains("role=\"alert\""), "{}", browser.page);
        if more.ends_with("true") {
            let reply = browser
                .submit(&form.set("username", "ana").set("password", PASSWORD))
                .await;
            assert_eq!(reply.status, 303, "{more}: passwords go on: {}", browser.page);
        }
    }
}

/// Providers come and go with the configuration, and what is wrong with it is said before anybody is kept out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_configuration_counts_at_once() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let mut door = Door::with(both(&provider, &other, OPEN)).await;
    let (cookies, target) = {
        let mut browser = door.browser();
        let away = browser.leave("/sign-in", "other").await;
        (browser.cookies.clone(), other.approve(&door, &away, &ana()))
    };
    let section = other.section("other", OPEN);
    door.reconfigure(|text| text.replace(&section, "")).await;
    let mut browser = door.browser();
    browser.cookies = cookies;
    assert_eq!(
        browser.get(&target).await.status,
        400,
        "a provider that is gone lets nobody in"
    );
    browser.get("/sign-in").await;
    assert!(!browser.page.contains("Example other"), "{}", browser.page);
    let refused = door
        .try_reconfigure(|text| text.replace("client_id: door", "client_id: ''"))
        .await;
    assert!(refused.unwrap_err().contains("sign_in.providers.corp.client_id"));
}
