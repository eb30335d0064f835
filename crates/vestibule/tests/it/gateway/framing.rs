//! Lists and batches are filtered whatever frames them, and nothing else of them is touched.

use serde_json::{Value, json};

use crate::rig::{Ask, Door, Plan, door, scripted::Scripted};

/// An upstream whose lists are written by the test.
pub(super) async fn scripted() -> (Door, Scripted, String) {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: [a, c] }}]\n    timeouts: {{ idle: 400ms }}\n",
        upstream.url()
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("scripted").await;
    (door, upstream, token)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","tools":[{"name":"a","inputSchema":{"$ref":"http://x/","n":1.0e5}},{"name":"b"},{ "name" : "c" }],"nextCursor":"öpaque","ttlMs":60000,"cacheScope":"public","vendor":[]}}"#;
const FILTERED: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","tools":[{"name":"a","inputSchema":{"$ref":"http://x/","n":1.0e5}},{ "name" : "c" }],"nextCursor":"öpaque","ttlMs":60000,"cacheScope":"private","vendor":[]}}"#;

/// TP-85, TP-101 to TP-104: whatever frames it, a list loses what is hidden and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_filtered_in_every_framing() {
    let (door, upstream, token) = scripted().await;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[{"name":"b"}]}}"#;
    let list = || door::modern("scripted", "tools/list", json!({})).bearer(&token);
    for (media_type, said, expected) in [
        ("application/json", LIST.to_owned(), FILTERED.to_owned()),
        (
            "text/event-stream; charset=utf-8",
            format!(": hello\n\nid: 1\ndata: {note}\n\nevent: message\nid: 2\ndata: {LIST}\n\n"),
            format!(": hello\n\nid: 1\ndata: {note}\n\nevent: message\nid: 2\ndata: {FILTERED}\n\n"),
        ),
        (
            "application/x-ndjson",
            format!("{note}\n{LIST}\n"),
            format!("{note}\n{FILTERED}\n"),
        ),
        (
            "application/json",
            format!("{note}\n{LIST}"),
            format!("{note}\n{FILTERED}\n"),
        ),
    ] {
        let header = format!("Content-Type: {media_type}");
        upstream.answers("200 OK", &[&header, "ETag: \"x\"", "X-Kept: yes"], &said);
        let reply = door.ask(list()).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, expected.as_str()),
            "{media_type}"
        );
        assert_eq!(
            (reply.header("etag"), reply.header("x-kept")),
            (None, Some("yes")),
            "{media_type}"
        );
        // The same without a length.
        let chunked = said.replace('\n', "\r\n");
        let said = if media_type.starts_with("text") {
            &chunked
        } else {
            &said
        };
        upstream.says(format!(
            "HTTP/1.1 200 OK\r\n{header}\r\nConnection: close\r\n\r\n{said}"
        ));
        let reply = door.ask(list()).await;
        assert_eq!(reply.body.replace("\r\n", "\n"), expected, "{media_type}");
    }
    // A tool's own output is nobody's list (TP-102), and what is not of this list is not touched.
    let output = LIST.replace("\"vendor\"", "\"content\":[],\"vendor\"");
    upstream.answers("200 OK", &["Content-Type: application/json"], &output);
    let reply = door
        .ask(door::call("scripted", "a", json!({})).bearer(&token))
        .await;
    assert_eq!(reply.body, output);
    let prompts = LIST.replace("\"tools\"", "\"prompts\"");
    upstream.answers("200 OK", &["Content-Type: application/json"], &prompts);
    let reply = door
        .ask(door::modern("scripted", "prompts/list", json!({})).bearer(&token))
        .await;
    assert_eq!(reply.json()["result"]["prompts"], json!([]));
}

/// What cannot be read for certain is not passed on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_with_two_readings_is_not_passed_on() {
    let (door, upstream, token) = scripted().await;
    let list = || door::modern("scripted", "tools/list", json!({})).bearer(&token);
    let twice = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"b"}]}}"#;
    for (header, said) in [
        ("Content-Type: application/json", twice.to_owned()),
        (
            "Content-Type: application/json",
            "{\"jsonrpc\":\"2.0\",\"id\":7,".to_owned(),
        ),
        (
            "Content-Type: application/json\r\nContent-Encoding: gzip",
            LIST.to_owned(),
        ),
    ] {
        upstream.answers("200 OK", &[header], &said);
        let reply = door.ask(list()).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (200, &json!(-32603)),
            "{reply:?}"
        );
        assert!(!reply.body.contains("\"b\""));
    }
    upstream.answers(
        "200 OK",
        &["Content-Type: text/event-stream"],
        &format!("data: {twice}\n\ndata: {LIST}\n\n"),
    );
    assert_eq!(door.ask(list()).await.body, format!("data: {FILTERED}\n\n"));
    // Behind an unfinished list nothing comes.
    upstream
        .says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{\"jsonrpc\"");
    let reply = door.ask(list()).await;
    assert_eq!(reply.json()["error"]["code"], -32603, "{reply:?}");
}

/// TP-36: a resumed stream carries answers to requests that were made on other connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_101_a_resumed_stream_is_filtered_by_form() {
    let (door, upstream, token) = scripted().await;
    let output = r#"{"jsonrpc":"2.0","id":9,"result":{"content":[],"tools":[{"name":"b"}]}}"#;
    let said = format!("id: 4\ndata: {LIST}\n\nid: 5\ndata: {output}\n\ndata: {{\"cut");
    upstream.answers("200 OK", &["Content-Type: text/event-stream"], &said);
    let resume = Ask::get("/mcp/scripted")
        .bearer(&token)
        .with("accept", "text/event-stream")
        .with("last-event-id", "3");
    let reply = door.ask(resume).await;
    assert_eq!(
        reply.body,
        format!("id: 4\ndata: {FILTERED}\n\nid: 5\ndata: {output}\n\n")
    );
}

/// DEC-19: each message of a batch is decided alone, and only what is allowed is forwarded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_26_each_message_of_a_batch_is_decided_alone() {
    let (door, upstream, token) = scripted().await;
    let call = |id: u32, name: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } });
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let batch = |messages: &[Value]| {
        let ask = Ask::json("/mcp/scripted", &json!(messages)).bearer(&token);
        ask.with("accept", "application/json, text/event-stream")
    };
    let refusal = |id: u32| json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": "Unknown tool: b" } });
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    let listed: Value = serde_json::from_str(FILTERED).unwrap();
    let answered: Value = serde_json::from_str(answer).unwrap();
    upstream.answers(
        "200 OK",
        &["Content-Type: application/json"],
        &format!("[{answer},{LIST}]"),
    );
    let reply = door
        .ask(batch(&[call(1, "a"), call(2, "b"), note.clone(), list.clone()]))
        .await;
    assert_eq!(reply.json(), json!([refusal(2), answered, listed]), "{reply:?}");
    upstream.answers(
        "200 OK",
        &["Content-Type: text/event-stream"],
        &format!("data: {answer}\n\ndata: {LIST}\n\n"),
    );
    let reply = door.ask(batch(&[call(1, "a"), call(2, "b"), list])).await;
    let events: Vec<Value> = reply
        .body
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    assert_eq!(events, [refusal(2), answered, listed]);
    upstream.answers("202 Accepted", &[], "");
    let reply = door.ask(batch(&[note, call(2, "b")])).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!([refusal(2)])),
        "{reply:?}"
    );
    upstream.says("");
    let reply = door.ask(batch(&[call(3, "b"), call(4, "b")])).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!([refusal(3), refusal(4)])),
        "{reply:?}"
    );
}
