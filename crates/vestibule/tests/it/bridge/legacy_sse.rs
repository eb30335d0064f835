//! Servers that speak the transport of 2024-11-05 alone (TP-91 to TP-98).

use serde_json::{Value, json};

use super::{Program, call, text_of};
use crate::rig::door::LEGACY_SSE;
use crate::rig::machine::Machine;
use crate::rig::{Door, Plan};

async fn door() -> Door {
    Door::with(Plan {
        servers: LEGACY_SSE.to_owned(),
        ..Plan::default()
    })
    .await
}

async fn signed_in(door: &Door) -> (Machine, String) {
    let (machine, url) = (Machine::new(), format!("{}/mcp/old", door.url));
    machine.signs_in(door, "ana", &["login", &url]).await;
    (machine, url)
}

/// Calls, questions of the server's in the middle of one, progress, what is cancelled, an ended token and a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_2024_11_05_is_spoken_with() {
    let mut door = door().await;
    let (machine, url) = signed_in(&door).await;
    let mut program = Program::start(&machine, &[&url]);
    let begun = program.initialize("2025-11-25", &json!({ "sampling": {} })).await;
    assert_eq!(begun["result"]["protocolVersion"], "2024-11-05");
    program.calls(1, "echo_headers", json!({})).await;

    assert!(program.is_asked_in(2).await.contains("because"));

    // Many at once: each has the answer to its own question.
    for id in 10..40 {
        program.says(&call(id, "echo_headers", json!({ "n": id }))).await;
    }
    for id in 10..40 {
        text_of(&program.answer(id).await);
    }

    program.says(&call(3, "hold", json!({}))).await;
    program
        .says(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 } }))
        .await;
    machine.let_expire();
    program.calls(4, "test_simple_text", json!({})).await;

    door.restart().await;
    // Whether the end of the stream is noticed first, or that nobody knows where messages went.
    for id in 5..8 {
        program.calls(id, "test_simple_text", json!({})).await;
    }
    assert!(program.closes().await.success());
}

/// Trying it by hand, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_tools_are_shown_and_called() {
    let door = door().await;
    let (machine, _) = signed_in(&door).await;
    let tools: Value = serde_json::from_str(&machine.done(&["tools", "old", "--json"]).await).unwrap();
    assert!(tools.to_string().contains("echo_headers"), "{tools}");
    machine.done(&["call", "old", "test_simple_text", "{}"]).await;
}
