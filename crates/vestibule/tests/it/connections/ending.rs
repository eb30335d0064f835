//! Connections that end: at the provider, by their owner, by an operator.

use std::time::Duration;

use serde_json::json;
use vestibule::operator::Answer;

use super::{ANAS, BENS, call_own, connect, said};
use crate::rig::accounts::Accounts;
use crate::rig::{Door, Plan, Reply, eventually};

/// CC-105, MA-63: an upstream's 401 is never passed on. If the provider does not take the credential either, the
/// connection has ended and says so; if it does, it is the server that refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_the_upstream_refuses_is_checked() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let plan = accounts.plan();
    let servers = plan
        .servers
        .replace("token ${connection}", "Bearer ${connection}");
    let upstream = fixture::Options::new()
        .demanding_bearer("another")
        .with_extra_tools();
    let plan = Plan {
        servers,
        upstream,
        ..plan
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        accounts.give(ANAS, "ana");
        let token = door.token_for("own").await;
        // Without a connection the server's own refusal says the same.
        let reply = door
            .ask(crate::rig::door::modern("own", "tools/list", json!({})).bearer(&token))
            .await;
        assert_eq!(reply.json()["error"]["code"], -32603, "{engine}: {reply:?}");
        connect(&door, "ana", ANAS).await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("refused this to your account"),
            "{engine}: {text}"
        );

        accounts.says(Some((500, "")));
        let (text, _) = said(&call_own(&door, &token).await);
        assert!(text.contains("try again later"), "{engine}: {text}");
        accounts.says(None);

        accounts.take_back(ANAS);
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("not connected any more"),
            "{engine}: {text}"
        );
        let ended = door.audit("connection_ended").await;
        assert_eq!(
            (ended.len(), &ended[0]["reason"]),
            (1, &json!("refused")),
            "{engine}"
        );
        let asked = accounts.asked();
        let (text, _) = said(&call_own(&door, &token).await);
        assert!(text.contains("/connect?to=forge"), "{engine}: {text}");
        assert_eq!(
            accounts.asked(),
            asked,
            "{engine}: one that has ended is not asked about again"
        );
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/connections").await;
        assert!(
            browser.page.contains("Does not count any more"),
            "{engine}: {}",
            browser.page
        );

        accounts.give(ANAS, "ana");
        connect(&door, "ana", ANAS).await;
        let (text, _) = said(&call_own(&door, &token).await);
        assert!(text.contains("refused this to your account"), "{engine}: {text}");
    }
}

/// By its own address, under the door's one name.
async fn call_replica(replica: &Door, token: &str) -> Reply {
    let ask = crate::rig::door::call("own", "echo_headers", json!({})).bearer(token);
    let public = replica.url.strip_prefix("http://").unwrap().to_owned();
    replica.ask(ask.with("host", public)).await
}

/// What its owner or an operator takes away is gone on the next call, also at another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_disconnected_is_gone_on_the_next_call() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    accounts.give(BENS, "ben");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let [ana, ben] = door.tokens_for("own", ["ana", "ben"]).await;
        connect(&door, "ana", ANAS).await;
        connect(&door, "ben", BENS).await;
        assert!(!said(&call_own(&door, &ana).await).1, "{engine}");
        assert!(!said(&call_own(&door, &ben).await).1, "{engine}");
        let replica = if engine == "postgres" {
            Some(door.replica().await)
        } else {
            None
        };
        if let Some(replica) = &replica {
            assert!(!said(&call_replica(replica, &ana).await).1, "{engine}");
        }

        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/connections").await;
        let form = browser.form("/connections/disconnect");
        let reply = browser.submit(&form).await;
        assert!(
            reply.body.contains("Forge is disconnected"),
            "{engine}: {}",
            reply.body
        );
        assert!(said(&call_own(&door, &ana).await).1, "{engine}");
        assert!(!said(&call_own(&door, &ben).await).1, "{engine}: somebody else's");
        if let Some(replica) = &replica {
            eventually(async || {
                if said(&call_replica(replica, &ana).await).1 {
                    Ok(())
                } else {
                    Err("still connected".to_owned())
                }
            })
            .await;
        }

        let Answer::List { rows, .. } = door.operate(&["connection", "list"]).await.unwrap() else {
            panic!("a list")
        };
        assert_eq!(
            (rows.len(), &rows[0]["user"], &rows[0]["upstream"]),
            (1, &json!("ben"), &json!("ben"))
        );
        door.operate(&["connection", "remove", "ben", "forge"])
            .await
            .unwrap();
        assert!(said(&call_own(&door, &ben).await).1, "{engine}");
        assert!(
            door.operate(&["connection", "remove", "ben", "forge"])
                .await
                .is_err()
        );
        assert_eq!(door.audit("connection_removed").await.len(), 2, "{engine}");
    }
}

/// The state of a credential is decided where it lies: only the one that was refused ends, and only once; nothing is made
/// for somebody who is not active.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_credential_that_was_refused_ends() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        connect(&door, "ana", ANAS).await;
        let store = &door.running().house.foundation.store;
        let (account, forge) = (door.account("ana").await, "forge".parse().unwrap());
        let version = async || store.connection(account, &forge).await.unwrap().unwrap().version;
        let first = version().await;
        door.advance(Duration::from_secs(1));
        connect(&door, "ana", ANAS).await;
        let now = door.world.now();
        let end = async |version| {
            store
                .end_connection(account, &forge, version, "refused", now)
                .await
                .unwrap()
        };
        assert!(!end(first).await, "{engine}: it is another one by now");
        let second = version().await;
        assert!(end(second).await, "{engine}");
        assert!(!end(second).await, "{engine}: twice");
        let known = store.connection(account, &forge).await.unwrap().unwrap();
        assert_eq!(known.ended.unwrap().1, "refused", "{engine}");

        let connection = store::NewConnection {
            account,
            connector: forge.clone(),
            kind: store::ConnectionKind::Token,
            sealed: vec![1],
            version: door.world.new_id(),
            upstream_id: "1".to_owned(),
            upstream_name: None,
            expires_at: None,
            renew_at: None,
        };
        door.operate(&["user", "disable", "ana"]).await.unwrap();
        assert!(!store.connect(&connection, now).await.unwrap(), "{engine}");
    }
}

/// A new master key opens what the old one sealed, seals it again, and then opens it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_master_key_seals_connections_again() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    for mut door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let token = door.token_for("own").await;
        connect(&door, "ana", ANAS).await;
        door.replace_master_key().await;
        let (said, is_error) = said(&call_own(&door, &token).await);
        assert!(!is_error, "{engine}: {said}");
    }
}

/// A connector that comes to mean another provider under the same name never sees what was connected before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_of_one_place() {
    let (accounts, others) = (Accounts::start().await, Accounts::start().await);
    accounts.give(ANAS, "ana");
    for mut door in Door::each(accounts.plan()).await {
        connect(&door, "ana", ANAS).await;
        let token = door.token_for("own").await;
        assert!(!said(&call_own(&door, &token).await).1);
        door.upstream.take_requests();
        door.reconfigure(|text| text.replace(&accounts.url, &others.url))
            .await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(
            is_error && text.contains("Connect it again at"),
            "{}: {text}",
            door.engine()
        );
        assert!(door.upstream.take_requests().is_empty());
        assert_eq!(others.asked(), 0);
        door.reconfigure(ToOwned::to_owned).await;
        assert!(
            !said(&call_own(&door, &token).await).1,
            "where it is from, it counts"
        );
    }
}
