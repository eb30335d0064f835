//! What a server says by itself: about tasks, and what it may not ask.

use serde_json::{Value, json};

use super::{answer, knowing, of_session_era, refused, scripted};
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door, door};

fn stream(upstream: &Scripted, messages: &[Value]) {
    let events: Vec<_> = messages
        .iter()
        .map(|message| format!("event: message\ndata: {message}\n\n"))
        .collect();
    upstream.answers("200 OK", &["Content-Type: text/event-stream"], &events.concat());
}

async fn messages(door: &Door, ask: Ask) -> Vec<Value> {
    let mut stream = ask.open(door.address).await;
    let mut all = Vec::new();
    while let Some(message) = stream.message().await {
        all.push(message);
    }
    all
}

/// TP-57: a server of the stateless era may not ask its client anything by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_57_a_request_of_the_server_is_dropped_in_the_stateless_era() {
    let (door, upstream, [ana, _]) = scripted().await;
    let request = json!({ "jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {} });
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "method": "x", "id": 1 } });
    let long = "x".repeat(200_000);
    let large = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": long } });
    let done = json!({ "jsonrpc": "2.0", "id": 7, "result": { "resultType": "complete", "content": [], "method": "x" } });
    let said = [
        note.clone(),
        request.clone(),
        large.clone(),
        request.clone(),
        json!([request]),
        done.clone(),
    ];
    stream(&upstream, &said);
    let call = json!({ "name": "a", "arguments": {} });
    for ask in [
        door::modern("scripted", "tools/call", call.clone()),
        knowing("scripted", "tools/call", call.clone()),
    ] {
        assert_eq!(
            messages(&door, ask.bearer(&ana)).await,
            [note.clone(), large.clone(), done.clone()]
        );
    }
    let list = door::modern("scripted", "tools/list", json!({})).bearer(&ana);
    assert!(!messages(&door, list).await.contains(&request));
    let listen = door::modern("scripted", "subscriptions/listen", json!({ "notifications": {} }));
    assert!(!messages(&door, listen.bearer(&ana)).await.contains(&request));
    // What has two readings may be a question.
    let twice = r#"{"jsonrpc":"2.0","id":"s1","id":"s2","method":"sampling/createMessage","params":{}}"#;
    upstream.answers(
        "200 OK",
        &["Content-Type: text/event-stream"],
        &format!("data: {twice}\n\ndata: {done}\n\n"),
    );
    for ask in [
        door::modern("scripted", "tools/call", call.clone()),
        knowing("scripted", "tools/call", call.clone()),
        door::modern("scripted", "tools/list", json!({})),
    ] {
        let reply = door.ask(ask.bearer(&ana)).await;
        assert!(
            !reply.body.contains("sampling") && reply.body.contains("complete"),
            "{reply:?}"
        );
    }
    // Nor can it be hidden from who looks.
    upstream.answers(
        "200 OK",
        &["Content-Type: text/event-stream", "Content-Encoding: gzip"],
        "data: {}\n\n",
    );
    for params in [call.clone(), json!({ "name": "a", "task": {} })] {
        let ask = door::modern("scripted", "tools/call", params).bearer(&ana);
        let reply = door.ask(ask).await;
        assert_eq!(answer(&reply)["result"]["isError"], true, "{reply:?}");
    }
    let passes = door.ask(of_session_era("tools/call", &call).bearer(&ana)).await;
    assert_eq!(passes.body, "data: {}\n\n");
    stream(&upstream, &said);
    // In a session it may.
    let call = of_session_era("tools/call", &call).bearer(&ana);
    assert_eq!(messages(&door, call).await, said);
}

/// TP-113, TP-114: what becomes of a task is told to whoever began it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_a_task_is_told_to_whoever_began_it() {
    let (door, upstream, [ana, ben]) = scripted().await;
    let created = json!({ "resultType": "task", "taskId": "hers", "status": "working", "ttlMs": null });
    let answered = json!({ "jsonrpc": "2.0", "id": 7, "result": created });
    stream(&upstream, std::slice::from_ref(&answered));
    let call = knowing("scripted", "tools/call", json!({ "name": "a" })).bearer(&ana);
    assert_eq!(messages(&door, call).await, [answered]);

    let ended = json!({ "taskId": "hers", "status": "completed", "result": { "content": ["secret"] } });
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/tasks", "params": ended });
    stream(&upstream, std::slice::from_ref(&told));
    let listen = |token: &str| {
        let wants = json!({ "taskIds": ["hers"] });
        knowing(
            "scripted",
            "subscriptions/listen",
            json!({ "notifications": wants }),
        )
        .bearer(token)
    };
    assert_eq!(messages(&door, listen(&ana)).await, std::slice::from_ref(&told));
    assert_eq!(messages(&door, listen(&ben)).await, [] as [Value; 0]);

    let status = json!({ "taskId": "hers", "status": "working", "statusMessage": "secret" });
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status", "params": status });
    stream(&upstream, std::slice::from_ref(&told));
    let get = |token: &str| {
        Ask::get("/mcp/scripted")
            .bearer(token)
            .with("accept", "text/event-stream")
    };
    assert_eq!(messages(&door, get(&ana)).await, [told]);
    assert_eq!(messages(&door, get(&ben)).await, [] as [Value; 0]);
}

/// TP-113: an answer that comes on a stream of another request begins a task too. Nobody knows with which tool, so it is
/// for whom everything is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_begins_on_a_resumed_stream() {
    let (mut door, upstream, [ana, ben]) = scripted().await;
    let task = json!({ "taskId": "late", "status": "working", "ttl": 60_000 });
    let answered = json!({ "jsonrpc": "2.0", "id": 7, "result": { "task": task } });
    stream(&upstream, std::slice::from_ref(&answered));
    let resumed = Ask::get("/mcp/scripted")
        .bearer(&ana)
        .with("accept", "text/event-stream")
        .with("last-event-id", "1");
    assert_eq!(messages(&door, resumed).await, [answered]);
    let done = json!({ "jsonrpc": "2.0", "id": 7, "result": {} }).to_string();
    upstream.answers("200 OK", &["Content-Type: application/json"], &done);
    let get = |token: &str| of_session_era("tasks/get", &json!({ "taskId": "late" })).bearer(token);
    refused(&door.ask(get(&ana)).await, "late");
    door.reconfigure(|text| text.replace("tools: [a, c]", "tools: all"))
        .await;
    assert!(answer(&door.ask(get(&ana)).await)["error"].is_null());
    refused(&door.ask(get(&ben)).await, "late");
}
