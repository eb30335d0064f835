//! Tasks of 2025-11-25.

use serde_json::{Value, json};

use super::{UNKNOWN, answer, of_session_era, refused, scripted};
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door};

/// Says this in one of the framings that a server may choose.
pub(super) fn says(upstream: &Scripted, framing: &str, message: &Value) {
    match framing {
        "stream" => upstream.answers(
            "200 OK",
            &["Content-Type: text/event-stream"],
            &format!(
                "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}}\n\nid: 1\ndata: {message}\n\n"
            ),
        ),
        "chunks" => {
            let text = message.to_string();
            let (one, two) = text.split_at(text.len() / 2);
            upstream.says(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
                one.len(),
                two.len()
            ));
        }
        _ => upstream.answers("200 OK", &["Content-Type: application/json"], &message.to_string()),
    }
}

pub(super) fn created(id: &str) -> Value {
    let task = json!({ "taskId": id, "status": "working", "ttl": 60_000 });
    json!({ "jsonrpc": "2.0", "id": 7, "result": { "task": task } })
}

/// Begins a task with tool `a`.
pub(super) async fn begin(door: &Door, upstream: &Scripted, framing: &str, token: &str, id: &str) {
    says(upstream, framing, &created(id));
    let call = of_session_era("tools/call", &json!({ "name": "a", "task": { "ttl": 60_000 } }));
    let reply = door.ask(call.bearer(token)).await;
    assert_eq!(answer(&reply), created(id), "{framing}: it passes as it is");
}

pub(super) const DONE: &str =
    r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}]}}"#;

/// TP-112, MA-145.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_113_a_task_is_for_whoever_began_it() {
    let (door, upstream, [ana, ben]) = scripted().await;
    for framing in ["whole", "chunks", "stream"] {
        let id = format!("task-{framing}");
        begin(&door, &upstream, framing, &ana, &id).await;
        upstream.answers("200 OK", &["Content-Type: application/json"], DONE);
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            let ask = |token: &str, id: &str| of_session_era(method, &json!({ "taskId": id })).bearer(token);
            refused(&door.ask(ask(&ben, &id)).await, &id);
            refused(&door.ask(ask(&ana, UNKNOWN)).await, UNKNOWN);
            refused(
                &door.ask(of_session_era(method, &json!({})).bearer(&ana)).await,
                "",
            );
            let reply = door.ask(ask(&ana, &id)).await;
            assert_eq!(reply.body, DONE, "{framing} {method}");
        }
        // TP-62: what mirrors the body may not lie in this era either.
        let lie = of_session_era("tasks/result", &json!({ "taskId": id })).with("mcp-name", UNKNOWN);
        assert_eq!(door.ask(lie.bearer(&ana)).await.status, 400);
    }
}

/// TP-113: a list of tasks is the caller's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_tasks_shows_the_callers_own() {
    let (mut door, upstream, [ana, ben]) = scripted().await;
    begin(&door, &upstream, "whole", &ana, "hers").await;
    begin(&door, &upstream, "stream", &ben, "his").await;
    let tasks = json!([
        { "taskId": "hers", "status": "working", "ttl": null },
        { "taskId": "his", "status": "completed" },
        { "taskId": UNKNOWN, "status": "working" },
    ]);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "result": { "tasks": tasks, "nextCursor": "n" } });
    let seen = async |door: &Door, framing: &str, token: &str| {
        says(&upstream, framing, &list);
        let reply = door
            .ask(of_session_era("tasks/list", &json!({})).bearer(token))
            .await;
        let answer = answer(&reply);
        assert_eq!(answer["result"]["nextCursor"], "n");
        answer["result"]["tasks"].clone()
    };
    for framing in ["whole", "chunks", "stream"] {
        assert_eq!(seen(&door, framing, &ana).await, json!([tasks[0]]), "{framing}");
        assert_eq!(seen(&door, framing, &ben).await, json!([tasks[1]]), "{framing}");
    }
    door.restart().await;
    assert_eq!(seen(&door, "stream", &ana).await, json!([tasks[0]]));
    door.reconfigure(|text| text.replace("tools: [a, c]", "tools: [c]"))
        .await;
    assert_eq!(
        seen(&door, "whole", &ana).await,
        json!([]),
        "she may not call the tool any more"
    );
}

/// TP-26, TP-113: a batch has no tasks in its era, and is no way around.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_decided_task_by_task() {
    let (door, upstream, [ana, ben]) = scripted().await;
    begin(&door, &upstream, "whole", &ana, "hers").await;
    let ask = |id: u8, task: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tasks/get", "params": { "taskId": task } });
    let listen = json!({ "jsonrpc": "2.0", "id": 3, "method": "subscriptions/listen", "params": { "notifications": { "taskIds": ["hers"] } } });
    let batch = json!([ask(1, "hers"), ask(2, UNKNOWN), listen]);
    upstream.answers("200 OK", &["Content-Type: application/json"], "[]");
    let answers = |token: &str| Ask::json("/mcp/scripted", &batch).bearer(token);
    let of_ben = door.ask(answers(&ben)).await.json();
    for (number, task) in [(0, "hers"), (1, UNKNOWN), (2, "hers")] {
        let answer = &of_ben[number]["error"];
        assert_eq!(answer["code"], -32602, "{of_ben}");
        assert_eq!(answer["message"], format!("Unknown task: {task}"), "{of_ben}");
    }
    let of_ana = door.ask(answers(&ana)).await.json();
    assert_eq!(of_ana[0]["id"], 2, "{of_ana}");
    assert_eq!(of_ana.as_array().unwrap().len(), 1, "the others went on");
    // A call that begins one in a batch begins hers.
    let call =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "a", "task": {} } });
    says(&upstream, "whole", &json!([created("of-a-batch")]));
    door.ask(Ask::json("/mcp/scripted", &json!([call])).bearer(&ana))
        .await;
    let get = |token: &str| of_session_era("tasks/get", &json!({ "taskId": "of-a-batch" })).bearer(token);
    refused(&door.ask(get(&ben)).await, "of-a-batch");
    upstream.answers("200 OK", &["Content-Type: application/json"], DONE);
    assert_eq!(door.ask(get(&ana)).await.body, DONE);
}

/// TP-113: what nobody asked for is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_nobody_asked_for_is_nobodys() {
    let (door, upstream, [ana, _]) = scripted().await;
    says(&upstream, "whole", &created("unasked"));
    let call = of_session_era("tools/call", &json!({ "name": "a" })).bearer(&ana);
    assert_eq!(answer(&door.ask(call).await), created("unasked"));
    let get = of_session_era("tasks/get", &json!({ "taskId": "unasked" }));
    refused(&door.ask(get.bearer(&ana)).await, "unasked");
}
