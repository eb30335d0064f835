//! Lists and calls obey one decision, in every era and framing (mcp-transport-proxying section 6).

use serde_json::{Value, json};

use super::framing::scripted;
use crate::rig::{Ask, Door, Plan, door, eventually};

const RULES: &str = r#"
  limited:
    upstream: {upstream}
    allow:
      - groups: [developers]
        tools: [echo_headers, "test_simple_*"]
        prompts: [test_simple_prompt]
        resources: ["test://static-text", "test://x/public/*"]
      - groups: [developers]
        tools: [test_image_content]
        when: { networks: [192.0.2.0/24] }
        advice: Images are for the office.
    credential: { headers: { Authorization: "Bearer ${file:credential}" } }
  old:
    upstream: {sse}
    transport: sse
    allow: [{ groups: [developers], tools: [echo_headers] }]
    credential: { headers: { Authorization: "Bearer ${file:credential}" } }
"#;

async fn limited() -> (Door, String) {
    let door = Door::with(Plan {
        servers: RULES.to_owned(),
        ..Plan::default()
    })
    .await;
    let token = door.token_for("limited").await;
    (door, token)
}

/// A request of an era that has sessions, in a session of its own.
async fn legacy(door: &Door, token: &str, version: &str, method: &str, params: Value) -> Value {
    let post = |session: Option<String>, body: Value| {
        let mut ask = Ask::json("/mcp/limited", &body)
            .bearer(token)
            .with("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            ask = ask
                .with("mcp-session-id", session)
                .with("mcp-protocol-version", version);
        }
        ask
    };
    let params_of_begin = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let begin = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params_of_begin });
    let session = door
        .ask(post(None, begin))
        .await
        .header("mcp-session-id")
        .map(str::to_owned);
    let body = json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": params });
    let reply = door.ask(post(session, body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    message(&reply.body)
}

/// The answer in a body, whatever frames it.
fn message(body: &str) -> Value {
    let texts = body
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    let mut messages = texts.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    messages
        .rfind(|message| message.get("result").or_else(|| message.get("error")).is_some())
        .unwrap_or_else(|| panic!("{body}"))
}

fn names(message: &Value, list: &str, member: &str) -> Vec<String> {
    let entries = message["result"][list]
        .as_array()
        .unwrap_or_else(|| panic!("{message}"));
    entries
        .iter()
        .map(|entry| entry[member].as_str().unwrap().to_owned())
        .collect()
}

const ERAS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

async fn ask(door: &Door, token: &str, era: &str, method: &str, params: Value) -> Value {
    if era == "2026-07-28" {
        // Only who declares that it knows tasks may ask about one (TP-55).
        let extensions = json!({ "io.modelcontextprotocol/tasks": {} });
        let able = if method.starts_with("tasks/") {
            json!({ "extensions": extensions })
        } else {
            json!({})
        };
        let asked = door::able_to("limited", method, params, &able);
        let reply = door.ask(asked.bearer(token)).await;
        let message = message(&reply.body);
        // TP-54: a method that is not there has a status of its own.
        let is_unknown = message["error"]["code"] == -32601;
        let status = if is_unknown { 404 } else { 200 };
        assert_eq!(reply.status, status, "{reply:?}");
        return message;
    }
    legacy(door, token, era, method, params).await
}

/// CC-75, TP-99, TP-100, TP-101, TP-105, TP-106, TP-109, TP-112, DEC-16: the same in every era and on every connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_calls_obey_one_decision_in_every_era() {
    let (door, token) = limited().await;
    for era in ERAS {
        let ask = |method: &'static str, params: Value| ask(&door, &token, era, method, params);
        let tools = names(&ask("tools/list", json!({})).await, "tools", "name");
        assert!(tools.contains(&"test_simple_text".to_owned()), "{era}: {tools:?}");
        assert!(
            tools.contains(&"test_image_content".to_owned()),
            "{era}: what is only refused now is shown"
        );
        assert!(
            tools.iter().all(|name| name == "echo_headers"
                || name.starts_with("test_simple_")
                || name == "test_image_content"),
            "{era}: {tools:?}"
        );
        assert_eq!(
            names(&ask("prompts/list", json!({})).await, "prompts", "name"),
            ["test_simple_prompt"]
        );
        assert_eq!(
            names(&ask("resources/list", json!({})).await, "resources", "uri"),
            ["test://static-text"]
        );
        let templates = ask("resources/templates/list", json!({})).await;
        assert!(names(&templates, "resourceTemplates", "uriTemplate").is_empty());

        door.upstream.take_requests();
        let called = ask(
            "tools/call",
            json!({ "name": "test_simple_text", "arguments": {} }),
        )
        .await;
        assert!(called["result"]["content"].is_array(), "{era}: {called}");
        let got = ask("prompts/get", json!({ "name": "test_simple_prompt" })).await;
        assert!(got["result"]["messages"].is_array(), "{era}: {got}");
        let read = ask("resources/read", json!({ "uri": "test://static-text" })).await;
        assert!(read["result"]["contents"].is_array(), "{era}: {read}");

        // What is hidden is answered as the protocol answers for what does not exist, and is never forwarded.
        door.upstream.take_requests();
        let resource_code = if era == "2026-07-28" { -32602 } else { -32002 };
        for (method, params, code, text) in [
            (
                "tools/call",
                json!({ "name": "test_error_handling" }),
                -32602,
                "Unknown tool: test_error_handling",
            ),
            (
                "tools/call",
                json!({ "name": "Echo_headers" }),
                -32602,
                "Unknown tool: Echo_headers",
            ),
            (
                "prompts/get",
                json!({ "name": "test_prompt_with_arguments" }),
                -32602,
                "Unknown prompt: test_prompt_with_arguments",
            ),
            (
                "resources/read",
                json!({ "uri": "test://static-binary" }),
                resource_code,
                "Unknown resource: test://static-binary",
            ),
            (
                "resources/subscribe",
                json!({ "uri": "test://watched-resource" }),
                resource_code,
                "Unknown resource: test://watched-resource",
            ),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "test_prompt_with_arguments" }, "argument": { "name": "a", "value": "" } }),
                -32602,
                "Unknown prompt: test_prompt_with_arguments",
            ),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/resource", "uri": "test://template/{id}/data" }, "argument": { "name": "id", "value": "" } }),
                resource_code,
                "Unknown resource: test://template/{id}/data",
            ),
            (
                "tools/callEverything",
                json!({}),
                -32601,
                "Unknown method: tools/callEverything",
            ),
        ] {
            let answer = ask(method, params).await;
            assert_eq!(
                (&answer["error"]["code"], &answer["error"]["message"]),
                (&json!(code), &json!(text)),
                "{era}: {answer}"
            );
        }
        // What could be allowed at another time or place says so, in words that a model can act on.
        let refused = ask("tools/call", json!({ "name": "test_image_content" })).await;
        assert_eq!(refused["result"]["isError"], true, "{era}: {refused}");
        assert_eq!(
            refused["result"]["content"][0]["text"],
            "Images are for the office. If you need it, ask platform@example.com."
        );
        let forwarded = door.upstream.take_requests();
        assert!(
            forwarded
                .iter()
                .all(|seen| seen.rpc_method().as_deref() == Some("initialize")),
            "{era}: {forwarded:?}"
        );
    }
}

/// TP-120: the record says by which rule, and under which state of the rules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_names_the_rule() {
    let (door, token) = limited().await;
    for tool in ["test_simple_text", "test_image_content", "test_error_handling"] {
        door.ask(door::call("limited", tool, json!({})).bearer(&token))
            .await;
    }
    let rows = door.calls_recorded(|rows| rows.len() == 3).await;
    for (tool, outcome, reason, rule) in [
        (
            "test_simple_text",
            "answered",
            Value::Null,
            json!("limited.allow[0]"),
        ),
        ("test_image_content", "refused", json!("policy"), Value::Null),
        ("test_error_handling", "refused", json!("hidden"), Value::Null),
    ] {
        let row = rows.iter().find(|row| row["target"] == tool).unwrap();
        assert_eq!(
            (&row["outcome"], &row["reason"], &row["rule"]),
            (&json!(outcome), &reason, &rule),
            "{row}"
        );
        assert_eq!(row["policy"].as_str().map(str::len), Some(12), "{row}");
    }
}

/// The transport of 2024-11-05: the list comes on another connection than it was asked for on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_101_the_oldest_transport_is_filtered_too() {
    let (door, _) = limited().await;
    let token = door.token_for("old").await;
    let listen = Ask::get("/mcp/old")
        .bearer(&token)
        .with("accept", "text/event-stream");
    let mut stream = listen.open(door.address).await;
    let event = stream.event().await.unwrap();
    let endpoint = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap()
        .to_owned();
    let post = |body: Value| door.ask(Ask::json(&endpoint, &body).bearer(&token));
    let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    post(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })).await;
    assert_eq!(stream.message().await.unwrap()["id"], 1);
    let accepted = post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await;
    assert!((200..300).contains(&accepted.status), "{accepted:?}");
    assert_eq!(
        names(&stream.message().await.unwrap(), "tools", "name"),
        ["echo_headers"]
    );
    let refused = post(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "test_simple_text" } })).await;
    // A client of this transport looks for answers on its stream and nowhere else.
    assert_eq!((refused.status, refused.body.as_str()), (202, ""), "{refused:?}");
    let told = stream.message().await.unwrap();
    assert_eq!(
        (&told["id"], &told["error"]["code"]),
        (&json!(3), &json!(-32602)),
        "{told}"
    );
    let batch = json!([
        { "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": { "name": "test_simple_text" } },
        { "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "b" } },
    ]);
    assert_eq!(post(batch).await.status, 202);
    for id in [4, 5] {
        assert_eq!(stream.message().await.unwrap()["id"], id);
    }
    // Without a stream that reads it, the answer comes where it was asked for.
    drop(stream);
    eventually(async || {
        let call = json!({ "jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": { "name": "b" } });
        let reply = post(call).await;
        if reply.status == 200 && reply.json()["id"] == 6 {
            Ok(())
        } else {
            Err(format!("{reply:?}"))
        }
    })
    .await;
}

/// TP-77: a subscription loses the resources that the caller may not have, and the upstream never hears of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_narrowed() {
    let (door, token) = limited().await;
    let notifications = json!({ "toolsListChanged": true, "resourceSubscriptions": ["test://static-text", "test://watched-resource"] });
    let listen = door::modern(
        "limited",
        "subscriptions/listen",
        json!({ "notifications": notifications }),
    )
    .bearer(&token);
    let mut stream = listen.open(door.address).await;
    let acknowledged = stream.message().await.unwrap();
    let heard = acknowledged["params"]["notifications"]["resourceSubscriptions"].to_string();
    assert!(!heard.contains("watched"), "{acknowledged}");
    let seen = door.upstream.requests();
    let body = String::from_utf8_lossy(&seen.last().unwrap().body).into_owned();
    assert!(
        body.contains("test://static-text") && !body.contains("watched"),
        "{body}"
    );
    assert!(body.contains("toolsListChanged"));
}

/// Rules that are only tried: what they would have refused is recorded, and allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shadow_rules_are_recorded_and_not_enforced() {
    let file = r#"@id("freeze") forbid (principal, action == Action::"tools/call", resource) when { resource.name == "test_simple_text" };"#;
    let door = Door::with(Plan {
        config: "policy: { files: [{ file: freeze.cedar, shadow: true }] }".to_owned(),
        files: vec![("freeze.cedar", file.to_owned())],
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    for tool in ["test_simple_text", "echo_headers"] {
        assert_eq!(door.call(&tokens.access, tool, json!({})).await.status, 200);
    }
    let rows = door.calls_recorded(|rows| rows.len() == 2).await;
    let of = |tool: &str| rows.iter().find(|row| row["target"] == tool).unwrap();
    assert_eq!(of("test_simple_text")["outcome"], "answered");
    assert_eq!(
        of("test_simple_text")["shadow"],
        "tools/call test_simple_text: freeze"
    );
    assert_eq!(of("echo_headers")["shadow"], Value::Null);
}

/// A change of the rules counts for the next request, and what a file says is read again when it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_rules_counts_at_once() {
    let mut door = Door::with(Plan {
        config: "policy: { files: [{ file: rules.cedar }] }".to_owned(),
        files: vec![("rules.cedar", String::new())],
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    let text = door.call(&tokens.access, "test_simple_text", json!({})).await;
    assert!(text.body.contains("content"));
    let rule = r#"forbid (principal in Group::"developers", action == Action::"tools/call", resource == Tool::"fixture/test_simple_text");"#;
    std::fs::write(door.folder.path().join("rules.cedar"), rule).unwrap();
    door.reconfigure(ToOwned::to_owned).await;
    let text = door.call(&tokens.access, "test_simple_text", json!({})).await;
    assert!(text.body.contains("Unknown tool: test_simple_text"), "{text:?}");
    assert_eq!(
        door.call(&tokens.access, "echo_headers", json!({})).await.status,
        200
    );
}

/// What is beside the point of a message does not change what is decided about it; and what an upstream may read in
/// another way than it is written is decided both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_talks_its_way_past_the_decision() {
    let (door, token) = limited().await;
    let resources = json!({ "resourceSubscriptions": ["test://watched-resource"] });
    let long = "x".repeat(5000);
    let long_uri = format!("test://x/public/{long}");
    door.upstream.take_requests();
    for era in ERAS {
        for (method, params) in [
            (
                "tools/call",
                json!({ "name": "test_error_handling", "notifications": { "resourceSubscriptions": [] } }),
            ),
            (
                "tools/call",
                json!({ "name": "test_error_handling", "notifications": resources }),
            ),
            (
                "prompts/get",
                json!({ "name": "test_prompt_with_arguments", "notifications": resources }),
            ),
            (
                "resources/read",
                json!({ "uri": "test://static-binary", "notifications": resources }),
            ),
            ("tools/callEverything", json!({ "notifications": resources })),
            ("notifications/message", json!({})),
            ("tasks/get", json!({ "taskId": "somebody-elses" })),
            ("tasks/result", json!({})),
            ("tasks/everything", json!({})),
            ("completion/complete", json!({ "ref": { "type": "ref/prompt" } })),
            (
                "resources/read",
                json!({ "uri": "test://x/public/../static-binary" }),
            ),
            (
                "resources/read",
                json!({ "uri": "test://x/public/%2e%2E/static-binary" }),
            ),
            ("resources/read", json!({ "uri": "test://x/public/../{" })),
            (
                "resources/subscribe",
                json!({ "uri": "test://x/public/a/../../watched-resource" }),
            ),
            ("tools/call", json!({ "name": long })),
            ("resources/read", json!({ "uri": long_uri })),
        ] {
            let answer = ask(&door, &token, era, method, params.clone()).await;
            let told = answer["error"]["message"]
                .as_str()
                .unwrap_or_else(|| panic!("{era} {params}: {answer}"));
            assert!(told.starts_with("Unknown "), "{era}: {answer}");
        }
    }
    let forwarded = door.upstream.take_requests();
    assert!(
        forwarded
            .iter()
            .all(|seen| seen.rpc_method().as_deref() == Some("initialize")),
        "{forwarded:?}"
    );
    let (door, upstream, token) = scripted().await;
    let listen = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": { "notifications": resources } });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "b", "notifications": resources } });
    upstream.says("");
    let batch = Ask::json("/mcp/scripted", &json!([listen, call])).bearer(&token);
    let answers = door.ask(batch).await.json();
    assert_eq!(
        answers[0]["error"]["message"], "Unknown resource: test://watched-resource",
        "{answers}"
    );
    assert_eq!(answers[1]["error"]["message"], "Unknown tool: b", "{answers}");
}
