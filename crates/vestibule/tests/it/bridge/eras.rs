//! Every revision, byte for byte, and what holds a session together.

use fixture::{Change, Options};
use net::Tasks;
use serde_json::{Value, json};

use super::{PATIENCE, Program, call, stateless, text_of};
use crate::rig::machine::Machine;
use crate::rig::{Ask, Door, eventually};

/// Waits until one more listens than before.
async fn listens(upstream: &fixture::Handle, before: usize) {
    eventually(async || match upstream.listening() {
        now if now > before => Ok(()),
        now => Err(format!("{now} listen")),
    })
    .await;
}

/// What a program says arrives as it was written, and what it hears is what the server wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_7_messages_arrive_as_they_were_written() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let mut program = Program::in_a_session(&machine).await;
    let odd = r#"{ "params":{"arguments":{},"name":"echo_headers","x":1.00,"big":123456789012345678901234567890},"jsonrpc": "2.0","method":"tools\/call","id":"\u00e4"}"#;
    program.writes(odd).await;
    text_of(&program.answer("ä").await);
    let arrived = door.upstream.requests();
    let body = arrived
        .iter()
        .rfind(|request| request.method == "POST")
        .map(|request| &request.body);
    assert_eq!(
        body.map(|body| String::from_utf8_lossy(body)).as_deref(),
        Some(odd)
    );
}

/// A session: what the server asks in the middle of a call, what it says by itself, progress, and the end (TP-32, TP-39,
/// TP-41, TP-45).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_each_revision() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let before = door.upstream.listening();
        let mut program = Program::start(&machine, &["fixture"]);
        let begun = program.initialize(version, &json!({ "sampling": {} })).await;
        assert_eq!(begun["result"]["protocolVersion"], version);
        let seen: Value = serde_json::from_str(&program.calls(1, "echo_headers", json!({})).await).unwrap();
        let said = (version >= "2025-06-18").then(|| json!([version]));
        assert_eq!(seen.get("mcp-protocol-version").cloned(), said, "{version}");

        let answered = program.is_asked_in(2).await;
        assert!(answered.contains("because"), "{version}");

        program
            .says(&json!({
                "jsonrpc": "2.0", "id": 3, "method": "tools/call",
                "params": { "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": "p" } },
            }))
            .await;
        program
            .hears(|message| message["params"]["progressToken"] == "p")
            .await;
        program.answer(3).await;

        // The stream for it is opened beside the calls; until it is there, what is said goes nowhere.
        listens(&door.upstream, before).await;
        door.upstream.announce(&Change::Tools);
        program
            .hears(|message| message["method"] == "notifications/tools/list_changed")
            .await;
        let open = door.upstream.sessions();
        assert!(program.closes().await.success());
        eventually(async || match door.upstream.sessions() {
            now if now < open => Ok(()),
            now => Err(format!("{now} sessions are still open")),
        })
        .await;
    }
}

/// The stateless era: each message says in its head what it is (TP-52, TP-62, TP-64), and to cancel is to hang up (TP-59).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stateless_era() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let mut program = Program::start(&machine, &["fixture"]);
    program.says(&stateless(1, "echo_headers", json!({}))).await;
    let seen: Value = serde_json::from_str(&text_of(&program.answer(1).await)).unwrap();
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo_headers"),
    ] {
        assert_eq!(seen[name], json!([value]));
    }
    assert_eq!(seen["mcp-session-id"], Value::Null);

    // What has to be said in the head is learned when it is missing there (TP-73).
    let arguments = json!({ "region": "Zürich", "priority": 7, "query": "x" });
    program
        .says(&stateless(3, "test_mirrored_params", arguments.clone()))
        .await;
    let echoed: Value = serde_json::from_str(&text_of(&program.answer(3).await)).unwrap();
    assert_eq!(echoed, arguments);

    program.says(&stateless(2, "hold", json!({}))).await;
    let held = door.upstream.until(|seen| seen.holds == 1);
    tokio::time::timeout(PATIENCE, held).await.unwrap();
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    program.says(&cancelled).await;
    let gone = door.upstream.until(|seen| seen.disconnects == 1);
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(program.closes().await.success());
}

/// A stream that breaks before its answer is taken up again, as the server says (TP-30, TP-35).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_35_a_broken_stream_is_taken_up_again() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let mut program = Program::in_a_session(&machine).await;
    let text = program.calls(1, "test_reconnection", json!({})).await;
    assert!(text.contains("properly reconnected"), "{text}");
}

/// The door restarts in the middle of a session, and a call that was under way is answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_door_is_not_noticed() {
    let mut door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let mut program = Program::in_a_session(&machine).await;
    program.calls(1, "test_simple_text", json!({})).await;
    door.stop().await;
    // Nobody is there to take it yet.
    program.asks(2, "test_simple_text", json!({})).await;
    door.restart().await;
    text_of(&program.answer(2).await);
    program.calls(3, "test_simple_text", json!({})).await;
    assert!(program.closes().await.success());
}

/// A server that has forgotten the session gets another one, with what the client had asked to be told; the client notices
/// nothing (TP-40, CC-94). It needs no token here: a bridge is good for servers that take everybody too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_40_a_forgotten_session_is_begun_again() {
    let tasks = Tasks::new();
    let upstream = fixture::start(Options::new().with_extra_tools(), tasks.clone())
        .await
        .unwrap();
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&upstream.url()]);
    program.initialize("2025-11-25", &json!({})).await;
    program
        .says(&json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "test://static-text" } }))
        .await;
    assert_eq!(program.answer(1).await["error"], Value::Null);
    let seen: Value = serde_json::from_str(&program.calls(2, "echo_headers", json!({})).await).unwrap();
    let session = seen["mcp-session-id"][0].as_str().unwrap().to_owned();
    let ended = Ask::new("DELETE", "/mcp")
        .with("mcp-session-id", session.clone())
        .to(upstream.address())
        .await;
    assert!(ended.status < 300, "{ended:?}");

    // Several find out at once; one begins anew.
    for id in 3..8 {
        program.says(&call(id, "echo_headers", json!({}))).await;
    }
    for id in 3..8 {
        let seen: Value = serde_json::from_str(&text_of(&program.answer(id).await)).unwrap();
        assert_ne!(seen["mcp-session-id"][0].as_str().unwrap(), session);
    }
    assert_eq!(upstream.sessions(), 1);
    listens(&upstream, 0).await;
    upstream.announce(&Change::Resource("test://static-text".to_owned()));
    program
        .hears(|message| message["method"] == "notifications/resources/updated")
        .await;
    assert!(program.closes().await.success());
    tasks.shut_down(PATIENCE).await;
}
