//! How much somebody may do, and what happens to those who come later (DEC-16, TP-14, TP-116).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door, Plan, Reply, door, eventually};

async fn with(quotas: &str) -> Door {
    let config = format!("quotas:\n{quotas}");
    Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await
}

/// What a model reads of a refused call.
fn told(reply: &Reply) -> Option<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let result = &reply.json()["result"];
    let text = result["content"][0]["text"].as_str().map(str::to_owned);
    text.filter(|_| result["isError"] == true)
}

async fn echo(door: &Door, token: &str) -> Option<String> {
    told(&door.call(token, "echo_headers", json!({})).await)
}

/// TP-116, DEC-16: a call too many is told as a result; another person, another tool and a later moment are not
/// concerned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_person_and_tool_has_a_bucket() {
    let door = with("  echoes: { per: [person, tool], tools: ['echo_*'], rate: 2/1m }").await;
    let (_, ana) = door.signed_in("ana").await;
    let (_, ben) = door.signed_in("ben").await;
    // Tools that were never listed are counted as one.
    let list = door::modern("fixture", "tools/list", json!({})).bearer(&ana.access);
    assert!(door.ask(list).await.json()["result"]["tools"].is_array());
    for _ in 0..2 {
        assert_eq!(echo(&door, &ana.access).await, None);
    }
    let text = echo(&door, &ana.access).await.unwrap();
    assert!(
        text.contains("quota echoes") && text.contains("in 30 seconds"),
        "{text}"
    );
    assert_eq!(echo(&door, &ben.access).await, None);
    let other = door.call(&ana.access, "test_simple_text", json!({})).await;
    assert_eq!(told(&other), None);
    door.advance(Duration::from_secs(30));
    assert_eq!(echo(&door, &ana.access).await, None);
    assert!(echo(&door, &ana.access).await.is_some());
    door.calls_recorded(|rows| rows.iter().filter(|row| row["reason"] == "quota").count() == 2)
        .await;
}

/// DEC-16, CC-88: whatever is no tool call gets a 429 that says when to come again; discovery has no limits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_no_calls_get_429() {
    let door = with("  everything: { per: [client], rate: 2/1m, burst: 2 }").await;
    let (_, tokens) = door.signed_in("ana").await;
    let list = async || {
        let ask = door::modern("fixture", "tools/list", json!({}));
        door.ask(ask.bearer(&tokens.access)).await
    };
    assert_eq!((list().await.status, list().await.status), (200, 200));
    let reply = list().await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(reply.header("retry-after"), Some("30"));
    assert_eq!(reply.json()["error"]["code"], 42_900);
    assert_eq!(reply.json()["id"], 7);
    let listen = Ask::get("/mcp/fixture")
        .with("accept", "text/event-stream")
        .bearer(&tokens.access);
    let reply = door.ask(listen).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("30")));
    for target in [
        "/.well-known/oauth-protected-resource/mcp/fixture",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(door.get(target).await.status, 200, "{target}");
    }
    assert_eq!(door.get("/mcp/fixture").await.status, 401);
    // Notifications are not answered, and take nothing.
    door.advance(Duration::from_secs(30));
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let note = Ask::json("/mcp/fixture", &note)
        .with("accept", "application/json, text/event-stream")
        .bearer(&tokens.access);
    door.ask(note).await;
    assert_eq!(list().await.status, 200);
}

/// A message too many of a batch is refused alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_takes_message_by_message() {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: all }}]\n",
        upstream.url()
    );
    let door = Door::with(Plan {
        config: "quotas:\n  few: { per: [person], tools: ['*'], rate: 1/1m }".to_owned(),
        servers,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("scripted").await;
    let call =
        |id: u32| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "x" } });
    let ask = async |messages: Value| {
        let ask = Ask::json("/mcp/scripted", &messages).bearer(&token);
        door.ask(ask.with("accept", "application/json, text/event-stream"))
            .await
    };
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [] } });
    let json = &["Content-Type: application/json"];
    upstream.answers("200 OK", json, &json!([answer]).to_string());
    let reply = ask(json!([call(1), call(2)])).await;
    let told = reply.json();
    assert_eq!((&told[0]["id"], &told[1]), (&json!(2), &answer), "{reply:?}");
    assert!(
        told[0]["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("quota few")
    );
    let reply = ask(json!([call(4), call(5)])).await;
    assert_eq!(reply.body.matches("quota few").count(), 2, "{reply:?}");

    // An upstream that answers the rest with a refusal of its own leaves nobody without an answer.
    door.advance(Duration::from_mins(1));
    upstream.answers("400 Bad Request", json, "{}");
    let reply = ask(json!([call(6), call(7)])).await;
    let ids: Vec<_> = reply
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|told| told["id"].clone())
        .collect();
    assert_eq!((reply.status, ids), (200, vec![json!(6), json!(7)]), "{reply:?}");
}

/// 64 at the same moment take exactly what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_once_nobody_gets_more_than_there_is() {
    let door = with("  few: { per: [person], tools: ['*'], rate: 10/1h }").await;
    let (_, tokens) = door.signed_in("ana").await;
    let mut set = JoinSet::new();
    for _ in 0..64 {
        let call = door::call("fixture", "echo_headers", json!({}));
        set.spawn(call.bearer(&tokens.access).to(door.address));
    }
    let answers = set.join_all().await;
    assert_eq!(answers.iter().filter(|reply| told(reply).is_none()).count(), 10);
}

/// TP-14: what is under way is counted until it has ended, however it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_streams_under_way_are_counted() {
    let door = with("  at_once: { per: [person, server], calls: 1, streams: 1 }").await;
    let (_, tokens) = door.signed_in("ana").await;
    let hold = door::call("fixture", "hold", json!({})).bearer(&tokens.access);
    let held = hold.open(door.address).await;
    door.upstream.until(|seen| seen.holds == 1).await;
    let text = echo(&door, &tokens.access).await.unwrap();
    assert!(text.contains("something that is under way"), "{text}");
    drop(held);
    eventually(async || match echo(&door, &tokens.access).await {
        None => Ok(()),
        Some(text) => Err(text),
    })
    .await;

    let listen = || {
        door::modern(
            "fixture",
            "subscriptions/listen",
            json!({ "notifications": { "toolsListChanged": true } }),
        )
        .bearer(&tokens.access)
    };
    let stream = listen().open(door.address).await;
    assert_eq!(stream.status(), 200);
    let second = door.ask(listen()).await;
    assert_eq!((second.status, second.header("retry-after")), (429, Some("1")));
    assert_eq!(echo(&door, &tokens.access).await, None, "a stream is no call");
    drop(stream);
    eventually(async || match listen().open(door.address).await.status() {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}

/// A server that takes one call at a time: whoever comes waits, and is told when it takes too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_wait_for_a_busy_server() {
    let door = Door::with(Plan {
        server: "    concurrency: { calls: 1, wait: 300ms }".to_owned(),
        ..Plan::default()
    })
    .await;
    let (_, ana) = door.signed_in("ana").await;
    let (_, ben) = door.signed_in("ben").await;
    let hold = door::call("fixture", "hold", json!({})).bearer(&ana.access);
    let held = hold.open(door.address).await;
    door.upstream.until(|seen| seen.holds == 1).await;
    let text = echo(&door, &ben.access).await.unwrap();
    assert!(text.contains("is busy"), "{text}");
    let (told, ()) = tokio::join!(echo(&door, &ben.access), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(held);
    });
    assert_eq!(told, None, "it got the place that came free");
    let rows = door
        .calls_recorded(|rows| rows.iter().any(|row| row["reason"] == "busy"))
        .await;
    assert!(rows.iter().any(|row: &Value| row["outcome"] == "refused"));
}

/// What cannot be meant is a mistake of the configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_limits_nothing_is_no_quota() {
    let mut door = Door::open().await;
    for (quota, says) in [
        ("{ per: [person] }", "limits nothing"),
        ("{ calls: 1, burst: 3 }", "says nothing without `rate`"),
        ("{ streams: 1, tools: ['*'] }", "no stream belongs to a tool"),
        ("{ calls: 1, servers: [nowhere] }", "there is no server nowhere"),
    ] {
        let error = door
            .try_reconfigure(|text| format!("quotas:\n  x: {quota}\n{text}"))
            .await
            .unwrap_err();
        assert!(error.contains(says), "{quota}: {error}");
    }
}

/// Hanging up gives nothing back while the server still works: in the session era a call goes on without its caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_up_is_no_way_around() {
    let door = Door::with(Plan {
        config: "quotas:\n  few: { per: [person], calls: 1 }".to_owned(),
        server: "    concurrency: { calls: 1, wait: 100ms }".to_owned(),
        ..Plan::default()
    })
    .await;
    let (_, ana) = door.signed_in("ana").await;
    let (_, ben) = door.signed_in("ben").await;
    let session = super::sessions::begin(&door, &ana.access, "fixture").await;
    let params = json!({ "name": "slow_json", "arguments": { "millis": 1500 } });
    let slow = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params });
    let ask = Ask::json("/mcp/fixture", &slow)
        .bearer(&ana.access)
        .with("mcp-session-id", session)
        .with("accept", "application/json, text/event-stream");
    let call = tokio::task::spawn(ask.try_open(door.address));
    door.upstream.until(|seen| seen.slow_starts == 1).await;
    call.abort();
    let text = echo(&door, &ben.access).await.unwrap();
    assert!(text.contains("is busy"), "{text}");
    let text = echo(&door, &ana.access).await.unwrap();
    assert!(text.contains("quota few"), "{text}");
    door.upstream.until(|seen| seen.slow_completions == 1).await;
    eventually(async || {
        let told = [echo(&door, &ana.access).await, echo(&door, &ben.access).await];
        if told == [None, None] {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    })
    .await;
}
