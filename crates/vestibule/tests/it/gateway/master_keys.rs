//! The master key is replaced while calls go on (OS-124).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::operator::Answer;

use super::sessions::begin;
use crate::rig::{Ask, Door, Plan};

/// Under which master keys the signing keys are sealed.
async fn sealed_under(door: &Door) -> BTreeSet<String> {
    let Answer::List { rows, .. } = door.operate(&["key", "list"]).await.unwrap() else {
        panic!("a list")
    };
    let master = |row: &Value| row["master_key"].as_str().unwrap().to_owned();
    rows.iter().map(master).collect()
}

fn in_session(token: &str, session: &str) -> Ask {
    Ask::json(
        "/mcp/fixture",
        &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }),
    )
    .bearer(token)
    .with("accept", "application/json, text/event-stream")
    .with("mcp-session-id", session)
    .with("mcp-protocol-version", "2025-11-25")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_is_replaced_while_calls_go_on() {
    for mut door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let (_, tokens) = door.signed_in("ana").await;
        let session = begin(&door, &tokens.access, "fixture").await;
        let first = sealed_under(&door).await;
        door.make_master_key("second.key");
        let plain = door.configuration();

        let refused = door
            .try_reconfigure(|text| format!("master_key_file: data/second.key\n{text}"))
            .await
            .unwrap_err();
        assert!(refused.contains("older_master_key_files"), "{engine}: {refused}");
        // A slip of the pen loses nothing, and nobody is told that it did.
        let slip = door
            .try_reconfigure(|_| format!("master_key_file: data/secnd.key\n{plain}"))
            .await
            .unwrap_err();
        assert!(
            slip.contains("secnd.key") && !slip.contains("key reset"),
            "{engine}: {slip}"
        );
        assert_eq!(sealed_under(&door).await, first, "{engine}: nothing has changed");

        let mut calls = JoinSet::new();
        for _ in 0..8 {
            let (token, session, address) = (tokens.access.clone(), session.clone(), door.address);
            calls.spawn(async move {
                for _ in 0..25 {
                    let reply = in_session(&token, &session).to(address).await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
            });
        }
        let both = "master_key_file: data/second.key\nolder_master_key_files: [data/master.key]\n".to_owned()
            + &plain;
        door.reconfigure(|_| both).await;
        calls.join_all().await;
        let second = sealed_under(&door).await;
        assert!(second.len() == 1 && second.is_disjoint(&first), "{engine}");
        let reply = door.ask(in_session(&tokens.access, &session)).await;
        assert_eq!(reply.status, 200, "{engine}: a session from before goes on");

        door.reconfigure(|_| format!("master_key_file: data/second.key\n{plain}"))
            .await;
        let reply = door.ask(in_session(&tokens.access, &session)).await;
        assert_eq!(reply.status, 404, "{engine}: {reply:?}");
        let session = begin(&door, &tokens.access, "fixture").await;
        std::fs::remove_file(door.folder().join("data/master.key")).unwrap();
        door.restart().await;
        let again = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(again.status, 200, "{engine}: the old key is not needed any more");
        let reply = door.ask(in_session(&tokens.access, &session)).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
    }
}
