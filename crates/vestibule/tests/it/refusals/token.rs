//! The token, revocation, introspection and userinfo endpoints.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;

use super::{Want, check};
use crate::rig::{App, Ask, Door, Plan};

/// A server with a client that may introspect its tokens, and confidential clients.
async fn door() -> Door {
    let plan = Plan {
        files: vec![("portal-secret", "the-long-secret-of-the-portal-client".to_owned())],
        config: "
clients:
  portal: { name: Portal, redirect_uris: [\"https://portal.example/cb\"], secret_file: portal-secret }"
            .to_owned(),
        server: "    introspection_clients: [portal]".to_owned(),
        ..Plan::default()
    };
    Door::with(plan).await
}

/// OS-47 to OS-59, OS-61, OS-62, CC-47, CC-52, CC-59 to CC-62.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_are_not_redeemed() {
    let door = door().await;
    let app = door.app().await;
    let other = App::register(
        &door,
        &json!({ "client_name": "Other", "redirect_uris": ["http://127.0.0.1/other"] }),
    )
    .await;
    let code = app.code(&door, "ana").await;
    let long = "a".repeat(43);
    let short = "a".repeat(42);
    let cases: [(&str, Ask, Want); 25] = [
        ("GET", Ask::get("/token"), Want::Json(405, "method_not_allowed")),
        (
            "parameters in the address",
            Ask::new(
                "POST",
                &format!(
                    "/token?grant_type=authorization_code&code={code}&client_id={}",
                    app.id
                ),
            ),
            Want::Json(401, "invalid_client"),
        ),
        (
            "another media type",
            app.redeem_with(&code, &[])
                .without("content-type")
                .with("content-type", "text/plain"),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a body that is no form",
            app.redeem_with(&code, &[]).body(b"grant_type=%ff".to_vec()),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a JSON array",
            Ask::json("/token", &json!([])),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a hundred parameters and one",
            Ask::new("POST", "/token")
                .with("content-type", "application/x-www-form-urlencoded")
                .body("a=b&".repeat(101)),
            Want::Json(400, "invalid_request"),
        ),
        (
            "no grant type",
            app.token_form(&[("code", &code)]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "the password grant",
            app.token_form(&[("grant_type", "password")]),
            Want::Json(400, "unsupported_grant_type"),
        ),
        (
            "a made-up grant",
            app.token_form(&[("grant_type", "x")]),
            Want::Json(400, "unsupported_grant_type"),
        ),
        (
            "no code",
            app.redeem_with("", &[]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a code that is no code",
            app.redeem_with("abc", &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "a code with a changed end",
            app.redeem_with(&format!("{code}x"), &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "a code twice, in two spellings",
            Ask::new("POST", "/token")
                .with("content-type", "application/x-www-form-urlencoded")
                .body(format!(
                    "grant_type=authorization_code&client_id={}&code={code}&code=x&code_verifier={long}",
                    app.id
                )),
            Want::Json(400, "invalid_request"),
        ),
        (
            "another client's code",
            other.redeem_with(&code, &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "no client",
            app.redeem_with(&code, &[("client_id", "x")])
                .body(format!("grant_type=authorization_code&code={code}")),
            Want::Json(401, "invalid_client"),
        ),
        (
            "an unknown client",
            app.redeem_with(&code, &[("client_id", "pub-none")]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "no verifier",
            app.redeem_with(&code, &[("code_verifier", "")]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "a wrong verifier",
            app.redeem_with(&code, &[("code_verifier", &long)]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "a short verifier",
            app.redeem_with(&code, &[("code_verifier", &short)]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "the challenge as verifier",
            app.redeem_with(&code, &[("code_verifier", crate::rig::app::CHALLENGE)]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "another redirect URI",
            app.redeem_with(&code, &[("redirect_uri", "http://127.0.0.1:43117/other")]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "the redirect URI with another port",
            app.redeem_with(&code, &[("redirect_uri", "http://127.0.0.1:43118/callback")]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "another server",
            app.redeem_with(&code, &[("resource", &format!("{}/mcp/none", door.url))]),
            Want::Json(400, "invalid_target"),
        ),
        (
            "somebody else's server",
            app.redeem_with(&code, &[("resource", "https://other.example/mcp")]),
            Want::Json(400, "invalid_target"),
        ),
        (
            "a secret from a public client",
            app.redeem_with(&code, &[("client_secret", "guess")]),
            Want::Json(401, "invalid_client"),
        ),
    ];
    for (name, ask, want) in cases {
        let reply = door.ask(ask).await;
        check(name, &reply, want);
        if name != "GET" {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "OS-3: {name}");
        }
    }
    // OS-58, CC-60: none of it used the code up.
    let reply = door.ask(app.redeem_with(&code, &[])).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    check(
        "a code twice",
        &door.ask(app.redeem_with(&code, &[])).await,
        Want::Json(400, "invalid_grant"),
    );
    let code = app.code(&door, "ana").await;
    door.advance(Duration::from_secs(5 * 60 + 1));
    check(
        "a code after five minutes",
        &door.ask(app.redeem_with(&code, &[])).await,
        Want::Json(400, "invalid_grant"),
    );
}

/// OS-63, CC-67: refresh tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_tokens_that_are_not_taken() {
    let door = door().await;
    let (app, tokens) = door.signed_in("ana").await;
    let other = App::register(
        &door,
        &json!({ "client_name": "Other", "redirect_uris": ["http://127.0.0.1/other"] }),
    )
    .await;
    let once = App::register(
        &door,
        &json!({ "client_name": "Once", "redirect_uris": ["http://127.0.0.1/once"], "grant_types": ["authorization_code"] }),
    )
    .await;
    let cases: [(&str, Ask, Want); 7] = [
        (
            "none",
            app.refresh_with("", &[]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "an access token",
            app.refresh_with(&tokens.access, &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "cut off",
            app.refresh_with(&tokens.refresh[..40], &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "another client's",
            other.refresh_with(&tokens.refresh, &[]),
            Want::Json(400, "invalid_grant"),
        ),
        (
            "another server",
            app.refresh_with(&tokens.refresh, &[("resource", "https://other.example/mcp")]),
            Want::Json(400, "invalid_target"),
        ),
        (
            "from a client that registered none",
            once.refresh_with(&tokens.refresh, &[]),
            Want::Json(400, "unauthorized_client"),
        ),
        (
            "with a wrong secret",
            app.refresh_with(&tokens.refresh, &[("client_secret", "x")]),
            Want::Json(401, "invalid_client"),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    assert_eq!(
        app.refresh(&tokens.refresh).await.status,
        200,
        "none of it used the token up"
    );
    door.advance(Duration::from_hours(31 * 24));
    check(
        "after a month unused",
        &app.refresh(&tokens.refresh).await,
        Want::Json(400, "invalid_grant"),
    );
}

/// OS-48 to OS-51, CC-59, DEC-6: clients that do not prove who they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_not_authenticated() {
    let door = door().await;
    let reply = door
        .ask(Ask::json(
            "/register",
            &json!({ "redirect_uris": ["https://conf.example/cb"], "token_endpoint_auth_method": "client_secret_basic" }),
        ))
        .await
        .json();
    let (id, secret) = (
        reply["client_id"].as_str().unwrap(),
        reply["client_secret"].as_str().unwrap(),
    );
    let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
    let form = |fields: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
        all.extend(fields);
        Ask::form("/token", &all)
    };
    let assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let unsigned = "eyJhbGciOiJub25lIn0.e30.c2ln";
    let cases: [(&str, Ask, Want); 14] = [
        (
            "no secret",
            form(&[("client_id", id)]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "a wrong secret",
            form(&[("client_id", id), ("client_secret", "wrong")]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "an empty secret",
            form(&[("client_id", id), ("client_secret", "")]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "a secret in other case",
            form(&[("client_id", id), ("client_secret", &secret.to_uppercase())]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "a wrong secret by Basic",
            form(&[]).with("authorization", basic(&format!("{id}:wrong"))),
            Want::Json(401, "invalid_client"),
        ),
        (
            "Basic that is no base64",
            form(&[]).with("authorization", "Basic !!!"),
            Want::Json(401, "invalid_client"),
        ),
        (
            "Basic without a colon",
            form(&[]).with("authorization", basic("abc")),
            Want::Json(401, "invalid_client"),
        ),
        (
            "two Authorization headers",
            form(&[])
                .with("authorization", basic(&format!("{id}:{secret}")))
                .with("authorization", basic("a:b")),
            Want::Json(401, "invalid_client"),
        ),
        (
            "two clients",
            form(&[("client_id", "portal")]).with("authorization", basic(&format!("{id}:{secret}"))),
            Want::Json(400, "invalid_request"),
        ),
        (
            "secret and assertion",
            form(&[
                ("client_id", id),
                ("client_secret", secret),
                ("client_assertion", unsigned),
                ("client_assertion_type", assertion),
            ]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "an assertion of no type",
            form(&[("client_assertion", unsigned)]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "an unsigned assertion",
            form(&[
                ("client_assertion", unsigned),
                ("client_assertion_type", assertion),
            ]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "an assertion that is no JWT",
            form(&[("client_assertion", "x"), ("client_assertion_type", assertion)]),
            Want::Json(401, "invalid_client"),
        ),
        ("no client at all", form(&[]), Want::Json(401, "invalid_client")),
    ];
    for (name, ask, want) in cases {
        let by_basic = name.contains("Basic") || name.contains("Authorization");
        let reply = door.ask(ask).await;
        check(name, &reply, want);
        let challenged = reply
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Basic "));
        assert_eq!(
            challenged,
            by_basic && reply.status == 401,
            "OS-51: {name}: {reply:?}"
        );
    }
    // CC-59: raw and form-encoded, by header and by body, whatever was registered.
    for ask in [
        form(&[("client_id", id), ("client_secret", secret)]),
        form(&[]).with("authorization", basic(&format!("{id}:{secret}"))),
        form(&[("client_id", id), ("client_secret", secret)])
            .with("authorization", basic(&format!("{id}:{secret}"))),
    ] {
        check(
            "the right secret",
            &door.ask(ask).await,
            Want::Json(400, "invalid_grant"),
        );
    }
}

/// OS-50, OS-141: guessing a client's secret is slowed by network, with `Retry-After`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_a_client_secret_is_slowed() {
    let door = door().await;
    let guess = || Ask::form("/token", &[("client_id", "portal"), ("client_secret", "guess")]);
    let mut slowed = None;
    for _ in 0..200 {
        let reply = door.ask(guess()).await;
        if reply.status == 429 {
            slowed = Some(reply);
            break;
        }
        check("a guess", &reply, Want::Json(401, "invalid_client"));
    }
    let slowed = slowed.expect("two hundred guesses are too many");
    assert!(slowed.header("retry-after").is_some());
    let (app, tokens) = door.signed_in("ana").await;
    assert_eq!(
        app.refresh(&tokens.refresh).await.status,
        200,
        "and nobody else is locked out"
    );
}

/// OS-109 to OS-111, OS-113 to OS-115, OS-117, OS-118.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocation_introspection_and_userinfo_refuse() {
    let door = door().await;
    let (app, tokens) = door.signed_in("ana").await;
    let secret = "the-long-secret-of-the-portal-client";
    let portal = |token: &str| {
        Ask::form(
            "/introspect",
            &[
                ("token", token),
                ("client_id", "portal"),
                ("client_secret", secret),
            ],
        )
    };
    let cases: [(&str, Ask, Want); 14] = [
        (
            "revoke nothing",
            Ask::form("/revoke", &[("client_id", &app.id)]),
            Want::Json(400, "invalid_request"),
        ),
        (
            "revoke as an unknown client",
            Ask::form("/revoke", &[("token", "x"), ("client_id", "none")]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "revoke by GET",
            Ask::get("/revoke?token=x"),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "revoke what nobody knows",
            Ask::form("/revoke", &[("token", "x"), ("client_id", &app.id)]),
            Want::Status(200),
        ),
        (
            "introspect as nobody",
            Ask::form("/introspect", &[("token", &tokens.access)]),
            Want::Json(401, "invalid_client"),
        ),
        (
            "introspect as a public client",
            Ask::form(
                "/introspect",
                &[("token", &tokens.access), ("client_id", &app.id)],
            ),
            Want::Json(403, "unauthorized_client"),
        ),
        (
            "introspect with a token as proof",
            Ask::form("/introspect", &[("token", &tokens.access)]).bearer(&tokens.access),
            Want::Json(401, "invalid_client"),
        ),
        (
            "introspect nothing",
            portal(""),
            Want::Json(400, "invalid_request"),
        ),
        (
            "userinfo without a token",
            Ask::get("/userinfo"),
            Want::Json(401, "invalid_token"),
        ),
        (
            "userinfo with a server's token",
            Ask::get("/userinfo").bearer(&tokens.access),
            Want::Json(401, "invalid_token"),
        ),
        (
            "userinfo with a refresh token",
            Ask::get("/userinfo").bearer(&tokens.refresh),
            Want::Json(401, "invalid_token"),
        ),
        (
            "userinfo by DELETE",
            Ask::new("DELETE", "/userinfo"),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "a key set by POST",
            Ask::new("POST", "/.well-known/jwks.json"),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "nothing there",
            Ask::get("/oauth2/v1/token"),
            Want::Json(404, "not_found"),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    for token in ["x", &tokens.refresh, &format!("{}x", tokens.access)] {
        assert_eq!(
            door.ask(portal(token)).await.json(),
            json!({ "active": false }),
            "OS-114"
        );
    }
    let active = door.ask(portal(&tokens.access)).await.json();
    assert_eq!(
        (&active["active"], &active["username"]),
        (&json!(true), &json!("ana")),
        "{active}"
    );
}

/// MA-91: what a client says about its keys does not make the door reach into the network it stands in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_inside_the_network_are_not_fetched() {
    let door = Door::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (key, _) = keys::SigningKey::generate(keys::Algorithm::Es256).unwrap();
    for jwks_uri in [
        format!("https://{address}/jwks.json"),
        "https://127.0.0.1/jwks.json".to_owned(),
        "https://10.0.0.1/jwks.json".to_owned(),
        "https://[::ffff:169.254.169.254]/latest".to_owned(),
        "https://localhost/jwks.json".to_owned(),
    ] {
        let metadata = json!({
            "client_name": "Keys", "redirect_uris": ["https://keys.example/cb"],
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri,
        });
        let app = App::register(&door, &metadata).await;
        let now = door.world.now().as_seconds();
        let claims =
            json!({ "iss": app.id, "sub": app.id, "aud": door.url, "exp": now + 60, "jti": jwks_uri });
        let assertion = keys::jws::sign(&key, "JWT", &claims).unwrap();
        let ask = app.token_form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", &assertion),
        ]);
        let reply = door.ask(ask).await;
        check(&jwks_uri, &reply, Want::Json(503, "temporarily_unavailable"));
        assert!(
            !reply.body.contains("10.0.0.1") && !reply.body.contains("169.254"),
            "{reply:?}"
        );
    }
    let reached = tokio::time::timeout(Duration::from_millis(100), listener.accept());
    assert!(reached.await.is_err(), "never connected to");
}
