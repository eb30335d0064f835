//! One good token and everything that can be wrong with it (MA-24, MA-49 to MA-51, MA-53, MA-54, MA-60, OS-121, OS-122).

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::rig::{Door, Plan, Tokens, app, door};

/// Takes a JWT apart, lets a test change it, and puts it together with the old signature.
fn mutate(token: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part: &str| -> Value {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
    };
    let (mut header, mut claims) = (read(parts[0]), read(parts[1]));
    change(&mut header, &mut claims);
    let write = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}.{}", write(&header), write(&claims), parts[2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_tampered_with_is_worth_nothing() {
    let door = Door::with(Plan {
        servers: "
  other:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
            .to_owned(),
        ..Plan::default()
    })
    .await;
    let (app, tokens) = door.signed_in("ana").await;
    let good = &tokens.access;
    let parts: Vec<&str> = good.split('.').collect();
    let jwks = door.get("/.well-known/jwks.json").await;
    let key = jwks.json()["keys"][0].to_string();
    let back = door
        .browser()
        .approve(&app.authorize(&[("scope", "openid"), ("resource", "")]), "ana")
        .await;
    let identity = Tokens::of(&app.redeem(&app::code_of(&back)).await);
    let id_token = identity.all["id_token"].as_str().unwrap().to_owned();
    let cases: Vec<(&str, String)> = vec![
        ("no JWT", "abc".to_owned()),
        ("one part", parts[0].to_owned()),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a part more", format!("{good}.x")),
        ("padding", format!("{good}=")),
        (
            "another signature",
            format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&[7; 64])),
        ),
        ("a shortened signature", good[..good.len() - 4].to_owned()),
        (
            "alg none",
            mutate(good, |header, _| header["alg"] = json!("none")),
        ),
        (
            "alg none, unsigned",
            format!(
                "{}.{}.",
                BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"at+jwt"}"#),
                parts[1]
            ),
        ),
        ("HS256 with the public key", hs256(good, key.as_bytes())),
        ("HS256 with the key set", hs256(good, jwks.body.as_bytes())),
        (
            "another algorithm",
            mutate(good, |header, _| header["alg"] = json!("RS256")),
        ),
        (
            "another key id",
            mutate(good, |header, _| header["kid"] = json!("x")),
        ),
        (
            "a key of its own",
            mutate(good, |header, _| header["jwk"] = json!({ "kty": "EC" })),
        ),
        (
            "a key from an address",
            mutate(good, |header, _| {
                header["jku"] = json!("https://evil.example/jwks");
            }),
        ),
        (
            "critical extensions",
            mutate(good, |header, _| header["crit"] = json!(["exp"])),
        ),
        (
            "another audience",
            mutate(good, |_, claims| claims["aud"] = json!("https://x")),
        ),
        (
            "another person",
            mutate(good, |_, claims| {
                claims["sub"] = json!("00000000-0000-7000-8000-000000000000");
            }),
        ),
        (
            "a longer life",
            mutate(good, |_, claims| claims["exp"] = json!(4_000_000_000_u32)),
        ),
        (
            "more scopes",
            mutate(good, |_, claims| claims["scope"] = json!("mcp admin")),
        ),
        ("signed by somebody else", signed_elsewhere(&tokens.claims())),
        ("an ID token", id_token),
        ("a token for userinfo", identity.access.clone()),
        ("a refresh token", tokens.refresh.clone()),
        ("longer than any token", "a".repeat(20_000)),
    ];
    for (name, token) in cases {
        let reply = door.call(&token, "echo_headers", json!({})).await;
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer resource_metadata=\""),
            "CC-3: {name}: {challenge}"
        );
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "MA-24: {name}: {challenge}"
        );
    }
    // MA-50: good here, worth nothing next door.
    assert_eq!(
        door.ask(door::call("fixture", "echo_headers", json!({})).bearer(good))
            .await
            .status,
        200
    );
    let next_door = door
        .ask(door::call("other", "echo_headers", json!({})).bearer(good))
        .await;
    assert_eq!(next_door.status, 401);
    door.advance(Duration::from_secs(3601));
    let late = door
        .ask(door::call("fixture", "echo_headers", json!({})).bearer(good))
        .await;
    assert_eq!(late.status, 401);
    assert!(
        late.header("www-authenticate").unwrap().contains("token expired"),
        "MA-25"
    );
    let before = door.upstream.take_requests();
    assert_eq!(
        before.len(),
        1,
        "MA-2: nothing but the one good request reached the upstream"
    );
}

/// The same claims, signed with a key that is not ours.
fn signed_elsewhere(claims: &Value) -> String {
    let (key, _) = keys::SigningKey::generate(keys::Algorithm::Es256).unwrap();
    keys::jws::sign(&key, "at+jwt", claims).unwrap()
}

/// What a verifier that takes a public key for a shared secret would accept.
fn hs256(token: &str, key: &[u8]) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let signed = format!(
        "{}.{claims}",
        BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"at+jwt"}"#)
    );
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(mac.as_ref()))
}
