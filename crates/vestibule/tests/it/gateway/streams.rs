//! Streams: sent on at once, kept alive, ended when their client goes (TP-11, TP-12, TP-31, TP-59, CC-96).

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::rig::{Ask, Door, Plan, door};

const SECOND: Duration = Duration::from_secs(1);

async fn open() -> (Door, String) {
    let config = "limits: { keep_alive: 100ms }".to_owned();
    let door = Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    (door, tokens.access)
}

/// TP-11, TP-28, TP-29: each event goes out when it comes in; the headers keep proxies from holding it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_one_by_one() {
    let (door, token) = open().await;
    let mut params = json!({ "name": "test_tool_with_progress", "arguments": {} });
    params["_meta"]["progressToken"] = json!("p");
    let mut body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let ask = door::call("fixture", "test_tool_with_progress", json!({}))
        .bearer(&token)
        .body(body.to_string());
    let mut stream = ask.open(door.address).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("cache-control"), Some("no-store, no-transform"));
    assert!(stream.header("content-length").is_none() && stream.header("content-encoding").is_none());
    let mut progress = Vec::new();
    let result = loop {
        let message = stream.message().await.unwrap();
        match message["method"].as_str() {
            Some("notifications/progress") => progress.push(message["params"]["progress"].clone()),
            _ => break message,
        }
    };
    assert_eq!(progress, [json!(0), json!(50), json!(100)]);
    assert_eq!(result["id"], 7);
    assert!(stream.event().await.is_none(), "and then it ends");
}

/// TP-12, CC-96: a stream with nothing to say gets a comment, so that nothing on the way cuts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_stream_is_kept_alive_and_its_client_leaving_is_noticed() {
    let (door, token) = open().await;
    let mut stream = door::call("fixture", "hold", json!({}))
        .bearer(&token)
        .open(door.address)
        .await;
    door.upstream.until(|seen| seen.holds == 1).await;
    for _ in 0..3 {
        assert!(stream.event().await.unwrap().starts_with(':'));
    }
    // TP-59: going away is a cancellation.
    drop(stream);
    let gone = door.upstream.until(|seen| seen.disconnects == 1);
    tokio::time::timeout(SECOND, gone)
        .await
        .expect("the upstream is told within a second");
}

/// TP-31, TP-59: a call that was abandoned is finished in the session era and cancelled in the stateless one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_call_is_finished_or_cancelled_by_era() {
    let (door, token) = open().await;
    let session = super::sessions::begin(&door, &token, "fixture").await;
    let slow = json!({ "name": "slow_json", "arguments": { "millis": 400 } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": slow });
    let ask = Ask::json("/mcp/fixture", &body)
        .bearer(&token)
        .with("mcp-session-id", session)
        .with("accept", "application/json, text/event-stream");
    let call = tokio::task::spawn(ask.try_open(door.address));
    door.upstream.until(|seen| seen.slow_starts == 1).await;
    call.abort();
    door.upstream.until(|seen| seen.slow_completions == 1).await;
    assert_eq!(door.upstream.seen().slow_cancellations, 0);

    let ask = door::call("fixture", "slow_json", json!({ "millis": 20_000 })).bearer(&token);
    let call = tokio::task::spawn(ask.try_open(door.address));
    door.upstream.until(|seen| seen.slow_starts == 2).await;
    call.abort();
    let cancelled = door.upstream.until(|seen| seen.slow_cancellations == 1);
    tokio::time::timeout(SECOND, cancelled)
        .await
        .expect("cancelled within a second");
}

/// Whoever leaves before the head of an answer has not been answered, even if all of it has come here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_before_the_head_was_not_answered() {
    const CALLS: usize = 40;
    let (door, token) = open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (house, origin) = (Arc::clone(&door.running().house), door.url.parse().unwrap());
    // The door's own answers, each of which is dropped as it is when its connection has broken.
    let serving = async {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service_fn(|request| {
                let (house, origin) = (&house, &origin);
                async move {
                    let answer = house.gateway.handle(request, peer.ip(), origin).await;
                    let kept = answer.map(|_| Empty::<Bytes>::new());
                    Ok::<_, Infallible>(kept)
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        }
    };
    let asking = async {
        for _ in 0..CALLS {
            let ask = door::call("fixture", "echo_headers", json!({}))
                .bearer(&token)
                .without("accept")
                .with("accept", "text/event-stream, application/json");
            let head = ask.to(address).await;
            assert_eq!(head.header("content-type"), Some("text/event-stream"));
        }
        door.calls_recorded(|calls| calls.len() == CALLS).await
    };
    let calls = tokio::select! {
        calls = asking => calls,
        () = serving => panic!("it stopped"),
    };
    for call in calls {
        assert_eq!(call["outcome"], "abandoned", "{call}");
    }
    let answered = |call: &&Value| call["outcome"] == "answered";
    let ask = door::call("fixture", "echo_headers", json!({})).bearer(&token);
    let ask = ask
        .without("accept")
        .with("accept", "text/event-stream, application/json");
    assert_eq!(door.ask(ask).await.status, 200);
    let calls = door.calls_recorded(|calls| calls.len() == CALLS + 1).await;
    assert_eq!(calls.iter().filter(answered).count(), 1, "who stays is answered");
}

/// TP-11, TP-74, TP-75, TP-78: listening, whatever media type its endless answer has, and its good end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_streams_through_and_ends_in_good_order() {
    let (mut door, token) = open().await;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = door::modern("fixture", "subscriptions/listen", filter)
        .bearer(&token)
        .open(door.address)
        .await;
    let first = next(&mut stream).await;
    assert_eq!(
        first["method"], "notifications/subscriptions/acknowledged",
        "{first}"
    );
    door.upstream.announce(&fixture::Change::Tools);
    let change = next(&mut stream).await;
    assert_eq!(change["method"], "notifications/tools/list_changed");
    assert_eq!(
        change["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );
    door.stop().await;
    let last = next(&mut stream).await;
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(7), &json!("complete")),
        "TP-78: {last}"
    );
    assert!(stream.ends_within(SECOND).await);
}

/// TP-79: rules and groups change what is listed, which the upstream cannot know. Whoever asked is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_is_told_that_the_rules_have_changed() {
    let (mut door, token) = open().await;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = door::modern("fixture", "subscriptions/listen", filter)
        .bearer(&token)
        .open(door.address)
        .await;
    let _acknowledged = next(&mut stream).await;
    let session = super::sessions::begin(&door, &token, "fixture").await;
    let mut legacy = Ask::get("/mcp/fixture")
        .bearer(&token)
        .with("accept", "text/event-stream")
        .with("mcp-session-id", session)
        .open(door.address)
        .await;
    let silent = json!({ "notifications": { "resourceSubscriptions": [] } });
    let silent = door::modern("fixture", "subscriptions/listen", silent).bearer(&token);
    let mut silent = silent.open(door.address).await;
    let _acknowledged = next(&mut silent).await;

    door.reconfigure(|text| text.replace("tools: all", "tools: [echo_headers]"))
        .await;
    let told = next(&mut stream).await;
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );
    for list in ["tools", "prompts", "resources"] {
        let told = next(&mut legacy).await;
        assert_eq!(told["method"], format!("notifications/{list}/list_changed"));
    }
    door.operate(&["group", "add", "night-shift"]).await.unwrap();
    door.operate(&["group", "add-member", "night-shift", "ana"])
        .await
        .unwrap();
    let told = next(&mut stream).await;
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    door.upstream.announce(&fixture::Change::Tools);
    assert!(!silent.ends_within(Duration::from_millis(300)).await);
    assert!(!silent.text().contains("list_changed"), "{}", silent.text());
}

/// The next message, in whichever framing it comes.
pub(super) async fn next(stream: &mut crate::rig::wire::Stream) -> Value {
    if stream.header("content-type") == Some("text/event-stream") {
        stream.message().await.unwrap()
    } else {
        serde_json::from_str(&stream.line().await.unwrap()).unwrap()
    }
}

/// TP-13, DEC-18: however much keeps coming, a call has an end, and who waits for it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_an_end_is_ended() {
    let door = Door::with(Plan {
        config: "limits: { keep_alive: 100ms }".to_owned(),
        server: "    timeouts: { longest: 10m }".to_owned(),
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    let hold = || door::call("fixture", "hold", json!({})).bearer(&tokens.access);
    let mut stream = hold().open(door.address).await;
    door.upstream.until(|seen| seen.holds == 1).await;
    door.advance(Duration::from_mins(10));
    let told = stream.message().await.unwrap();
    assert_eq!(
        (&told["id"], &told["result"]["isError"]),
        (&json!(7), &json!(true)),
        "{told}"
    );
    assert!(told.to_string().contains("did not answer in time"), "{told}");
    assert!(stream.ends_within(SECOND).await);
    door.calls_recorded(|rows| {
        rows.iter()
            .any(|row| row["reason"] == "upstream_slow" && row["outcome"] == "upstream_failed")
    })
    .await;
    // Listening is no call.
    let listen = door::modern("fixture", "subscriptions/listen", json!({ "notifications": {} }));
    let mut listening = listen.bearer(&tokens.access).open(door.address).await;
    assert_eq!(listening.status(), 200);
    door.advance(Duration::from_mins(20));
    assert!(!listening.ends_within(SECOND).await);
}

/// TP-15: who reads slowly slows the upstream down; the door holds little of what it passes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_upstream() {
    const WHOLE: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 16 * 1024];
        let _ = stream.read(&mut head).await;
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {WHOLE}\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let piece = vec![b' '; 64 * 1024];
        while count.load(Ordering::Relaxed) < WHOLE && stream.write_all(&piece).await.is_ok() {
            count.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let servers = format!(
        "  large:\n    upstream: http://{address}/mcp\n    allow: [{{ groups: [developers], tools: all }}]\n"
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("large").await;
    let stream = door::call("large", "x", json!({}))
        .bearer(&token)
        .open(door.address)
        .await;
    // Until nothing moves any more.
    let mut before = usize::MAX;
    while written.load(Ordering::Relaxed) != before || before == 0 {
        before = written.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < WHOLE / 2, "{before} bytes are on the way to nobody");
    let reply = stream.whole().await;
    assert_eq!(reply.body.len(), WHOLE);
}

/// MA-56: a stream that never falls silent ends with the caller's right to it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_stream_does_not_outlive_its_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 16 * 1024];
        let _ = stream.read(&mut head).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // As fast as it is read: there is always something to pass on.
        while stream.write_all(&b": busy\n\n".repeat(1000)).await.is_ok() {}
    });
    let servers = format!(
        "  busy:\n    upstream: http://{address}/mcp\n    allow: [{{ groups: [developers], tools: all }}]\n"
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let token = door.token_for("busy").await;
    let listen = door::modern("busy", "subscriptions/listen", json!({ "notifications": {} }));
    let mut stream = listen.bearer(&token).open(door.address).await;
    assert_eq!(stream.status(), 200);
    door.advance(Duration::from_hours(25));
    assert!(stream.ends_within(2 * SECOND).await);
}
