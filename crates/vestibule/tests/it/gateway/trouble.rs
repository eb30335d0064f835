//! Upstreams that are away, slow, broken or hostile (DEC-18, TP-5, TP-13, TP-16, CC-105).

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Ask, Door, Plan, Reply, door, scripted::Scripted};

struct Rig {
    door: Door,
    upstream: Scripted,
    token: String,
}

async fn rig() -> Rig {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: all }}]\n    timeouts: {{ connect: 1s, first_byte: 400ms, idle: 400ms }}\n",
        upstream.url()
    );
    let config = "limits: { keep_alive: 100ms }".to_owned();
    let door = Door::with(Plan {
        servers,
        config,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("scripted").await;
    Rig {
        door,
        upstream,
        token,
    }
}

impl Rig {
    async fn call(&self) -> Reply {
        self.door
            .ask(door::call("scripted", "x", json!({})).bearer(&self.token))
            .await
    }

    async fn list(&self) -> Reply {
        self.door
            .ask(door::modern("scripted", "tools/list", json!({})).bearer(&self.token))
            .await
    }

    async fn listen(&self) -> Reply {
        let get = Ask::get("/mcp/scripted")
            .with("accept", "text/event-stream")
            .bearer(&self.token);
        self.door.ask(get).await
    }

    /// A tool call gets a result that a model can read, another request an error, a stream a plain status.
    async fn in_trouble(&self, name: &str, says: &str) {
        let call = self.call().await;
        assert_eq!(call.status, 200, "{name}: {call:?}");
        let result = &call.json()["result"];
        assert_eq!(
            (&result["isError"], &result["resultType"]),
            (&json!(true), &json!("complete")),
            "{name}: {call:?}"
        );
        assert_eq!(call.json()["id"], 7, "{name}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(says), "{name}: {text}");
        let list = self.list().await;
        assert_eq!(
            (list.status, &list.json()["error"]["code"]),
            (200, &Value::from(-32_603)),
            "{name}: {list:?}"
        );
        let listen = self.listen().await;
        assert!(matches!(listen.status, 502 | 504), "{name}: {listen:?}");
        for reply in [call, list, listen] {
            let address = self.upstream.address.to_string();
            assert!(!reply.body.contains(&address), "TP-16: {name}: {reply:?}");
            assert!(
                !reply.body.contains("evil") && !format!("{:?}", reply.headers).contains("evil"),
                "{name}: {reply:?}"
            );
            assert!(reply.header("www-authenticate").is_none(), "MA-63: {name}");
        }
    }

    /// A call's answer breaks off in bounded time. Where the end of the upstream's answer is known before the head was
    /// sent, the client sees a connection that closes, and nothing else.
    async fn breaks_off(&self) {
        let call = door::call("scripted", "x", json!({})).bearer(&self.token);
        let Ok(stream) = call.try_open(self.door.address).await else {
            return;
        };
        assert_eq!(stream.status(), 200);
        let answer = tokio::time::timeout(Duration::from_secs(5), stream.try_whole()).await;
        let answer = answer.expect("an end in bounded time");
        assert!(answer.is_none(), "a short answer for a whole one: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_an_upstream_is_said_in_the_callers_language() {
    let rig = rig().await;
    let upstream = &rig.upstream;
    upstream.answers("302 Found", &["Location: https://evil.example/"], "");
    rig.in_trouble("a redirect", "failed to answer").await;
    upstream.answers(
        "307 Temporary Redirect",
        &["Location: http://169.254.169.254/"],
        "",
    );
    rig.in_trouble("a redirect that keeps the method", "failed to answer")
        .await;
    upstream.answers(
        "500 Internal Server Error",
        &["Content-Type: text/html"],
        "<h1>evil stack trace</h1>",
    );
    rig.in_trouble("a server error", "failed to answer").await;
    upstream.answers("503 Service Unavailable", &[], "");
    rig.in_trouble("unavailable", "failed to answer").await;
    upstream.answers(
        "401 Unauthorized",
        &["WWW-Authenticate: Bearer resource_metadata=\"https://evil.example\""],
        "evil",
    );
    rig.in_trouble("a refused credential", "refused the credential")
        .await;
    upstream.answers(
        "403 Forbidden",
        &["WWW-Authenticate: Bearer error=\"insufficient_scope\""],
        "evil",
    );
    rig.in_trouble("a forbidden credential", "refused the credential")
        .await;
    upstream.says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 12\r\n\r\nevil");
    rig.in_trouble("two lengths", "failed to answer").await;
    upstream.says("evil\r\n\r\n");
    rig.in_trouble("no HTTP", "failed to answer").await;
    upstream.says("HTTP/1.1 200 OK\r\nevil");
    rig.in_trouble("half a head", "failed to answer").await;
    upstream.says("");
    rig.in_trouble("silence", "did not answer in time").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_gone_leaves_the_others_alone() {
    let mut rig = rig().await;
    let gone = Scripted::start().await;
    let address = gone.address;
    drop(gone);
    let before = rig.upstream.url();
    rig.door
        .reconfigure(|text| text.replace(&before, &format!("http://{address}/mcp")))
        .await;
    rig.upstream.address = address;
    rig.in_trouble("nobody there", "cannot be reached").await;
    let app = rig.door.app().await;
    let tokens = app.sign_in(&rig.door, "ben").await;
    assert_eq!(
        rig.door
            .call(&tokens.access, "echo_headers", json!({}))
            .await
            .status,
        200
    );
    rig.door
        .calls_recorded(|rows| rows.iter().any(|row| row["reason"] == "upstream_unreachable"))
        .await;
}

/// TP-13: an answer that began and stops half-way ends in bounded time, as a broken body and not as a short one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_stops_half_way_is_cut_off() {
    let rig = rig().await;
    rig.upstream
        .says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":");
    rig.breaks_off().await;
    // Without a length it may go on for ever, and is cut when it is silent.
    rig.upstream.says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"half\":\r\n");
    rig.breaks_off().await;
}

/// TP-26, DEC-18: each request of a batch gets its own answer, whatever is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_element_of_a_batch_is_told() {
    let rig = rig().await;
    rig.upstream.answers("500 Internal Server Error", &[], "evil");
    let batch = json!([
        { "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": { "name": "x" } },
        { "jsonrpc": "2.0", "method": "notifications/roots/list_changed" },
        { "jsonrpc": "2.0", "id": 2, "method": "tools/list" },
    ]);
    let ask = async |token: &str| {
        rig.door
            .ask(Ask::json("/mcp/scripted", &batch).bearer(token))
            .await
    };
    let reply = ask(&rig.token).await;
    let told = reply.json();
    assert_eq!(
        (reply.status, told.as_array().map(Vec::len)),
        (200, Some(2)),
        "{reply:?}"
    );
    assert_eq!(
        (&told[0]["id"], &told[0]["result"]["isError"]),
        (&json!("a"), &json!(true))
    );
    assert_eq!(
        (&told[1]["id"], &told[1]["error"]["code"]),
        (&json!(2), &json!(-32_603))
    );

    let one = json!([{ "jsonrpc": "2.0", "id": 3, "method": "ping" }]);
    let reply = rig
        .door
        .ask(Ask::json("/mcp/scripted", &one).bearer(&rig.token))
        .await;
    assert_eq!(reply.json()[0]["id"], 3, "an array for an array: {reply:?}");

    // Somebody who lost the right to this server.
    rig.door
        .operate(&["group", "remove-member", "developers", "ana"])
        .await
        .unwrap();
    let reply = ask(&rig.token).await;
    let told = reply.json();
    assert_eq!(
        (reply.status, told.as_array().map(Vec::len)),
        (200, Some(2)),
        "{reply:?}"
    );
    for (answer, id) in [(&told[0], json!("a")), (&told[1], json!(2))] {
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&id, &json!(40_300)),
            "{told}"
        );
    }
    let target = "tools/call x, notifications/roots/list_changed, tools/list";
    rig.door
        .calls_recorded(|rows| {
            rows.iter()
                .any(|row| row["method"] == "batch" && row["target"] == target)
        })
        .await;
}
