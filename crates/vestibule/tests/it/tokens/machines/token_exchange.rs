//! Token exchange.

use std::time::Duration;

use serde_json::json;

use super::{EXCHANGE, SECRET, call, credentials, open, refused, resource};
use crate::rig::{Ask, Door, Reply, Tokens};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

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

/// Whoever exchanged ends by itself: disabled, and taken out of the configuration; and may begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchanger_ends_alone() {
    let mut door = open(None).await;
    let (_, person) = door.signed_in("ana").await;
    let lent = Tokens::of(&exchange(&door, "relay", &person.access, "second", &[]).await).access;
    door.advance(Duration::from_secs(1));
    door.operate(&["client", "disable", "relay"]).await.unwrap();
    assert_eq!(call(&door, "second", &lent).await.status, 401);
    assert_eq!(call(&door, "fixture", &person.access).await.status, 200);
    door.operate(&["client", "enable", "relay"]).await.unwrap();
    door.advance(Duration::from_secs(1));
    let anew = Tokens::of(&exchange(&door, "relay", &person.access, "second", &[]).await).access;
    assert_eq!(
        call(&door, "second", &anew).await.status,
        200,
        "of a grant from before"
    );
    assert_eq!(call(&door, "second", &lent).await.status, 401);
    door.reconfigure(|text| text.replace("from: [fixture], to: [second]", "from: [fixture], to: [strict]"))
        .await;
    assert_eq!(call(&door, "second", &anew).await.status, 401);
}

/// Whoever began, and whoever stands between, has to be in the configuration too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_chain_has_to_be_there_still() {
    let mut door = open(None).await;
    let fixture = resource(&door, "fixture");
    let own = Tokens::of(&credentials(&door, "nightly", &[("resource", &fixture)]).await).access;
    let lent = Tokens::of(&exchange(&door, "relay", &own, "second", &[]).await).access;
    let (_, person) = door.signed_in("ana").await;
    let second = Tokens::of(&exchange(&door, "relay", &person.access, "second", &[]).await).access;
    let third = Tokens::of(&exchange(&door, "farther", &second, "fixture", &[]).await).access;
    assert_eq!(call(&door, "second", &lent).await.status, 200);
    assert_eq!(call(&door, "fixture", &third).await.status, 200);

    let machine =
        "client_credentials: { account: nightly, servers: [fixture, second], scope: mcp second:write }";
    let plain = "redirect_uris: [\"https://nightly.example/cb\"]";
    door.reconfigure(|text| text.replace(machine, plain)).await;
    assert_eq!(call(&door, "second", &lent).await.status, 401);
    assert_eq!(call(&door, "fixture", &third).await.status, 200);

    let exchanges = "token_exchange: { from: [fixture], to: [second] }";
    door.reconfigure(|text| text.replace(machine, plain).replace(exchanges, plain))
        .await;
    assert_eq!(call(&door, "fixture", &third).await.status, 401);
}
