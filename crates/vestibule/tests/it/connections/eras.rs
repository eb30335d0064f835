//! How each era is told where to connect (CC-105, TP-61, TP-82, TP-110).

use serde_json::{Value, json};

use super::{ANAS, connect, link, said};
use crate::rig::accounts::Accounts;
use crate::rig::door::{able_to, modern};
use crate::rig::{Ask, Door, Reply};

fn in_session(body: &Value) -> Ask {
    Ask::json("/mcp/own", body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", "2025-11-25")
}

/// Begins a session; gives its ticket.
pub(super) async fn begin(door: &Door, token: &str, capabilities: &Value) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": { "name": "old", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = door.ask(in_session(&body).bearer(token)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
}

pub(super) async fn within(door: &Door, token: &str, session: &str, method: &str, params: &Value) -> Reply {
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
    door.ask(in_session(&body).bearer(token).with("mcp-session-id", session))
        .await
}

/// The stateless era: whoever announces that it opens addresses is asked to open one, in a result, and never by `-32042`;
/// the answer to that question does not reach the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stateless_era_is_asked_for_input() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let door = Door::with(accounts.plan()).await;
    let token = door.token_for("own").await;
    let params = json!({ "name": "echo_headers", "arguments": {} });
    let opens = json!({ "elicitation": { "url": {} } });
    let reply = door
        .ask(able_to("own", "tools/call", params.clone(), &opens).bearer(&token))
        .await;
    let result = &reply.json()["result"];
    assert_eq!(result["resultType"], "input_required", "{reply:?}");
    let asked = &result["inputRequests"]["vestibule-connect"];
    assert_eq!(asked["method"], "elicitation/create");
    assert_eq!(asked["params"]["mode"], "url");
    link(&door, asked["params"]["url"].as_str().unwrap());
    assert!(!reply.body.contains("-32042"));

    // A form is no address.
    for capabilities in [
        json!({ "elicitation": { "form": {} } }),
        json!({ "elicitation": {} }),
        json!({}),
    ] {
        let ask = able_to("own", "tools/call", params.clone(), &capabilities).bearer(&token);
        let (text, is_error) = said(&door.ask(ask).await);
        assert!(is_error && text.contains("/connect?to=forge&for="), "{text}");
    }

    connect(&door, "ana", ANAS).await;
    door.upstream.take_requests();
    let mut again = params;
    again["inputResponses"] = json!({ "vestibule-connect": { "action": "accept" } });
    let reply = door
        .ask(able_to("own", "tools/call", again, &opens).bearer(&token))
        .await;
    assert!(!said(&reply).1, "{reply:?}");
    let sent = door.upstream.take_requests();
    assert!(!format!("{:?}", sent.last().unwrap()).contains("vestibule-connect"));
}

/// What shows only what a server is goes through without a credential; what a person has there does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_begin_before_its_person_has_connected() {
    let accounts = Accounts::start().await;
    let door = Door::with(accounts.plan()).await;
    let token = door.token_for("own").await;
    for method in ["tools/list", "prompts/list", "server/discover"] {
        let reply = door.ask(modern("own", method, json!({})).bearer(&token)).await;
        assert!(reply.json()["result"].is_object(), "{method}: {reply:?}");
    }
    for request in door.upstream.take_requests() {
        assert!(request.headers.get("authorization").is_none(), "{request:?}");
    }
    for (method, params) in [
        ("resources/list", json!({})),
        ("resources/read", json!({ "uri": "test://static-text" })),
        ("prompts/get", json!({ "name": "test_simple_prompt" })),
    ] {
        let reply = door.ask(modern("own", method, params).bearer(&token)).await;
        let error = &reply.json()["error"];
        assert_eq!(error["code"], -32603, "{method}: {reply:?}");
        assert!(
            error["message"].as_str().unwrap().contains("/connect?to=forge"),
            "{method}"
        );
    }
    assert!(door.upstream.take_requests().is_empty());
}

/// The session era: whoever announced it when the session began gets `-32042`, and only for tools; others a tool result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_era_gets_its_error() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    let door = Door::with(accounts.plan()).await;
    let token = door.token_for("own").await;
    let opens = begin(&door, &token, &json!({ "elicitation": { "url": {} } })).await;
    let plain = begin(&door, &token, &json!({ "elicitation": {} })).await;
    let params = json!({ "name": "echo_headers", "arguments": {} });

    let reply = within(&door, &token, &opens, "tools/call", &params).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (200, &json!(-32042)), "{reply:?}");
    let asked = &error["data"]["elicitations"][0];
    assert_eq!(asked["mode"], "url");
    assert!(asked["elicitationId"].is_string());
    link(&door, asked["url"].as_str().unwrap());
    let reply = within(&door, &token, &opens, "resources/list", &json!({})).await;
    assert_eq!(reply.json()["error"]["code"], -32603, "{reply:?}");

    let (text, is_error) = said(&within(&door, &token, &plain, "tools/call", &params).await);
    assert!(is_error && text.contains("/connect?to=forge"), "{text}");

    // The same session goes on with the credential.
    connect(&door, "ana", ANAS).await;
    let reply = within(&door, &token, &opens, "tools/call", &params).await;
    assert!(reply.body.contains("result"), "{reply:?}");
    let sent = door.upstream.take_requests();
    assert_eq!(
        sent.last().unwrap().headers["authorization"],
        format!("token {ANAS}")
    );
}
