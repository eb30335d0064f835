//! Trusted issuers: an existing OpenID issuer's tokens in place of ours, or beside them.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use keys::{SigningKey, jws};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::operator::{Answer, Failure};

use crate::rig::foreign::ForeignIssuer;
use crate::rig::{Door, Plan, Reply, door};

const MINUTE: Duration = Duration::from_mins(1);

fn plan(issuer: &ForeignIssuer, more: &str) -> Plan {
    Plan {
        config: format!(
            "trusted_issuers:
  corp:
    issuer: {}
    algorithms: [ES256]
    claims: {{ username: preferred_username, groups: groups, name: name }}
    {more}",
            issuer.url
        ),
        servers: "
  abroad:
    upstream: {upstream}
    auth: issuer
    issuer: corp
    audiences: [api://abroad]
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
  both:
    upstream: {upstream}
    auth: both
    issuer: corp
    audiences: [api://both]
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
            .to_owned(),
        ..Plan::default()
    }
}

fn claims(door: &Door, issuer: &ForeignIssuer) -> Value {
    let now = door.world.now().as_seconds();
    json!({
        "iss": issuer.url, "sub": "u-1", "aud": ["api://abroad", "api://both"], "client_id": "agent",
        "iat": now - 5, "exp": now + 3600, "groups": ["developers"], "preferred_username": "Ana",
        "name": "Somebody called Ana",
    })
}

fn token(key: &SigningKey, claims: &Value) -> String {
    jws::sign(key, "at+jwt", claims).unwrap()
}

async fn call(door: &Door, server: &str, token: &str) -> Reply {
    door.ask(door::call(server, "echo_headers", json!({})).bearer(token))
        .await
}

/// MA-51, MA-54, OS-121: everything that is wrong with a token of a trusted issuer makes it worth nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_token_that_is_not_what_it_must_be() {
    let (issuer, key) = ForeignIssuer::start().await;
    let door = Door::with(plan(&issuer, "create_accounts: true")).await;
    let good = claims(&door, &issuer);
    let with = |change: fn(&mut Value)| {
        let mut claims = good.clone();
        change(&mut claims);
        token(&key, &claims)
    };
    let (stranger, _) = SigningKey::generate(keys::Algorithm::Es256).unwrap();
    let parts = token(&key, &good);
    let (signed, _) = parts.rsplit_once('.').unwrap();
    let (_, payload) = signed.split_once('.').unwrap();
    let headed = |header: Value| {
        format!(
            "{}.{payload}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes())
        )
    };
    let confused = headed(json!({ "alg": "HS256", "typ": "at+jwt", "kid": key.kid() }));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_jwk().to_string().as_bytes());
    let confused = format!(
        "{confused}.{}",
        BASE64URL_NOPAD.encode(hmac::sign(&secret, confused.as_bytes()).as_ref())
    );
    let bad = [
        (
            "wrong signature",
            format!("{signed}.{}", BASE64URL_NOPAD.encode(&[7; 64])),
        ),
        ("a stranger's key", {
            let mut claims = good.clone();
            claims["iat"] = json!(claims["iat"].as_i64().unwrap() - 60);
            token(&stranger, &claims)
        }),
        (
            "expired",
            with(|claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 60)),
        ),
        (
            "wrong audience",
            with(|claims| claims["aud"] = json!("api://elsewhere")),
        ),
        ("no audience", with(|claims| claims["aud"] = json!([]))),
        (
            "wrong issuer",
            with(|claims| claims["iss"] = json!("https://evil.example")),
        ),
        ("wrong type", jws::sign(&key, "JWT", &good).unwrap()),
        ("an ID token", with(|claims| claims["nonce"] = json!("n"))),
        ("HS256 with the public key", confused),
        (
            "alg none",
            format!("{}.", headed(json!({ "alg": "none", "typ": "at+jwt" }))),
        ),
        (
            "not yet",
            with(|claims| claims["nbf"] = json!(claims["exp"].as_i64().unwrap() - 1)),
        ),
        ("no sub", with(|claims| claims["sub"] = json!(null))),
    ];
    for server in ["abroad", "both"] {
        for (what, token) in &bad {
            let reply = call(&door, server, token).await;
            assert_eq!(reply.status, 401, "{what} at {server}: {reply:?}");
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.contains("error=\"invalid_token\""),
                "{what}: {challenge}"
            );
        }
    }
    assert!(
        door.audit("identity_linked").await.is_empty(),
        "none of them made an account"
    );
    assert_eq!(
        call(&door, "abroad", &parts).await.status,
        200,
        "the good one counts"
    );
    assert_eq!(
        call(&door, "fixture", &parts).await.status,
        401,
        "not where nobody trusts its issuer"
    );
    let (_, ours) = door.signed_in("ana").await;
    let reply = call(&door, "abroad", &ours.access).await;
    assert_eq!(
        reply.status, 401,
        "ours are refused where another issuer's are taken in their place"
    );
}

/// CC-13: one authorization server in each document: the one whose tokens clients should get.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_names_the_foreign_issuer_where_its_tokens_alone_are_taken() {
    let (issuer, _) = ForeignIssuer::start().await;
    let door = Door::with(plan(&issuer, "mcp_scope: tools")).await;
    let document = async |server: &str| {
        door.get(&format!("/.well-known/oauth-protected-resource/mcp/{server}"))
            .await
            .json()
    };
    let abroad = document("abroad").await;
    assert_eq!(abroad["authorization_servers"], json!([issuer.url]));
    assert!(
        abroad.get("scopes_supported").is_none(),
        "no scope is read: {abroad}"
    );
    assert_eq!(document("both").await["authorization_servers"], json!([door.url]));
    let challenge = async |server: &str| {
        let reply = door.ask(door::call(server, "echo_headers", json!({}))).await;
        reply.header("www-authenticate").unwrap().to_owned()
    };
    assert!(
        !challenge("abroad").await.contains("scope="),
        "a client would ask the issuer for it"
    );
    assert!(challenge("both").await.contains("scope=\"mcp\""));
    // Nobody is given a token of ours for it.
    let app = door.app().await;
    let target = app.authorize(&[("resource", &format!("{}/mcp/abroad", door.url))]);
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let reply = browser.get(&target).await;
    assert!(reply.location().contains("invalid_target"), "{reply:?}");
}

/// Who the person is here: by a stored link alone, made on first use if the operator says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_identity_is_never_a_local_account_by_its_name() {
    for server in ["abroad", "both"] {
        let (issuer, key) = ForeignIssuer::start().await;
        for door in Door::each(plan(&issuer, "create_accounts: true")).await {
            let engine = door.engine();
            let token = token(&key, &claims(&door, &issuer));
            let reply = call(&door, server, &token).await;
            assert_eq!(reply.status, 200, "{engine}: {reply:?}");
            assert!(!reply.body.contains(&token), "{engine}: it is never forwarded");
            assert!(
                reply.body.contains(&issuer.url),
                "{engine}: the server is told who vouches"
            );
            let calls = door.calls_recorded(|rows| !rows.is_empty()).await;
            // `ana` is somebody here, and somebody else.
            assert_eq!(calls[0]["username"], json!("ana+corp"), "{engine}: {calls:?}");
            assert_eq!(calls[0]["proof"]["issuer"], json!("corp"));
            assert_eq!(calls[0]["client"], json!("issuer:corp:agent"));
            let linked = door.audit("identity_linked").await;
            assert_eq!((linked.len(), &linked[0]["made"]), (1, &json!(true)), "{engine}");

            // The groups are the token's; without them there is no right to anything.
            let mut without = claims(&door, &issuer);
            without["groups"] = json!([]);
            let reply = call(&door, server, &self::token(&key, &without)).await;
            assert!(
                reply.body.contains("may not use this server"),
                "{engine}: {reply:?}"
            );

            // Taking back: disabled here, and for good what was issued before.
            door.operate(&["user", "disable", "ana+corp"]).await.unwrap();
            assert_eq!(call(&door, server, &token).await.status, 401, "{engine}");
            door.operate(&["user", "enable", "ana+corp"]).await.unwrap();
            assert_eq!(
                call(&door, server, &token).await.status,
                401,
                "{engine}: issued before"
            );
            door.advance(MINUTE);
            let later = self::token(&key, &claims(&door, &issuer));
            assert_eq!(
                call(&door, server, &later).await.status,
                200,
                "{engine}: issued after"
            );
        }
    }
}

/// Without `create_accounts` only those come in whom an operator linked; the record says who knocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_linked_by_command() {
    let (issuer, key) = ForeignIssuer::start().await;
    for door in Door::each(plan(&issuer, "")).await {
        let engine = door.engine();
        let token = token(&key, &claims(&door, &issuer));
        for _ in 0..3 {
            let reply = call(&door, "abroad", &token).await;
            assert_eq!(reply.status, 401, "{engine}");
            assert!(
                reply.header("www-authenticate").unwrap().contains("nobody here"),
                "{reply:?}"
            );
        }
        let refused = door.audit("identity_refused").await;
        assert_eq!(refused.len(), 1, "{engine}: {refused:?}");
        assert_eq!(refused[0]["username"], json!("u-1"));
        let words = ["identity", "link", "eve", "--issuer", "corp", "--subject", "u-1"];
        door.operate(&words).await.unwrap();
        assert!(matches!(door.operate(&words).await, Err(Failure::Conflict(_))));
        assert_eq!(
            call(&door, "abroad", &token).await.status,
            200,
            "{engine}: at once"
        );
        let calls = door.calls_recorded(|rows| !rows.is_empty()).await;
        assert_eq!(calls[0]["username"], json!("eve"));
        let mut stream = door::call("abroad", "hold", json!({}))
            .bearer(&token)
            .open(door.address)
            .await;
        assert_eq!(stream.status(), 200);
        let Answer::List { rows, .. } = door.operate(&["identity", "list"]).await.unwrap() else {
            panic!()
        };
        assert_eq!(
            (&rows[0]["user"], &rows[0]["subject"]),
            (&json!("eve"), &json!("u-1"))
        );
        door.operate(&["identity", "unlink", "--issuer", "corp", "--subject", "u-1"])
            .await
            .unwrap();
        assert_eq!(
            call(&door, "abroad", &token).await.status,
            401,
            "{engine}: at once"
        );
        assert!(
            stream.ends_within(Duration::from_secs(1)).await,
            "{engine}: the stream goes on"
        );
        let gone = door
            .operate(&["identity", "unlink", "--issuer", "corp", "--subject", "u-1"])
            .await;
        assert!(matches!(gone, Err(Failure::NotFound(_))));
    }
}

/// Sixty-four first calls of one person at the same moment make one account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_first_calls_make_one_account() {
    let (issuer, key) = ForeignIssuer::start().await;
    for door in Door::each(plan(&issuer, "create_accounts: true")).await {
        let token = token(&key, &claims(&door, &issuer));
        let mut calls = JoinSet::new();
        for _ in 0..64 {
            let ask = door::call("abroad", "echo_headers", json!({})).bearer(&token);
            calls.spawn(ask.to(door.address));
        }
        let replies = calls.join_all().await;
        let refused = replies.iter().find(|reply| reply.status != 200);
        assert!(refused.is_none(), "{}: {refused:?}", door.engine());
        let store = &door.running().house.foundation.store;
        assert_eq!(store.accounts().await.unwrap().len(), 4, "{}", door.engine());
        assert_eq!(store.identities().await.unwrap().len(), 1);
    }
}

/// OS-123: keys rotate, one question each; an outage is 503 for keys that are not known, and for nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_and_cannot_be_had_for_a_while() {
    let (issuer, first) = ForeignIssuer::start().await;
    let door = Door::with(plan(&issuer, "create_accounts: true\n    keep_keys: 6h")).await;
    let sign = |key: &SigningKey, n: u32| {
        let mut claims = claims(&door, &issuer);
        claims["jti"] = json!(format!("t{n}"));
        claims["exp"] = json!(door.world.now().as_seconds() + 100_000);
        token(key, &claims)
    };
    issuer.is_down(true);
    let early = call(&door, "abroad", &sign(&first, 0)).await;
    assert_eq!(early.status, 503, "nobody can say: {early:?}");
    assert!(early.header("retry-after").is_some() && early.header("www-authenticate").is_none());
    issuer.is_down(false);
    door.advance(MINUTE);
    assert_eq!(call(&door, "abroad", &sign(&first, 1)).await.status, 200);
    assert_eq!(issuer.asked(), 1);

    // A flood of made-up keys asks once in ten seconds.
    let (stranger, _) = SigningKey::generate(keys::Algorithm::Es256).unwrap();
    door.advance(MINUTE);
    let old = sign(&stranger, 100);
    door.advance(MINUTE);
    assert_eq!(call(&door, "abroad", &sign(&stranger, 101)).await.status, 401);
    for n in 0..50 {
        let late = call(&door, "abroad", &sign(&stranger, n)).await;
        assert_eq!(late.status, 503, "it may be a key of this very moment: {late:?}");
        assert!(late.header("retry-after").is_some());
    }
    assert_eq!(call(&door, "abroad", &old).await.status, 401);
    assert_eq!(issuer.asked(), 2, "one question for all of them");

    // The next key, first seen in a token.
    let second = issuer.new_key();
    let new = sign(&second, 2);
    assert_eq!(call(&door, "abroad", &new).await.status, 503, "and never 401");
    door.advance(MINUTE);
    assert_eq!(call(&door, "abroad", &new).await.status, 200);
    assert_eq!(
        call(&door, "abroad", &sign(&first, 3)).await.status,
        200,
        "both count"
    );
    assert_eq!(issuer.asked(), 3);

    // Down: known keys go on, those that nobody knows wait.
    issuer.is_down(true);
    let third = issuer.new_key();
    door.advance(30 * MINUTE);
    let (known, unknown) = (sign(&second, 4), sign(&third, 5));
    assert_eq!(
        call(&door, "abroad", &known).await.status,
        200,
        "known keys go on"
    );
    assert_eq!(call(&door, "abroad", &unknown).await.status, 503, "and never 401");
    let tampered = format!("{}AAAA", &known[..known.len() - 4]);
    assert_eq!(
        call(&door, "abroad", &tampered).await.status,
        401,
        "wrong is wrong"
    );
    door.advance(Duration::from_hours(7));
    assert_eq!(
        call(&door, "abroad", &sign(&second, 6)).await.status,
        503,
        "not for ever"
    );

    // Up again; the first keys were withdrawn, and what they signed counts no longer.
    issuer.is_down(false);
    issuer.withdraw_older_keys();
    door.advance(MINUTE);
    assert_eq!(call(&door, "abroad", &unknown).await.status, 200);
    assert_eq!(
        call(&door, "abroad", &known).await.status,
        401,
        "a key that was withdrawn"
    );
}

/// DEC-12: where scopes are read, a token needs the one that stands for `mcp`, and the challenge names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_token_needs_its_scope() {
    let (issuer, key) = ForeignIssuer::start().await;
    let mut plan = plan(&issuer, "create_accounts: true\n    mcp_scope: tools");
    plan.config = plan.config.replace("claims: {", "claims: { scopes: scope,");
    let door = Door::with(plan).await;
    let mut claims = claims(&door, &issuer);
    claims["scope"] = json!("mcp other");
    let reply = call(&door, "abroad", &token(&key, &claims)).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"tools\""),
        "{challenge}"
    );
    claims["scope"] = json!("tools other");
    assert_eq!(call(&door, "abroad", &token(&key, &claims)).await.status, 200);
    let document = door
        .get("/.well-known/oauth-protected-resource/mcp/abroad")
        .await
        .json();
    assert_eq!(document["scopes_supported"], json!(["tools"]));
}
