//! The main job from end to end, on both databases: register, sign in, consent, code, token, call, refresh,
//! restart, revoke.

use serde_json::json;

use crate::rig::{App, Ask, Door, PASSWORD, Plan, Tokens, app, door};

/// MA-59, MA-130, MA-133, OS-64: one journey, and what is said at each step of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_url_alone_to_a_call_and_to_its_end() {
    for mut door in Door::each(Plan::default()).await {
        // Only the URL is known: the challenge leads to everything else.
        let reply = door.ask(door::call("fixture", "echo_headers", json!({}))).await;
        assert_eq!(reply.status, 401);
        let challenge = reply.header("www-authenticate").unwrap();
        let metadata = challenge
            .split('"')
            .nth(1)
            .unwrap()
            .strip_prefix(&door.url)
            .unwrap()
            .to_owned();
        let resource = door.get(&metadata).await.json();
        assert_eq!(resource["resource"], door.endpoint());
        assert_eq!(resource["authorization_servers"], json!([door.url]));
        let server = door.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(server["issuer"], door.url);

        let app = door.app().await;
        let mut browser = door.browser();
        let back = browser.approve(&app.authorize(&[]), "ana").await;
        let query = app::query_of(&back);
        assert!(back.starts_with(App::CALLBACK), "{back}");
        assert_eq!(
            (&query["state"], &query["iss"]),
            (&json!("state-of-the-client"), &json!(door.url))
        );
        let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
        assert_eq!(tokens.all["token_type"], "Bearer");
        assert_eq!(tokens.all["scope"], "mcp offline_access");
        assert_eq!(tokens.all["expires_in"], 3600);
        let claims = tokens.claims();
        assert_eq!(
            (&claims["aud"], &claims["iss"]),
            (&json!(door.endpoint()), &json!(door.url))
        );

        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(
            reply.body.contains("expected"),
            "the upstream got its own credential: {}",
            reply.body
        );
        assert!(!reply.body.contains(&tokens.access), "and not the caller's");

        let next = Tokens::of(&app.refresh(&tokens.refresh).await);
        assert_ne!(next.refresh, tokens.refresh);
        assert_eq!(
            door.call(&next.access, "echo_headers", json!({})).await.status,
            200
        );

        door.restart().await;
        assert_eq!(
            door.call(&next.access, "echo_headers", json!({})).await.status,
            200
        );
        assert_eq!(
            door.call(&tokens.access, "echo_headers", json!({})).await.status,
            200
        );

        assert_eq!(app.revoke(&next.refresh).await.status, 200);
        for token in [&tokens.access, &next.access] {
            let reply = door.call(token, "echo_headers", json!({})).await;
            assert_eq!(reply.status, 401, "{}", door.engine());
            assert!(
                reply
                    .header("www-authenticate")
                    .unwrap()
                    .contains("error=\"invalid_token\"")
            );
        }
        assert_eq!(app.refresh(&next.refresh).await.error(), "invalid_grant");
        assert_eq!(door.ask(Ask::get("/readyz")).await.status, 200);
    }
}

/// OS-45: whoever opens a page of their own and is not signed in comes to it by signing in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_ones_own_comes_after_signing_in() {
    let door = Door::with(Plan::default()).await;
    for page in ["/account", "/apps", "/sessions", "/connections"] {
        let mut browser = door.browser();
        let form = browser.get(page).await.location().to_owned();
        assert_eq!(form, format!("/sign-in{page}"));
        assert_eq!(browser.get(&form).await.status, 200, "{page}");
        let reply = browser.fill_in("ana", PASSWORD).await;
        assert_eq!((reply.status, reply.location()), (303, page), "{}", browser.page);
        assert_eq!(browser.get(page).await.status, 200, "{page}");
    }
}
