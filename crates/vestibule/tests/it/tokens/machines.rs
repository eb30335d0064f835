//! Tokens for programs without a person: client credentials, workloads, and what is exchanged on somebody's behalf.

use std::time::Duration;

use keys::{SigningKey, jws};
use serde_json::{Value, json};

use crate::rig::app::claims;
use crate::rig::foreign::ForeignIssuer;
use crate::rig::{Ask, Door, Plan, Reply, Tokens, door};

const SECRET: &str = "the-long-secret-of-the-nightly-report";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn plan(issuer: Option<&ForeignIssuer>) -> Plan {
    let platform = issuer.map(|issuer| {
        format!(
            "trusted_issuers:
  ci: {{ issuer: {}, algorithms: [ES256], typ: [JWT] }}
workloads:
  deploy:
    issuer: ci
    audience: door-of-acme
    subjects: [\"repo:acme/*:ref:refs/heads/main\"]
    claims: {{ environment: production }}
    account: nightly
    servers: [fixture]
    lifetime: 15m
",
            issuer.url
        )
    });
    Plan {
        files: vec![("nightly-secret", SECRET.to_owned())],
        config: format!(
            "clients:
  nightly:
    name: Nightly report
    secret_file: nightly-secret
    client_credentials: {{ account: nightly, servers: [fixture, second], scope: mcp second:write }}
  relay:
    name: The server that calls another
    secret_file: nightly-secret
    token_exchange: {{ from: [fixture], to: [second] }}
  farther:
    name: The one behind it
    secret_file: nightly-secret
    token_exchange: {{ from: [second], to: [strict, second, fixture] }}
  nobody: {{ name: Nobody, secret_file: nightly-secret, redirect_uris: [\"https://nobody.example/cb\"] }}
{}",
            platform.unwrap_or_default()
        ),
        server: "    introspection_clients: [nobody]".to_owned(),
        servers: "
  second:
    upstream: {upstream}
    allow: [{ groups: [developers, robots], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
    introspection_clients: [nobody]
  strict:
    upstream: {upstream}
    require: { max_age: 1h }
    allow: [{ groups: [developers, robots], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
  others:
    upstream: {upstream}
    allow: [{ groups: [others], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
            .to_owned(),
        ..Plan::default()
    }
}

async fn open(issuer: Option<&ForeignIssuer>) -> Door {
    let door = Door::with(plan(issuer)).await;
    door.operate(&["group", "add", "robots"]).await.unwrap();
    let added = [
        "user",
        "add",
        "nightly",
        "--service",
        "--group",
        "robots",
        "--group",
        "developers",
    ];
    door.operate(&added).await.unwrap();
    // So that tokens are made after the account, as in life.
    door.advance(Duration::from_secs(1));
    door
}

fn resource(door: &Door, server: &str) -> String {
    format!("{}/mcp/{server}", door.url)
}

async fn credentials(door: &Door, client: &str, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", SECRET),
    ];
    fields.extend(more);
    door.ask(Ask::form("/token", &fields)).await
}

async fn call(door: &Door, server: &str, token: &str) -> Reply {
    door.ask(door::call(server, "echo_headers", json!({})).bearer(token))
        .await
}

fn refused(reply: &Reply, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (400, error), "{reply:?}");
}

/// OS-70 to OS-72, MA-163, MA-165, CC-100: a client with an account of its own, and nothing that only a person can give.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_70_ma_163_a_program_acts_as_its_own_account() {
    let mut door = open(None).await;
    let metadata = door.get("/.well-known/oauth-authorization-server").await.json();
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!("client_credentials")) && grants.contains(&json!(EXCHANGE)));
    assert!(!grants.contains(&json!(JWT_BEARER)), "{grants:?}");

    let fixture = resource(&door, "fixture");
    let reply = credentials(
        &door,
        "nightly",
        &[("resource", &fixture), ("scope", "mcp openid offline_access")],
    )
    .await;
    let tokens = Tokens::of(&reply);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let says = tokens.claims();
    let account = door.account("nightly").await.to_string();
    assert_eq!(
        (&says["sub"], &says["client_id"], &says["aud"], &says["scope"]),
        (&json!(account), &json!("nightly"), &json!(fixture), &json!("mcp"))
    );
    for absent in ["refresh_token", "id_token"] {
        assert!(tokens.all.get(absent).is_none(), "OS-71: {absent}");
    }
    assert!(
        says.get("auth_time").is_none() && says.get("act").is_none(),
        "{says}"
    );
    assert_eq!(call(&door, "fixture", &tokens.access).await.status, 200);
    assert_eq!(call(&door, "second", &tokens.access).await.status, 401, "MA-50");
    let rows = door.calls_recorded(|rows| !rows.is_empty()).await;
    assert_eq!(
        (&rows[0]["username"], &rows[0]["client"]),
        (&json!("nightly"), &json!("nightly")),
        "{}",
        rows[0]
    );
    let issued = &door.audit("tokens_issued").await[0];
    assert_eq!(issued["by"], "client_credentials");

    // Which server has to be said, and it has to be one of its own.
    refused(&credentials(&door, "nightly", &[]).await, "invalid_target");
    for server in ["others", "strict", "none"] {
        let named = resource(&door, server);
        refused(
            &credentials(&door, "nightly", &[("resource", &named)]).await,
            "invalid_target",
        );
    }
    let both = [
        ("resource", fixture.as_str()),
        ("resource", &resource(&door, "second")),
    ];
    refused(&credentials(&door, "nightly", &both).await, "invalid_target");
    refused(
        &credentials(
            &door,
            "nightly",
            &[("resource", &fixture), ("scope", "others:write")],
        )
        .await,
        "invalid_scope",
    );

    refused(
        &credentials(&door, "nightly", &[("resource", &fixture), ("scope", "openid")]).await,
        "invalid_scope",
    );

    // OS-70: neither a client that is not meant to, nor one that anybody registered, nor one that only says a name.
    for client in ["nobody", "relay"] {
        refused(
            &credentials(&door, client, &[("resource", &fixture)]).await,
            "unauthorized_client",
        );
    }
    let app = door.app().await;
    let form = app.token_form(&[("grant_type", "client_credentials"), ("resource", &fixture)]);
    refused(&door.ask(form).await, "unauthorized_client");
    let wrong = [
        ("grant_type", "client_credentials"),
        ("client_id", "nightly"),
        ("client_secret", "wrong"),
    ];
    assert_eq!(door.ask(Ask::form("/token", &wrong)).await.status, 401);
    let without = [
        ("grant_type", "client_credentials"),
        ("client_id", "nightly"),
        ("resource", &fixture),
    ];
    assert_eq!(door.ask(Ask::form("/token", &without)).await.status, 401);

    // Its end: by itself, with its groups, with the account.
    let revoked = [
        ("token", tokens.access.as_str()),
        ("client_id", "nightly"),
        ("client_secret", SECRET),
    ];
    assert_eq!(door.ask(Ask::form("/revoke", &revoked)).await.status, 200);
    assert_eq!(call(&door, "fixture", &tokens.access).await.status, 401);
    let second = resource(&door, "second");
    let tokens = Tokens::of(&credentials(&door, "nightly", &[("resource", &second)]).await);
    door.operate(&["group", "remove-member", "developers", "nightly"])
        .await
        .unwrap();
    assert_eq!(call(&door, "second", &tokens.access).await.status, 200);
    refused(
        &credentials(&door, "nightly", &[("resource", &fixture)]).await,
        "invalid_grant",
    );
    door.restart().await;
    assert_eq!(
        call(&door, "second", &tokens.access).await.status,
        200,
        "it outlives a restart"
    );
    door.operate(&["user", "disable", "nightly"]).await.unwrap();
    assert_eq!(call(&door, "second", &tokens.access).await.status, 401);
    refused(
        &credentials(&door, "nightly", &[("resource", &second)]).await,
        "invalid_grant",
    );
    door.operate(&["user", "remove", "nightly", "--yes"])
        .await
        .unwrap();
    refused(
        &credentials(&door, "nightly", &[("resource", &second)]).await,
        "unauthorized_client",
    );
}

/// What a workload's platform says of it.
fn assertion(
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

async fn exchange(door: &Door, client: &str, subject: &str, server: &str, more: &[(&str, &str)]) -> Reply {
    let resource = resource(door, server);
    let mut fields = vec![
        ("grant_type", EXCHANGE),
        ("client_id", client),
        ("client_secret", SECRET),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", &resource),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    door.ask(Ask::form("/token", &fields)).await
}

/// OS-76 to OS-79: who acts for whom is said, nothing grows, and all of it ends together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_76_os_79_a_server_calls_another_one_for_somebody() {
    let door = open(None).await;
    let (app, person) = door.signed_in("ana").await;
    door.advance(Duration::from_mins(20));
    let reply = exchange(&door, "relay", &person.access, "second", &[]).await;
    assert_eq!(
        reply.json()["issued_token_type"],
        ACCESS_TOKEN,
        "OS-78: {reply:?}"
    );
    let first = Tokens::of(&reply);
    let (before, says) = (person.claims(), first.claims());
    for kept in ["sub", "grant", "auth_time", "exp"] {
        assert_eq!(says[kept], before[kept], "{kept}");
    }
    assert_eq!(
        (&says["client_id"], &says["act"], &says["scope"]),
        (
            &json!("relay"),
            &json!({ "sub": "relay", "act": { "sub": app.id } }),
            &json!("mcp")
        )
    );
    assert!(first.all.get("refresh_token").is_none());
    assert_eq!(call(&door, "second", &first.access).await.status, 200);
    assert_eq!(call(&door, "fixture", &first.access).await.status, 401);
    let rows = door.calls_recorded(|rows| !rows.is_empty()).await;
    assert_eq!(
        (&rows[0]["username"], &rows[0]["client"]),
        (&json!("ana"), &json!("relay"))
    );
    let issued = &door.audit("tokens_issued").await[0];
    assert_eq!(
        (&issued["by"], &issued["act"]),
        (&json!("token_exchange"), &json!(["relay", app.id]))
    );
    let asked = [
        ("token", first.access.as_str()),
        ("client_id", "nobody"),
        ("client_secret", SECRET),
    ];
    let told = door.ask(Ask::form("/introspect", &asked)).await.json();
    assert_eq!(
        (&told["username"], &told["act"]["sub"]),
        (&json!("ana"), &json!("relay"))
    );

    // On and on, but not in circles.
    let second = Tokens::of(&exchange(&door, "farther", &first.access, "strict", &[]).await);
    assert_eq!(second.claims()["act"]["act"]["sub"], "relay");
    assert_eq!(
        call(&door, "strict", &second.access).await.status,
        200,
        "she signed in lately"
    );
    let mut token = Tokens::of(&exchange(&door, "farther", &first.access, "second", &[]).await).access;
    let circle = loop {
        let reply = exchange(&door, "farther", &token, "second", &[]).await;
        if reply.status != 200 {
            break reply;
        }
        token = Tokens::of(&reply).access;
    };
    refused(&circle, "invalid_request");

    // OS-77: whatever is wrong with what is shown is an invalid request.
    let garbage = format!("{}x", person.access);
    for (what, client, subject, more, error) in [
        ("garbage", "relay", garbage.as_str(), &[][..], "invalid_request"),
        (
            "for another server",
            "farther",
            &person.access,
            &[],
            "invalid_request",
        ),
        (
            "no type",
            "relay",
            &person.access,
            &[("subject_token_type", "")],
            "invalid_request",
        ),
        (
            "another type",
            "relay",
            &person.access,
            &[("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")],
            "invalid_request",
        ),
        (
            "a refresh token",
            "relay",
            &person.refresh,
            &[],
            "invalid_request",
        ),
        (
            "an actor",
            "relay",
            &person.access,
            &[("actor_token", "x")],
            "invalid_request",
        ),
        (
            "another audience",
            "relay",
            &person.access,
            &[("audience", "x")],
            "invalid_target",
        ),
        (
            "for an ID token",
            "relay",
            &person.access,
            &[(
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:id_token",
            )],
            "invalid_request",
        ),
        (
            "nobody's business",
            "nobody",
            &person.access,
            &[],
            "unauthorized_client",
        ),
        (
            "more than it may",
            "relay",
            &person.access,
            &[("scope", "second:write")],
            "invalid_scope",
        ),
    ] {
        let reply = exchange(&door, client, subject, "second", more).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, error),
            "{what}: {reply:?}"
        );
    }
    refused(
        &exchange(&door, "relay", &person.access, "strict", &[]).await,
        "invalid_target",
    );

    // Nobody signed in for a program; where that is demanded nobody lends it a sign-in.
    let second_of = resource(&door, "second");
    let machine = Tokens::of(&credentials(&door, "nightly", &[("resource", &second_of)]).await);
    refused(
        &exchange(&door, "farther", &machine.access, "strict", &[]).await,
        "invalid_request",
    );

    // At the server of the token nothing is added.
    let kept = Tokens::of(&exchange(&door, "farther", &first.access, "second", &[]).await);
    assert_eq!(kept.claims()["scope"], "mcp");

    // The end of the grant is the end of all that stands on it.
    let last = Tokens::of(&exchange(&door, "relay", &person.access, "second", &[]).await);
    assert_eq!(app.revoke(&person.refresh).await.status, 200);
    for (server, token) in [
        ("second", &first.access),
        ("second", &last.access),
        ("strict", &second.access),
    ] {
        assert_eq!(call(&door, server, token).await.status, 401, "{server}");
    }
    refused(
        &exchange(&door, "relay", &person.access, "second", &[]).await,
        "invalid_request",
    );

    // Nor does it outlive the program that was granted it.
    let (other, another) = door.signed_in("ben").await;
    let lent = Tokens::of(&exchange(&door, "relay", &another.access, "second", &[]).await);
    assert_eq!(call(&door, "second", &lent.access).await.status, 200);
    door.operate(&["client", "disable", &other.id]).await.unwrap();
    assert_eq!(call(&door, "second", &lent.access).await.status, 401);
}
