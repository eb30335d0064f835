//! Results that are fetched later are for whoever began them (TP-112 to TP-115, MA-145).

mod extension;
mod hostile;
mod session_era;
mod streams;

use serde_json::{Value, json};

use crate::rig::door::able_to;
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door, Plan, Reply};

/// Tools by name: nobody may do everything.
const RULES: &str = r#"
  limited:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: [slow_compute, confirm_delete] }]
    credential: { headers: { Authorization: "Bearer ${file:credential}" } }
"#;

const UNKNOWN: &str = "a-task-that-nobody-began";

fn limited() -> Plan {
    Plan {
        servers: RULES.to_owned(),
        ..Plan::default()
    }
}

/// A door before an upstream that says what a test wrote.
fn before(upstream: &Scripted) -> Plan {
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: [a, c] }}]\n",
        upstream.url()
    );
    Plan {
        servers,
        ..Plan::default()
    }
}

/// The same, with tokens of Ana and Ben.
async fn scripted() -> (Door, Scripted, [String; 2]) {
    let upstream = Scripted::start().await;
    let door = Door::with(before(&upstream)).await;
    let tokens = door.tokens_for("scripted", ["ana", "ben"]).await;
    (door, upstream, tokens)
}

/// A request of 2026-07-28 by a client that knows tasks.
fn knowing(server: &str, method: &str, params: Value) -> Ask {
    let extensions = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    able_to(server, method, params, &extensions)
}

/// A request of 2025-11-25, outside of any session.
fn of_session_era(method: &str, params: &Value) -> Ask {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    Ask::json("/mcp/scripted", &body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", "2025-11-25")
}

/// The answer, however it was framed.
fn answer(reply: &Reply) -> Value {
    let texts = reply
        .body
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line));
    texts
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .rfind(|message| message.get("result").or_else(|| message.get("error")).is_some())
        .unwrap_or_else(|| panic!("{reply:?}"))
}

fn refused(reply: &Reply, id: &str) {
    let answer = answer(reply);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(answer["error"]["code"], -32602, "{reply:?}");
    assert_eq!(
        answer["error"]["message"],
        format!("Unknown task: {id}"),
        "{reply:?}"
    );
}
