//! This door makes itself known at a provider: by a document about itself, or by registering (RFC 7591).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{call_own, said};
use crate::rig::accounts::Accounts;
use crate::rig::app::query_of;
use crate::rig::{Ask, Browser, Door, Plan, Reply};

/// To the provider and back.
async fn connect(browser: &mut Browser<'_>, accounts: &Accounts, door: &Door, login: &str) -> Reply {
    let away = super::oauth::leave(browser).await;
    let back = accounts.approve(&away, &door.url, login);
    browser.get(&format!("{back}&iss={}", accounts.url)).await
}

fn is_connected(reply: &Reply) -> bool {
    reply.body.contains("You are connected as")
}

fn registrations(accounts: &Accounts) -> Vec<Value> {
    accounts.registering(|registering| registering.requests.clone())
}

/// One registration for everybody, for as long as it counts, also after a restart under another master key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_registers_once() {
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let accounts = Accounts::start().await;
        let plan = accounts.registering_plan();
        accounts.registering(|registering| registering.methods = vec!["private_key_jwt", method]);
        for mut door in Door::each(plan).await {
            let engine = door.engine();
            accounts.registering(|registering| registering.requests.clear());
            let mut ana = door.browser();
            ana.sign_in("ana").await;
            assert!(
                is_connected(&connect(&mut ana, &accounts, &door, "ana").await),
                "{engine} {method}: {}",
                ana.page
            );
            let callback = format!("{}/connect/callback/forge", door.url);
            let said_of_us = json!({
                "client_name": "Example Corp MCP", "client_uri": door.url, "redirect_uris": [callback],
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "token_endpoint_auth_method": method, "application_type": "native", "scope": "read",
            });
            assert_eq!(
                registrations(&accounts),
                std::slice::from_ref(&said_of_us),
                "{engine}"
            );
            let row = format!(
                "{:?}",
                door.running()
                    .house
                    .foundation
                    .store
                    .upstream_clients()
                    .await
                    .unwrap()
            );
            assert!(row.contains("client-1") && !row.contains("s3cret"), "{row}");

            door.replace_master_key().await;

            door.advance(Duration::from_secs(3570));
            let token = door.token_for("own").await;
            accounts.token_requests();
            let (text, is_error) = said(&call_own(&door, &token).await);
            assert!(!is_error, "{engine} {method}: {text}");
            assert_eq!(
                accounts.token_requests().len(),
                1,
                "{engine}: renewed as the same client"
            );
            let mut ben = door.browser();
            ben.sign_in("ben").await;
            assert!(
                is_connected(&connect(&mut ben, &accounts, &door, "ben").await),
                "{}",
                ben.page
            );
            assert_eq!(registrations(&accounts).len(), 1, "{engine} {method}");
            let recorded = door.audit("upstream_client").await;
            let [made] = &recorded[..] else {
                panic!("{engine} {method}: {recorded:?}")
            };
            assert_eq!(
                (&made["client"], &made["action"]),
                (&json!("client-1"), &json!("registered"))
            );
        }
    }
}

/// However many ask at once, at however many replicas: the provider sees one registration, and all are that client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_connect_at_once_register_once() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.registering_plan()).await {
        accounts.registering(|registering| registering.requests.clear());
        let mut doors = vec![std::sync::Arc::new(door)];
        if doors[0].engine() == "postgres" {
            doors.push(std::sync::Arc::new(doors[0].replica().await));
        }
        let session = {
            let mut ana = doors[0].browser();
            ana.sign_in("ana").await;
            ana.cookies
        };
        let mut all = JoinSet::new();
        for at in 0..32 {
            let (door, cookies) = (std::sync::Arc::clone(&doors[at % doors.len()]), session.clone());
            all.spawn(async move {
                let mut ana = door.browser();
                ana.cookies = cookies;
                query_of(&super::oauth::leave(&mut ana).await)["client_id"].clone()
            });
        }
        for client in all.join_all().await {
            assert_eq!(client, "client-1");
        }
        assert_eq!(registrations(&accounts).len(), 1, "{}", doors[0].engine());
    }
}

/// A provider that has forgotten the door is told of it once more; a secret that runs out, or an address that changes, makes
/// another client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_count_any_more_is_registered_anew() {
    let accounts = Accounts::start().await;
    for mut door in Door::each(accounts.registering_plan()).await {
        let engine = door.engine();
        accounts.registering(|registering| {
            registering.requests.clear();
            registering.secrets_expire_at = 0;
        });
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        assert!(
            is_connected(&connect(&mut ana, &accounts, &door, "ana").await),
            "{engine}"
        );

        accounts.forgets_its_clients();
        assert_eq!(
            connect(&mut ana, &accounts, &door, "ana").await.status,
            400,
            "{engine}"
        );
        let now = door.world.now().since(model::Timestamp::EPOCH).as_secs();
        accounts.registering(|registering| {
            registering.secrets_expire_at = i64::try_from(now).unwrap() + 3600;
        });
        assert!(
            is_connected(&connect(&mut ana, &accounts, &door, "ana").await),
            "{engine}"
        );
        assert_eq!(registrations(&accounts).len(), 2, "{engine}");

        // Whoever is at the provider meanwhile comes back as the client that they left as.
        door.advance(Duration::from_mins(40));
        let away = super::oauth::leave(&mut ana).await;
        door.advance(Duration::from_mins(10));
        let back = accounts.approve(&away, &door.url, "ana");
        accounts.token_requests();
        let reply = ana.get(&format!("{back}&iss={}", accounts.url)).await;
        assert!(is_connected(&reply), "{engine}: {}", reply.body);
        assert_eq!(registrations(&accounts).len(), 2, "{engine}");

        accounts.registering(|registering| registering.secrets_expire_at = 0);
        ana.get("/").await;
        assert!(
            is_connected(&connect(&mut ana, &accounts, &door, "ana").await),
            "{engine}"
        );
        assert_eq!(registrations(&accounts).len(), 3, "{engine}: before it runs out");

        drop(ana);
        door.reconfigure(|text| {
            text.replace("  forge:", "  anvil:")
                .replace("connector: forge", "connector: anvil")
        })
        .await;
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        ana.get("/connect?to=anvil").await;
        let form = ana.form("/connect/leave");
        let away = ana.submit(&form).await.location().to_owned();
        assert_eq!(query_of(&away)["client_id"], "client-4", "{engine}");
        assert_eq!(
            registrations(&accounts)[3]["redirect_uris"],
            json!([format!("{}/connect/callback/anvil", door.url)])
        );
    }
}

/// Whoever comes back as a client that has ended meanwhile is told so: another client would be given nothing for their code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_registers_for_somebody_who_comes_back() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.registering_plan()).await {
        let engine = door.engine();
        accounts.registering(|registering| registering.requests.clear());
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        let away = super::oauth::leave(&mut ana).await;
        let back = accounts.approve(&away, &door.url, "ana");
        accounts.forgets_its_clients();
        let mut ben = door.browser();
        ben.sign_in("ben").await;
        assert!(
            !is_connected(&connect(&mut ben, &accounts, &door, "ben").await),
            "{engine}"
        );
        let reply = ana.get(&format!("{back}&iss={}", accounts.url)).await;
        assert!(!is_connected(&reply), "{engine}: {}", reply.body);
        assert_eq!(registrations(&accounts).len(), 1, "{engine}");
    }
}

/// A provider that registers nobody keeps nobody waiting, and is asked again by the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_refuses_is_asked_again() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.registering_plan()).await {
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        for (status, answer) in [
            (400, r#"{"error":"invalid_client_metadata"}"#),
            (201, "{}"),
            (200, "no JSON"),
        ] {
            accounts.registering(|registering| registering.says = Some((status, answer.to_owned())));
            ana.get("/connect?to=forge").await;
            let form = ana.form("/connect/leave");
            let reply = ana.submit(&form).await;
            assert_eq!(reply.status, 502, "{}", reply.body);
        }
        accounts.registering(|registering| registering.says = None);
        assert!(
            is_connected(&connect(&mut ana, &accounts, &door, "ana").await),
            "{}",
            ana.page
        );
    }
}

/// A provider that reads documents is shown the door's own, which says that it is a public client; nothing is registered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_known_by_its_document() {
    let accounts = Accounts::start().await;
    let plan = accounts.registering_plan();
    for door in Door::each(Plan { https: true, ..plan }).await {
        let address = format!("{}/connect/client/forge", door.url);
        accounts.registering(|registering| registering.documents = Some(vec![address.clone()]));
        let mut ana = door.browser();
        ana.sign_in("ana").await;
        let away = super::oauth::leave(&mut ana).await;
        assert_eq!(query_of(&away)["client_id"], json!(address));
        let document = door.get("/connect/client/forge").await;
        assert_eq!(
            document.json(),
            json!({
                "client_id": address, "client_name": "Example Corp MCP", "client_uri": door.url,
                "redirect_uris": [format!("{}/connect/callback/forge", door.url)],
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "token_endpoint_auth_method": "none", "application_type": "web", "scope": "read",
            })
        );
        assert_eq!(document.header("content-type"), Some("application/json"));
        let back = accounts.approve(&away, &door.url, "ana");
        let reply = ana.get(&format!("{back}&iss={}", accounts.url)).await;
        assert!(is_connected(&reply), "{}", reply.body);
        assert!(registrations(&accounts).is_empty());
        assert_eq!(door.get("/connect/client/nobody").await.status, 404);
    }
    // On a laptop nobody else could read it.
    let door = Door::with(accounts.discovered_plan()).await;
    assert_eq!(door.ask(Ask::get("/connect/client/forge")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_registers_itself_has_no_name_and_no_files() {
    let accounts = Accounts::start().await;
    let mut door = Door::with(accounts.registering_plan()).await;
    for (from, to, what) in [
        (
            "register: true",
            "register: true, client_id: door",
            "take `client_id` and its files out",
        ),
        (
            "register: true",
            "register: true, client_secret_file: credential",
            "take `client_id` and its files out",
        ),
        (
            "register: true",
            "register: true, pkce: false",
            "may have no secret",
        ),
        (
            "register: true",
            "register: true, scope_separator: ','",
            "does not go with `register`",
        ),
        ("register: true, ", "", "write `register: true`"),
    ] {
        let error = door
            .try_reconfigure(|text| text.replace(from, to))
            .await
            .unwrap_err();
        assert!(error.contains(what), "{error}");
    }
    let named = format!(
        "authorization_endpoint: \"{0}/authorize\", token_endpoint: \"{0}/token\"",
        accounts.url
    );
    let issuer = format!("issuer: \"{}\"", accounts.url);
    let error = door
        .try_reconfigure(|text| text.replace(&issuer, &named))
        .await
        .unwrap_err();
    assert!(error.contains("needs `issuer`"), "{error}");
}
