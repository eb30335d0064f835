//! The JWT bearer grant for workloads.

use std::time::Duration;

use keys::{SigningKey, jws};
use serde_json::{Value, json};

use super::{JWT_BEARER, call, open, refused, resource};
use crate::rig::app::claims;
use crate::rig::foreign::ForeignIssuer;
use crate::rig::{Ask, Door, Reply, Tokens};

/// What a workload's platform says of it.
pub(super) fn assertion(
    door: &Door,
    issuer: &ForeignIssuer,
    key: &SigningKey,
    change: impl FnOnce(&mut Value),
) -> String {
    let now = door.world.now().as_seconds();
    let mut claims = json!({
        "iss": issuer.url, "sub": "repo:acme/app:ref:refs/heads/main", "aud": door.url, "iat": now - 5, "exp": now + 300,
        "jti": "1", "environment": "production",
    });
    change(&mut claims);
    jws::sign(key, "JWT", &claims).unwrap()
}

async fn bearer(door: &Door, assertion: &str) -> Reply {
    let resource = resource(door, "fixture");
    let fields = [
        ("grant_type", JWT_BEARER),
        ("assertion", assertion),
        ("resource", &resource),
    ];
    door.ask(Ask::form("/token", &fields)).await
}

/// OS-80 to OS-83, MA-168, MA-193 to MA-195: a CI job shows what its platform says of it, and has no secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_80_ma_193_a_workload_needs_no_secret() {
    let (issuer, key) = ForeignIssuer::start().await;
    let door = open(Some(&issuer)).await;
    let metadata = door.get("/.well-known/oauth-authorization-server").await;
    assert!(
        metadata.json()["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(JWT_BEARER))
    );
    assert!(
        !String::from_utf8_lossy(metadata.body.as_bytes()).contains(&issuer.url),
        "MA-169"
    );

    let good = assertion(&door, &issuer, &key, |_| {});
    let tokens = Tokens::of(&bearer(&door, &good).await);
    let says = tokens.claims();
    assert_eq!(
        (&says["sub"], &says["client_id"]),
        (
            &json!(door.account("nightly").await.to_string()),
            &json!("workload:deploy")
        )
    );
    assert_eq!(tokens.all["expires_in"], 15 * 60);
    assert!(tokens.all.get("refresh_token").is_none());
    assert_eq!(call(&door, "fixture", &tokens.access).await.status, 200);
    assert_eq!(door.audit("tokens_issued").await[0]["by"], "jwt_bearer");
    // A job asks more than once.
    Tokens::of(&bearer(&door, &good).await);
    // MA-194: both audiences, and what the operator says.
    let with = |change: fn(&mut Value)| assertion(&door, &issuer, &key, change);
    let endpoint = format!("{}/token", door.url);
    for audience in [json!(endpoint), json!("door-of-acme"), json!(["x", door.url])] {
        let text = assertion(&door, &issuer, &key, |claims| claims["aud"] = audience);
        Tokens::of(&bearer(&door, &text).await);
    }

    let (stranger, _) = SigningKey::generate(keys::Algorithm::Es256).unwrap();
    let (_, person) = door.signed_in("ana").await;
    for (what, text) in [
        (
            "another job",
            with(|claims| claims["sub"] = json!("repo:acme/app:ref:refs/heads/x")),
        ),
        (
            "another owner",
            with(|claims| claims["sub"] = json!("repo:acme-evil/app:ref:refs/heads/main")),
        ),
        (
            "a branch that is called like it",
            with(|claims| claims["sub"] = json!("repo:acme/app:ref:refs/heads/x:ref:refs/heads/main")),
        ),
        (
            "another environment",
            with(|claims| claims["environment"] = json!("test")),
        ),
        (
            "no environment",
            with(|claims| claims["environment"] = json!(null)),
        ),
        (
            "another audience",
            with(|claims| claims["aud"] = json!("https://other.example")),
        ),
        ("no audience", with(|claims| claims["aud"] = json!(null))),
        (
            "expired",
            with(|claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 60)),
        ),
        (
            "of the future",
            with(|claims| claims["nbf"] = json!(claims["exp"])),
        ),
        (
            "another issuer",
            with(|claims| claims["iss"] = json!("https://other.example")),
        ),
        ("another type", jws::sign(&key, "at+jwt", &claims(&good)).unwrap()),
        ("an ID token", with(|claims| claims["nonce"] = json!("n"))),
        ("a token of ours", person.access),
        ("garbage", "a.b.c".to_owned()),
    ] {
        let reply = bearer(&door, &text).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_grant"),
            "{what}: {reply:?}"
        );
    }
    // Once the platform may be asked again whether it has such a key.
    door.advance(Duration::from_secs(20));
    refused(
        &bearer(&door, &assertion(&door, &issuer, &stranger, |_| {})).await,
        "invalid_grant",
    );
    let fields = [("grant_type", JWT_BEARER)];
    refused(&door.ask(Ask::form("/token", &fields)).await, "invalid_request");
    let second = resource(&door, "second");
    let fields = [
        ("grant_type", JWT_BEARER),
        ("assertion", good.as_str()),
        ("resource", &second),
    ];
    refused(&door.ask(Ask::form("/token", &fields)).await, "invalid_target");
    let refusals = door.audit("grant_refused").await;
    assert!(
        refusals.iter().any(|row| row["client"] == "workload:"),
        "{refusals:?}"
    );

    // A platform that cannot be asked is nobody's fault.
    let new = issuer.new_key();
    issuer.is_down(true);
    let unknown = assertion(&door, &issuer, &new, |_| {});
    assert_eq!(bearer(&door, &unknown).await.status, 503);
    Tokens::of(&bearer(&door, &good).await);
}

/// Whoever has a workload's token can end it; and it ends with its entry in the configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workloads_token_can_be_taken_back() {
    let (issuer, key) = ForeignIssuer::start().await;
    let mut door = open(Some(&issuer)).await;
    let good = assertion(&door, &issuer, &key, |_| {});
    let first = Tokens::of(&bearer(&door, &good).await).access;
    let second = Tokens::of(&bearer(&door, &good).await).access;
    assert_eq!(
        door.ask(Ask::form("/revoke", &[("token", &first)])).await.status,
        200
    );
    assert_eq!(call(&door, "fixture", &first).await.status, 401);
    assert_eq!(call(&door, "fixture", &second).await.status, 200);
    door.reconfigure(|text| text.replace("  deploy:", "  deploy-anew:"))
        .await;
    assert_eq!(call(&door, "fixture", &second).await.status, 401);
    let third = Tokens::of(&bearer(&door, &good).await);
    assert_eq!(third.claims()["client_id"], "workload:deploy-anew");
}
