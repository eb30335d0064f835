//! Session ids of the session era, and the transport of 2024-11-05 (TP-37, TP-38, TP-40 to TP-43, TP-91 to TP-96, TP-98, MA-144).

use serde_json::{Value, json};

use crate::rig::door::LEGACY_SSE;
use crate::rig::{Ask, Door, Plan, Reply, eventually};

/// Begins a session of 2025-11-25 and gives what the client is told is its id.
pub(super) async fn begin(door: &Door, token: &str, server: &str) -> String {
    begin_in(door, token, server, "2025-11-25").await
}

/// The same of another era.
pub(super) async fn begin_in(door: &Door, token: &str, server: &str, version: &str) -> String {
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let reply = post(door, token, server, None, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let session = reply.header("mcp-session-id").expect("a session id").to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        post(door, token, server, Some(&session), &initialized)
            .await
            .status,
        202
    );
    session
}

async fn post(door: &Door, token: &str, server: &str, session: Option<&str>, body: &Value) -> Reply {
    let mut ask = Ask::json(&format!("/mcp/{server}"), body)
        .bearer(token)
        .with("accept", "application/json, text/event-stream");
    if let Some(session) = session {
        ask = ask
            .with("mcp-session-id", session)
            .with("mcp-protocol-version", "2025-11-25");
    }
    door.ask(ask).await
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" })
}

/// TP-23, TP-27, TP-40, TP-42, MA-142 to MA-144, CC-94.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_its_owners_and_outlives_the_door() {
    let servers = "
  other:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }"
        .to_owned();
    let mut door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let (app, ana) = door.signed_in("ana").await;
    let ben = app.sign_in(&door, "ben").await;
    let mut app_elsewhere = app.clone();
    app_elsewhere.resource = format!("{}/mcp/other", door.url);
    let elsewhere = app_elsewhere.sign_in(&door, "ana").await;
    let second = crate::rig::App::register(
        &door,
        &json!({ "client_name": "B", "redirect_uris": ["http://127.0.0.1/b"] }),
    )
    .await;
    let same_person_other_client = second.sign_in(&door, "ana").await;

    let session = begin(&door, &ana.access, "fixture").await;
    let inner = door
        .upstream
        .requests()
        .last()
        .unwrap()
        .header("mcp-session-id")
        .unwrap()
        .to_owned();
    assert_ne!(
        session, inner,
        "what the client holds is not the upstream's own id"
    );
    assert!(session.bytes().all(|b| (0x21..=0x7e).contains(&b)), "TP-38");
    let another = begin(&door, &ana.access, "fixture").await;
    assert_ne!(session, another);
    assert_eq!(
        post(&door, &ana.access, "fixture", Some(&session), &list())
            .await
            .status,
        200
    );

    let cases = [
        ("another person", &ben.access, "fixture", session.clone()),
        (
            "another client of the same person",
            &same_person_other_client.access,
            "fixture",
            session.clone(),
        ),
        ("another server", &elsewhere.access, "other", session.clone()),
        ("the upstream's own id", &ana.access, "fixture", inner),
        ("a changed id", &ana.access, "fixture", format!("{session}x")),
        (
            "a made-up id",
            &ana.access,
            "fixture",
            "0123456789abcdef".to_owned(),
        ),
    ];
    door.upstream.take_requests();
    for (name, token, server, session) in &cases {
        let reply = post(&door, token, server, Some(session), &list()).await;
        assert_eq!(reply.status, 404, "{name}: {reply:?}");
        let get = Ask::get(&format!("/mcp/{server}"))
            .bearer(token)
            .with("accept", "text/event-stream")
            .with("mcp-session-id", session.as_str())
            .with("last-event-id", "1");
        assert_eq!(door.ask(get).await.status, 404, "TP-37, MA-146: {name}");
        let delete = Ask::new("DELETE", &format!("/mcp/{server}"))
            .bearer(token)
            .with("mcp-session-id", session.as_str());
        assert_eq!(door.ask(delete).await.status, 404, "{name}");
    }
    assert!(
        door.upstream.requests().is_empty(),
        "nothing of it reached the upstream"
    );

    // The same person with a refreshed token continues, before and after a restart.
    let next = crate::rig::Tokens::of(&app.refresh(&ana.refresh).await);
    assert_eq!(
        post(&door, &next.access, "fixture", Some(&session), &list())
            .await
            .status,
        200
    );
    door.restart().await;
    let reply = post(&door, &next.access, "fixture", Some(&session), &list()).await;
    assert_eq!(reply.status, 200, "CC-94: {reply:?}");
    assert!(
        reply.header("mcp-session-id").is_none_or(|id| id == session),
        "the client's id does not change"
    );

    let delete = Ask::new("DELETE", "/mcp/fixture")
        .bearer(&next.access)
        .with("mcp-session-id", session.as_str());
    assert!(door.ask(delete).await.status < 300);
    let ended = post(&door, &next.access, "fixture", Some(&session), &list()).await;
    assert_eq!(ended.status, 404, "TP-40: {ended:?}");
    assert_eq!(
        post(&door, &next.access, "fixture", Some(&another), &list())
            .await
            .status,
        200
    );
}

/// CC-97, TP-32: a second listening stream takes the place of the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_listening_stream_replaces_the_one_before() {
    let door = Door::open().await;
    let (_, ana) = door.signed_in("ana").await;
    let session = begin(&door, &ana.access, "fixture").await;
    let listen = || {
        Ask::get("/mcp/fixture")
            .bearer(&ana.access)
            .with("accept", "text/event-stream")
            .with("mcp-session-id", session.as_str())
    };
    let mut first = listen().open(door.address).await;
    assert_eq!(first.status(), 200);
    let mut second = listen().open(door.address).await;
    assert_eq!(second.status(), 200);
    assert!(first.ends_within(std::time::Duration::from_secs(2)).await);
    door.upstream.announce(&fixture::Change::Tools);
    assert_eq!(
        second.message().await.unwrap()["method"],
        "notifications/tools/list_changed",
        "TP-34"
    );
}

/// TP-91 to TP-96, DEC-21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transport_of_2024_11_05_has_its_endpoint_rewritten() {
    let door = Door::with(Plan {
        servers: LEGACY_SSE.to_owned(),
        ..Plan::default()
    })
    .await;
    let mut app = door.app().await;
    app.resource = format!("{}/mcp/old", door.url);
    let ana = app.sign_in(&door, "ana").await;
    let ben = app.sign_in(&door, "ben").await;
    let mut stream = Ask::get("/mcp/old")
        .bearer(&ana.access)
        .with("accept", "text/event-stream")
        .open(door.address)
        .await;
    assert_eq!(stream.status(), 200);
    let event = stream.event().await.unwrap();
    assert!(event.starts_with("event: endpoint\n"), "{event}");
    let endpoint = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap()
        .to_owned();
    assert!(endpoint.starts_with("/mcp/old/message/"), "TP-93: {endpoint}");
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let send = |token: &str, endpoint: &str, body: &Value| door.ask(Ask::json(endpoint, body).bearer(token));
    assert_eq!(
        send(&ben.access, &endpoint, &initialize).await.status,
        404,
        "TP-94"
    );
    assert_eq!(
        send(&ana.access, &format!("{endpoint}x"), &initialize)
            .await
            .status,
        404
    );
    assert_eq!(
        door.ask(Ask::json(&endpoint, &initialize)).await.status,
        401,
        "MA-47"
    );
    assert_eq!(send(&ana.access, &endpoint, &initialize).await.status, 202);
    let answer = stream.message().await.unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    assert_eq!(send(&ana.access, &endpoint, &list()).await.status, 202);
    assert!(
        stream.message().await.unwrap()["result"]["tools"].is_array(),
        "TP-95"
    );
    // TP-120: the program said what it is when it began, and on this stream alone.
    let calls = door
        .calls_recorded(|calls| calls.iter().any(|call| call["method"] == "tools/list"))
        .await;
    for method in ["initialize", "tools/list"] {
        let of_ana = |call: &&Value| call["method"] == method && call["outcome"] == "answered";
        let call = calls.iter().find(of_ana).unwrap();
        assert_eq!(call["agent"], "t", "{call}");
    }
    let mut again = Ask::get("/mcp/old")
        .bearer(&ana.access)
        .with("accept", "text/event-stream")
        .open(door.address)
        .await;
    let event = again.event().await.unwrap();
    let other = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    send(&ana.access, other, &notification).await;
    let of_other = |call: &Value| call["method"] == "notifications/roots/list_changed";
    let calls = door.calls_recorded(|calls| calls.iter().any(of_other)).await;
    let call = calls.iter().find(|call| of_other(call)).unwrap();
    assert!(call.get("agent").is_none(), "{call}");
    // TP-98: such a server takes no POST at its own address, and says so before anything of today's kind.
    let post = door
        .ask(Ask::json("/mcp/old", &initialize).bearer(&ana.access))
        .await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, OPTIONS")));
    assert!(post.json().get("jsonrpc").is_none());
}

/// TP-92: an upstream that names a foreign message endpoint is cut off; our credential would go there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_endpoint_elsewhere_is_not_followed() {
    let upstream = crate::rig::scripted::Scripted::start().await;
    let servers = format!(
        "  old:\n    upstream: {}\n    transport: sse\n    allow: [{{ groups: [developers], tools: all }}]\n",
        upstream.url()
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let mut app = door.app().await;
    app.resource = format!("{}/mcp/old", door.url);
    let ana = app.sign_in(&door, "ana").await;
    for endpoint in [
        "https://evil.example/messages",
        "//evil.example/messages",
        "http://127.0.0.1:1/messages",
    ] {
        let event = format!("event: endpoint\ndata: {endpoint}\n\n");
        upstream.answers("200 OK", &["Content-Type: text/event-stream"], &event);
        let reply = door
            .ask(
                Ask::get("/mcp/old")
                    .bearer(&ana.access)
                    .with("accept", "text/event-stream"),
            )
            .await;
        assert_eq!(reply.status, 502, "{endpoint}: {reply:?}");
        assert!(!reply.body.contains("evil"));
    }
}

/// TP-102: a list that is asked under the id of a call that is under way would be answered where nobody filters it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_cannot_hide_behind_the_id_of_a_call() {
    let door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let session = begin(&door, &tokens.access, "fixture").await;
    let ask = async |body: Value| post(&door, &tokens.access, "fixture", Some(&session), &body).await;
    let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "hold", "arguments": {} } });
    let held = Ask::json("/mcp/fixture", &call)
        .bearer(&tokens.access)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-session-id", session.clone())
        .with("mcp-protocol-version", "2025-11-25")
        .open(door.address)
        .await;
    door.upstream.until(|seen| seen.holds == 1).await;
    let reply = ask(list()).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (400, &json!(-32600)),
        "{reply:?}"
    );
    let mut other = list();
    other["id"] = json!(4);
    assert_eq!(ask(other).await.status, 200);
    let elsewhere = begin(&door, &tokens.access, "fixture").await;
    assert_eq!(
        post(&door, &tokens.access, "fixture", Some(&elsewhere), &list())
            .await
            .status,
        200
    );
    drop(held);
    eventually(async || match ask(list()).await.status {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}

/// TP-120: in the session era a program says what it is only once, and the record knows it of each call after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_knows_the_program_of_a_session() {
    let mut door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let session = begin(&door, &tokens.access, "fixture").await;
    door.restart().await;
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo_headers" } });
    let reply = post(&door, &tokens.access, "fixture", Some(&session), &call).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let calls = door
        .calls_recorded(|calls| calls.iter().any(|call| call["method"] == "tools/call"))
        .await;
    for method in ["initialize", "notifications/initialized", "tools/call"] {
        let call = calls.iter().find(|call| call["method"] == method).unwrap();
        assert_eq!(call["agent"], "t", "{call}");
    }
}
