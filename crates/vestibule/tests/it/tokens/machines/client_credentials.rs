//! The `client_credentials` grant, and the accounts that programs act as.

use std::time::Duration;

use serde_json::json;
use vestibule::operator::Failure;

use super::{EXCHANGE, JWT_BEARER, SECRET, call, credentials, open, refused, resource};
use crate::rig::{Ask, Door, Tokens};

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

/// Nobody can sign in as a program's account, and what it is outlives a disabling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_is_nobodys() {
    let door = open(None).await;
    for words in [
        &["user", "invite", "nightly"][..],
        &["user", "promote", "nightly"],
    ] {
        let outcome = door.operate(words).await;
        assert!(
            matches!(outcome, Err(Failure::Conflict(_))),
            "{words:?}: {outcome:?}"
        );
    }
    let fixture = resource(&door, "fixture");
    let before = Tokens::of(&credentials(&door, "nightly", &[("resource", &fixture)]).await);
    door.advance(Duration::from_secs(1));
    door.operate(&["user", "disable", "nightly"]).await.unwrap();
    door.operate(&["user", "enable", "nightly"]).await.unwrap();
    door.advance(Duration::from_secs(1));
    let after = Tokens::of(&credentials(&door, "nightly", &[("resource", &fixture)]).await);
    assert_eq!(call(&door, "fixture", &after.access).await.status, 200);
    assert_eq!(call(&door, "fixture", &before.access).await.status, 401);
    assert!(door.operate(&["user", "invite", "nightly"]).await.is_err());
}

/// A token that stands on no grant ends with its client all the same, and stays ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_with_the_client_stays_ended() {
    let mut door = open(None).await;
    let fixture = resource(&door, "fixture");
    let token = Tokens::of(&credentials(&door, "nightly", &[("resource", &fixture)]).await).access;
    assert_eq!(call(&door, "fixture", &token).await.status, 200);
    door.advance(Duration::from_secs(1));
    door.operate(&["client", "disable", "nightly"]).await.unwrap();
    assert_eq!(call(&door, "fixture", &token).await.status, 401);
    door.operate(&["client", "enable", "nightly"]).await.unwrap();
    assert_eq!(call(&door, "fixture", &token).await.status, 401);
    door.restart().await;
    assert_eq!(
        call(&door, "fixture", &token).await.status,
        401,
        "nobody remembers it"
    );
    door.advance(Duration::from_secs(1));
    let token = Tokens::of(&credentials(&door, "nightly", &[("resource", &fixture)]).await).access;
    assert_eq!(call(&door, "fixture", &token).await.status, 200);

    // What the configuration does not give any more is not there any more.
    door.reconfigure(|text| {
        text.replace(
            "servers: [fixture, second], scope: mcp second:write",
            "servers: [second]",
        )
    })
    .await;
    assert_eq!(call(&door, "fixture", &token).await.status, 401);
    refused(
        &credentials(&door, "nightly", &[("resource", &fixture)]).await,
        "invalid_target",
    );
}

/// What an operator disabled no start and no change of the configuration enables; what left the configuration comes back
/// with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_client_stays_disabled() {
    let mut door = open(None).await;
    let fixture = resource(&door, "fixture");
    let asked = async |door: &Door| credentials(door, "nightly", &[("resource", &fixture)]).await;
    let is_unknown = async |door: &Door| {
        let reply = asked(door).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (401, "invalid_client"),
            "{reply:?}"
        );
    };
    door.operate(&["client", "disable", "nightly"]).await.unwrap();
    is_unknown(&door).await;
    door.reconfigure(str::to_owned).await;
    is_unknown(&door).await;
    door.restart().await;
    is_unknown(&door).await;
    door.operate(&["client", "enable", "nightly"]).await.unwrap();
    Tokens::of(&asked(&door).await);

    let mut whole = String::new();
    door.reconfigure(|text| {
        whole = text.to_owned();
        text.replace("  nightly:", "  another:")
    })
    .await;
    is_unknown(&door).await;
    door.reconfigure(|_| whole).await;
    Tokens::of(&asked(&door).await);
}
