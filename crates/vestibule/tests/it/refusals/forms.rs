//! Pages: forged, stale, foreign and repeated forms (OS-35 to OS-40, OS-44, CC-51).

use std::time::Duration;

use super::{Want, check};
use crate::rig::{Ask, Door, PASSWORD, app};

/// OS-39, MA-136: nothing is done for a form that one of our own pages did not give to this very browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_another_page_sent_does_nothing() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.authorize(&app.authorize(&[]), "ana").await;
    let consent = browser.form("/consent").set("answer", "approve");
    let mut other = door.browser();
    other.authorize(&app.authorize(&[]), "ben").await;
    let foreign = other.form("/consent");
    let send = |form: &crate::rig::browser::Form, headers: &[(&str, &str)]| {
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut ask = Ask::form(&form.action, &fields);
        for (name, value) in headers {
            ask = ask.with(name, *value);
        }
        ask
    };
    let own = [("origin", door.url.as_str()), ("sec-fetch-site", "same-origin")];
    let cases = [
        (
            "another site",
            send(
                &consent,
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
            ),
            "stale_form",
        ),
        (
            "another site, by origin alone",
            send(&consent, &[("origin", "https://evil.example")]),
            "stale_form",
        ),
        (
            "a sibling of ours",
            send(
                &consent,
                &[("origin", "https://x.127.0.0.1"), ("sec-fetch-site", "same-site")],
            ),
            "stale_form",
        ),
        (
            "no form token",
            send(&consent.clone().set("token", ""), &own),
            "stale_form",
        ),
        (
            "a made-up form token",
            send(
                &consent
                    .clone()
                    .set("token", "0123456789012345678901234567890123456789"),
                &own,
            ),
            "stale_form",
        ),
        (
            "somebody else's form token",
            send(
                &consent.clone().set("token", foreign.field("token").unwrap()),
                &own,
            ),
            "stale_form",
        ),
        (
            "somebody else's transaction",
            send(
                &consent
                    .clone()
                    .set("transaction", foreign.field("transaction").unwrap()),
                &own,
            ),
            "consent_gone",
        ),
        (
            "a transaction that is none",
            send(&consent.clone().set("transaction", "x"), &own),
            "consent_gone",
        ),
    ];
    for (name, ask, code) in cases {
        let reply = browser.send(ask).await;
        let status = if code == "stale_form" { 403 } else { 400 };
        check(name, &reply, Want::Page(status, code));
    }
    // Without the cookie there is nobody to ask.
    let mut nobody = door.browser();
    let reply = nobody.send(send(&consent, &own)).await;
    assert_eq!((reply.status, reply.location()), (303, "/sign-in"));
    // None of it decided anything: the form still works, and what it carries of the request has no effect.
    let form = consent
        .set("redirect_uri", "https://evil.example/")
        .set("scope", "everything")
        .set("client_id", "x");
    let reply = browser.submit(&form).await;
    assert!(
        reply
            .location()
            .starts_with(&format!("{}?code=", crate::rig::App::CALLBACK)),
        "OS-35: {reply:?}"
    );
    let sign_out = Ask::form("/sign-out", &[]).with("origin", door.url.clone());
    check(
        "signing out without a token",
        &browser.send(sign_out).await,
        Want::Page(403, "stale_form"),
    );
    let apps = Ask::form("/apps/revoke", &[("grant", "x")]).with("origin", door.url.clone());
    check(
        "revoking without a token",
        &browser.send(apps).await,
        Want::Page(403, "stale_form"),
    );
}

/// OS-44: the sign-in form says the same of every mistake, and slows down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_tells_nothing_and_slows_down() {
    let door = Door::open().await;
    let text = |page: &str| {
        page.split("role=\"alert\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut said = Vec::new();
    for username in ["ana", "nobody", "Not A Name", "", &"x".repeat(5000)] {
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let reply = browser.fill_in(username, "wrong").await;
        assert_eq!(reply.status, 403, "{username:?}");
        said.push(text(&reply.body));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");

    // A browser that ana used before is not slowed by what others do.
    let mut known = door.browser();
    known.sign_in("ana").await;
    let mut stranger = door.browser();
    let mut slowed = 0;
    for _ in 0..100 {
        stranger.get("/sign-in").await;
        let reply = stranger.fill_in("ana", "guess").await;
        match reply.status {
            403 => {}
            429 => {
                slowed += 1;
                assert!(reply.header("retry-after").is_some());
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        slowed >= 94,
        "{slowed} of a hundred guesses were not even looked at"
    );
    stranger.get("/sign-in").await;
    assert_eq!(
        stranger.fill_in("ana", PASSWORD).await.status,
        429,
        "not even the right one, while waiting"
    );
    known.get("/sign-out").await;
    known.cookies.remove("vestibule-session");
    known.get("/sign-in").await;
    assert_eq!(
        known.fill_in("ana", PASSWORD).await.status,
        303,
        "her own browser does not wait"
    );
    door.advance(Duration::from_mins(16));
    stranger.get("/sign-in").await;
    assert_eq!(stranger.fill_in("ana", PASSWORD).await.status, 303);
    let mut other = door.browser();
    other.get("/sign-in").await;
    assert_eq!(
        other.fill_in("ben", PASSWORD).await.status,
        303,
        "nor does anybody else, later"
    );
}

/// OS-40: a session is a new one after every sign-in, and an old cookie is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cannot_be_fixed_guessed_or_kept() {
    let door = Door::open().await;
    let mut browser = door.browser();
    browser.cookies.insert(
        "vestibule-session".to_owned(),
        "chosen-by-somebody-else".to_owned(),
    );
    browser.sign_in("ana").await;
    let first = browser.cookies["vestibule-session"].clone();
    assert_ne!(first, "chosen-by-somebody-else");
    let app = door.app().await;
    browser.get(&app.authorize(&[("prompt", "login")])).await;
    let reply = browser.fill_in("ana", PASSWORD).await;
    assert_eq!(reply.status, 303);
    let second = browser.cookies["vestibule-session"].clone();
    assert_ne!(first, second);
    let mut old = door.browser();
    old.cookies.insert("vestibule-session".to_owned(), first);
    assert_eq!(
        old.get("/").await.location(),
        "/sign-in",
        "the one before has ended"
    );
    let mut current = door.browser();
    current.cookies.insert("vestibule-session".to_owned(), second);
    assert_eq!(current.get("/").await.status, 200);
    door.advance(Duration::from_hours(25));
    assert_eq!(
        current.get("/").await.location(),
        "/sign-in",
        "a day without use ends it"
    );
}

/// CC-51, CC-52, CC-53, DEC-5: a consent page can be loaded and posted twice, for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_survives_being_loaded_and_posted_twice() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    let target = app.authorize(&[]);
    browser.authorize(&target, "ana").await;
    let first = browser.form("/consent").set("answer", "approve");
    browser.get(&target).await;
    let second = browser.form("/consent").set("answer", "approve");
    assert_eq!(first.field("transaction"), second.field("transaction"));
    let one = browser.submit(&first).await.location().to_owned();
    let two = browser.submit(&second).await.location().to_owned();
    assert_eq!(one, two, "the same way back");
    let denied = browser
        .submit(&first.clone().set("answer", "deny"))
        .await
        .location()
        .to_owned();
    assert_eq!(one, denied, "what was decided stays decided");
    assert_eq!(app.redeem(&app::code_of(&one)).await.status, 200);
    door.advance(Duration::from_secs(61));
    check(
        "a minute later",
        &browser.submit(&second).await,
        Want::Page(400, "consent_gone"),
    );

    browser.get(&app.authorize(&[("state", "another")])).await;
    let late = browser.form("/consent").set("answer", "approve");
    door.advance(Duration::from_mins(31));
    check(
        "half an hour later",
        &browser.submit(&late).await,
        Want::Page(400, "consent_gone"),
    );
}

/// OS-36 to OS-38, OS-5, MA-136, TP-122: headers of every page, and no CORS on any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_protected() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    for target in [
        "/",
        "/apps",
        "/sessions",
        "/account",
        "/sign-in?x=y",
        "/nothing",
        "/invitation/x",
        "/logout",
        &app.authorize(&[]),
        "/authorize",
    ] {
        let reply = browser
            .send(
                Ask::get(target)
                    .with("accept", "text/html")
                    .with("origin", "https://evil.example"),
            )
            .await;
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{target}: {policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains("form-action"),
            "CC-50: {target}: {policy}"
        );
        assert_eq!(header("x-frame-options"), "DENY", "{target}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{target}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(header("cache-control"), "no-store", "{target}");
        assert!(reply.header("access-control-allow-origin").is_none(), "{target}");
        assert!(
            !reply.body.contains("<script>") && !reply.body.contains("style=\""),
            "{target}"
        );
        assert!(
            !reply.body.contains("http://www") && !reply.body.contains("src=\"http"),
            "{target}: nothing foreign"
        );
    }
    let preflight = Ask::new("OPTIONS", "/authorize")
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "GET");
    assert!(
        door.ask(preflight)
            .await
            .header("access-control-allow-origin")
            .is_none(),
        "OS-5"
    );
}

/// OS-45: after signing in the browser goes to the request's own address or home, whatever the address said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_leads_nowhere_else() {
    let door = Door::open().await;
    for target in [
        "/sign-in?//evil.example",
        "/sign-in?https://evil.example/",
        "/sign-in?/\\evil.example",
        "/sign-in?return_to=https://evil.example",
        "/sign-in?%0d%0alocation:%20https://evil.example",
    ] {
        let mut browser = door.browser();
        browser.get(target).await;
        let reply = browser.fill_in("ana", PASSWORD).await;
        let location = reply.location();
        assert!(
            reply.status == 303 && (location == "/" || location.starts_with("/authorize?")),
            "{target}: {reply:?}"
        );
    }
}

/// MA-93: the person is warned where any program of their machine can be the one that listens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_persons_own_machine_is_warned_about() {
    let door = Door::open().await;
    let local = door.app().await;
    let metadata = serde_json::json!({ "client_name": "Web", "redirect_uris": ["https://web.example/cb"] });
    let web = crate::rig::App::register(&door, &metadata).await;
    let warning = "any program there can pretend to be it";
    for (app, warned) in [(local, true), (web, false)] {
        let mut browser = door.browser();
        let page = browser.authorize(&app.authorize(&[]), "ana").await;
        assert_eq!(page.body.contains(warning), warned, "{}", page.body);
    }
}
