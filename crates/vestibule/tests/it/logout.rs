//! Signing out at a client's wish (OpenID Connect RP-Initiated Logout).

use std::time::Duration;

use serde_json::json;

use crate::rig::{App, Ask, Browser, Door, Tokens, app};

const BACK: &str = "https://portal.example/out";

/// Somebody who signed in to a client, with the browser and the ID token.
struct Rig {
    door: Door,
    app: App,
}

async fn rig() -> Rig {
    let door = Door::open().await;
    let metadata = json!({
        "client_name": "Portal",
        "redirect_uris": ["https://portal.example/cb"],
        "post_logout_redirect_uris": [BACK],
    });
    let app = App::register(&door, &metadata).await;
    Rig { door, app }
}

impl Rig {
    async fn sign_in<'a>(&'a self, app: &App) -> (Browser<'a>, Tokens) {
        let mut browser = self.door.browser();
        let target = app.authorize(&[("scope", "openid"), ("resource", "")]);
        let reply = browser.authorize(&target, "ana").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let reply = browser.answer("approve").await;
        let tokens = Tokens::of(&app.redeem(&app::code_of(reply.location())).await);
        (browser, tokens)
    }
}

fn id_token(tokens: &Tokens) -> String {
    tokens.all["id_token"]
        .as_str()
        .map(str::to_owned)
        .unwrap_or_default()
}

fn query(fields: &[(&str, &str)]) -> String {
    format!("/logout?{}", protocol::params::encode(fields.iter().copied()))
}

/// OS-125 to OS-128: by GET and by POST, with a hint that may have run out; the person is asked, and then the
/// browser goes where the client registered, with its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asks_and_the_browser_goes_back_to_it() {
    let rig = rig().await;
    for by_post in [false, true] {
        let (mut browser, tokens) = rig.sign_in(&rig.app).await;
        rig.door.advance(Duration::from_hours(2));
        let hint = id_token(&tokens);
        let fields = [
            ("id_token_hint", hint.as_str()),
            ("client_id", &rig.app.id),
            ("post_logout_redirect_uri", BACK),
            ("state", "a b&c"),
        ];
        let asked = if by_post {
            browser.send(Ask::form("/logout", &fields)).await
        } else {
            browser.get(&query(&fields)).await
        };
        assert_eq!(asked.status, 200, "{asked:?}");
        assert!(
            asked.body.contains("Portal") && asked.body.contains("ana"),
            "{asked:?}"
        );
        assert_eq!(browser.get("/").await.status, 200, "asking ends nothing");
        browser.get(&query(&fields)).await;
        let form = browser.form("/logout");
        let reply = browser.submit(&form).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "https://portal.example/out?state=a+b%26c"),
            "{reply:?}"
        );
        assert!(
            !browser.cookies.keys().any(|name| name.contains("session")),
            "{:?}",
            browser.cookies
        );
        assert_eq!(browser.get("/").await.status, 303, "signed out");
    }
}

/// OS-126 to OS-128: nobody is sent anywhere by a stranger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_where_the_client_did_not_register() {
    let rig = rig().await;
    let other = App::register(
        &rig.door,
        &json!({ "client_name": "Other", "redirect_uris": ["https://other.example/cb"],
                 "post_logout_redirect_uris": ["https://other.example/out"] }),
    )
    .await;
    let (mut browser, tokens) = rig.sign_in(&rig.app).await;
    let (_, of_other) = rig.sign_in(&other).await;
    let hint = id_token(&tokens);
    let at = hint.len() - 6;
    // Another letter than the one that is there.
    let letter = if &hint[at..=at] == "A" { "B" } else { "A" };
    let altered = format!("{}{letter}{}", &hint[..at], &hint[at + 1..]);
    let id = rig.app.id.as_str();
    let cases: [(&str, Vec<(&str, &str)>); 9] = [
        (
            "no hint",
            vec![("client_id", id), ("post_logout_redirect_uri", BACK)],
        ),
        (
            "a hint that is none",
            vec![("id_token_hint", "x"), ("post_logout_redirect_uri", BACK)],
        ),
        (
            "an altered hint",
            vec![
                ("id_token_hint", &altered),
                ("client_id", id),
                ("post_logout_redirect_uri", BACK),
            ],
        ),
        (
            "an access token as hint",
            vec![
                ("id_token_hint", &tokens.access),
                ("post_logout_redirect_uri", BACK),
            ],
        ),
        (
            "another client's id beside it",
            vec![
                ("id_token_hint", &hint),
                ("client_id", &other.id),
                ("post_logout_redirect_uri", BACK),
            ],
        ),
        (
            "another client's address",
            vec![
                ("id_token_hint", &hint),
                ("post_logout_redirect_uri", "https://other.example/out"),
            ],
        ),
        (
            "an address below it",
            vec![
                ("id_token_hint", &hint),
                ("post_logout_redirect_uri", "https://portal.example/out/x"),
            ],
        ),
        (
            "an address with a query",
            vec![
                ("id_token_hint", &hint),
                ("post_logout_redirect_uri", "https://portal.example/out?x=1"),
            ],
        ),
        (
            "its redirect URI",
            vec![
                ("id_token_hint", &hint),
                ("post_logout_redirect_uri", "https://portal.example/cb"),
            ],
        ),
    ];
    for (name, fields) in cases {
        // Somebody who is not signed in is not asked, and not sent on either.
        let reply = rig.door.get(&query(&fields)).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert!(reply.header("location").is_none(), "{name}");
        // Who is signed in stays with us too.
        let mut twin = browser.clone();
        twin.get(&query(&fields)).await;
        let form = twin.form("/logout");
        assert!(form.field("request").is_some(), "{name}");
    }
    let fields = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "https://evil.example/"),
    ];
    browser.get(&query(&fields)).await;
    let form = browser.form("/logout");
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 200, "it ends, and goes nowhere: {reply:?}");
    // Another client's good hint goes back to that client alone.
    let hint = id_token(&of_other);
    let fields = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "https://other.example/out"),
    ];
    let reply = rig.door.get(&query(&fields)).await;
    assert_eq!(
        (reply.status, reply.location()),
        (303, "https://other.example/out")
    );
}

/// OS-129: what was for signing in ends with the session; what works for the person while they are away stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hung_on_the_session_ends() {
    let rig = rig().await;
    let (mut browser, tokens) = rig.sign_in(&rig.app).await;
    let agent = rig.door.app().await;
    let reply = browser.authorize(&agent.authorize(&[]), "ana").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let back = browser.answer("approve").await.location().to_owned();
    let kept = Tokens::of(&agent.redeem(&app::code_of(&back)).await);
    let userinfo = || Ask::get("/userinfo").bearer(&tokens.access);
    assert_eq!(rig.door.ask(userinfo()).await.status, 200);
    let hint = id_token(&tokens);
    browser.get(&query(&[("id_token_hint", &hint)])).await;
    let form = browser.form("/logout");
    assert_eq!(browser.submit(&form).await.status, 200);
    assert_eq!(rig.door.ask(userinfo()).await.status, 401);
    assert_eq!(
        rig.door
            .call(&kept.access, "echo_headers", json!({}))
            .await
            .status,
        200
    );
}
