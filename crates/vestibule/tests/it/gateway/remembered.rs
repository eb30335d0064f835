//! A list that was shown is made again from memory only while everything is as it was.

use serde_json::{Value, json};

use vestibule::operator::Answer;

use crate::rig::{Ask, Door, Plan, eventually, scripted::Scripted};

const RULES: &str = "    allow: [{ groups: [developers], tools: [a, b] }, { groups: [owners], tools: all }]
    pinning: hold\n";

/// What a list of three tools shows, asked under three ids, whichever end of the answer they stand at: the second and
/// the third time it may come from memory. One of the tools says something.
async fn shown(door: &Door, upstream: &Scripted, token: &str, saying: &str) -> Vec<String> {
    let mut seen: Option<Vec<String>> = None;
    for id in [json!(1), json!(1), json!("two"), json!(333)] {
        for is_last in [true, false] {
            let names = one(door, upstream, token, saying, (&id, is_last)).await;
            assert_eq!(
                *seen.get_or_insert_with(|| names.clone()),
                names,
                "as the first time"
            );
        }
    }
    seen.unwrap()
}

/// What one list shows whose result stands at the last place of the answer, or not.
async fn one(
    door: &Door,
    upstream: &Scripted,
    token: &str,
    saying: &str,
    (id, is_last): (&Value, bool),
) -> Vec<String> {
    let padding = "an entry that is long enough to be remembered ".repeat(4);
    let result = json!({
        "resultType": "complete",
        "tools": [
            { "name": "a", "description": padding, "inputSchema": { "properties": { "method": {}, "taskId": {} } } },
            { "name": "b", "description": saying },
            { "name": "c" },
        ],
        "cacheScope": "public",
    });
    let text = if is_last {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
    } else {
        format!(r#"{{"result":{result},"jsonrpc":"2.0","id":{id}}}"#)
    };
    upstream.answers("200 OK", &["Content-Type: application/json"], &text);
    let answer = door.ask(list(id).bearer(token)).await.json();
    assert_eq!(answer["id"], *id, "{answer}");
    assert_eq!(answer["result"]["cacheScope"], "private", "{answer}");
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
    names.collect()
}

fn list(id: &Value) -> Ask {
    let params = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    } });
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": params });
    Ask::json("/mcp/scripted", &body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", "tools/list")
}

/// TP-104, TP-105, TP-119: another person, group, rule, definition or acceptance is another list, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_made_from_memory_only_while_nothing_has_changed() {
    let upstream = Scripted::start().await;
    let servers = format!("  scripted:\n    upstream: {}\n{RULES}", upstream.url());
    let mut door = Door::with(Plan {
        servers,
        config: "policy: { files: [{ file: rules.cedar }] }".to_owned(),
        files: vec![("rules.cedar", String::new())],
        ..Plan::default()
    })
    .await;
    door.add_person("bea", &["developers"]).await;
    let [ana, bea] = door.tokens_for("scripted", ["ana", "bea"]).await;
    assert_eq!(shown(&door, &upstream, &ana, "adds").await, ["a", "b"]);
    assert_eq!(shown(&door, &upstream, &bea, "adds").await, ["a", "b"]);

    // Another group.
    door.operate(&["group", "add", "owners"]).await.unwrap();
    door.operate(&["group", "add-member", "owners", "bea"])
        .await
        .unwrap();
    assert_eq!(shown(&door, &upstream, &bea, "adds").await, ["a", "b", "c"]);
    assert_eq!(shown(&door, &upstream, &ana, "adds").await, ["a", "b"]);

    // Another definition, its acceptance, and the one before.
    assert_eq!(shown(&door, &upstream, &ana, "adds, and sends").await, ["a"]);
    assert_eq!(shown(&door, &upstream, &bea, "adds, and sends").await, ["a", "c"]);
    // What is new is written down behind the list, and only then is it what is accepted.
    eventually(async || {
        let changed = ["tool", "list", "scripted", "--changed"];
        match door.operate(&changed).await.unwrap() {
            Answer::List { rows, .. } if rows.len() == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    door.operate(&["tool", "accept", "scripted", "b"]).await.unwrap();
    // The catalogue is read again behind the command.
    eventually(async || {
        let names = one(&door, &upstream, &ana, "adds, and sends", (&json!(1), true)).await;
        (names == ["a", "b"]).then_some(()).ok_or(format!("{names:?}"))
    })
    .await;
    assert_eq!(shown(&door, &upstream, &ana, "adds").await, ["a"]);
    assert_eq!(shown(&door, &upstream, &ana, "adds, and sends").await, ["a", "b"]);

    // Another rule; and instead of it one about a person.
    door.reconfigure(|text| text.replace("tools: [a, b]", "tools: [b]"))
        .await;
    assert_eq!(shown(&door, &upstream, &ana, "adds, and sends").await, ["b"]);
    let rule = r#"forbid (principal, action == Action::"tools/call", resource == Tool::"scripted/b") when { principal.username == "ana" };"#;
    std::fs::write(door.folder().join("rules.cedar"), rule).unwrap();
    door.reconfigure(ToOwned::to_owned).await;
    assert_eq!(shown(&door, &upstream, &ana, "adds, and sends").await, ["a"]);
    assert_eq!(
        shown(&door, &upstream, &bea, "adds, and sends").await,
        ["a", "b", "c"]
    );
}
