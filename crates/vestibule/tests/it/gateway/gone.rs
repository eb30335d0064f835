//! A server that is gone: its callers are told at once, its lists are answered from what it had, the others do not
//! notice, and metrics say so.

use serde_json::{Value, json};

use crate::rig::scripted::Scripted;
use crate::rig::{Door, Plan, Reply, door};

const TOOLS: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","tools":[{"name":"seen","inputSchema":{"type":"object"}},{"name":"hidden","inputSchema":{"type":"object"}}]}}"#;

struct Rig {
    door: Door,
    upstream: Scripted,
    token: String,
}

async fn rig() -> Rig {
    rig_with("[seen]", "").await
}

async fn rig_with(tools: &str, settings: &str) -> Rig {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: {tools} }}]\n{settings}",
        upstream.url()
    );
    let door = Door::with(Plan {
        servers,
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
    async fn ask(&self, method: &str, params: Value) -> Reply {
        let ask = door::modern("scripted", method, params).bearer(&self.token);
        self.door.ask(ask).await
    }

    fn metrics(&self) -> String {
        let running = self.door.running();
        let house = std::sync::Arc::clone(&running.house);
        vestibule::metrics::Metrics::of(house, running.health.clone())
            .text()
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_not_waited_for_and_its_lists_are_remembered() {
    let mut rig = rig().await;
    rig.upstream
        .answers("200 OK", &["Content-Type: application/json"], TOOLS);
    let whole = rig.ask("tools/list", json!({})).await.json();
    assert_eq!(
        whole["result"]["tools"].as_array().map(Vec::len),
        Some(1),
        "{whole}"
    );
    assert!(
        rig.metrics()
            .contains("vestibule_server_up{server=\"scripted\"} 1")
    );

    rig.upstream.goes().await;
    let copy = rig.ask("tools/list", json!({})).await;
    let json = copy.json();
    assert_eq!(json["result"]["tools"], whole["result"]["tools"], "{copy:?}");
    assert_eq!(
        (
            &json["result"]["cacheScope"],
            &json["result"]["ttlMs"],
            &json["id"]
        ),
        (&json!("private"), &json!(0), &json!(7))
    );
    let second_page = rig.ask("tools/list", json!({ "cursor": "2" })).await;
    assert_eq!(second_page.json()["error"]["code"], -32_603);
    let never_seen = rig.ask("prompts/list", json!({})).await;
    assert_eq!(never_seen.json()["error"]["code"], -32_603);
    for _ in 0..5 {
        let call = rig
            .ask("tools/call", json!({ "name": "seen", "arguments": {} }))
            .await;
        assert_eq!(call.json()["result"]["isError"], true, "{call:?}");
    }
    assert!(
        rig.metrics()
            .contains("vestibule_server_up{server=\"scripted\"} 0")
    );
    let rows = rig
        .door
        .calls_recorded(|rows| rows.iter().any(|row| row["reason"] == "last_known"))
        .await;
    let answered = rows.iter().find(|row| row["reason"] == "last_known").unwrap();
    assert_eq!(
        (&answered["outcome"], &answered["status"]),
        (&json!("answered"), &json!(200))
    );

    let (_, other) = rig.door.signed_in("ben").await;
    let call = rig.door.call(&other.access, "echo_headers", json!({})).await;
    assert_eq!(
        (call.status, &call.json()["result"]["isError"]),
        (200, &Value::Null)
    );

    // It comes back, and the next call that tries finds it.
    rig.upstream.returns().await;
    rig.upstream
        .answers("200 OK", &["Content-Type: application/json"], TOOLS);
    let refused = rig
        .ask("tools/call", json!({ "name": "seen", "arguments": {} }))
        .await;
    assert_eq!(refused.json()["result"]["isError"], true, "it is not tried yet");
    rig.door.advance(std::time::Duration::from_mins(1));
    let call = rig
        .ask("tools/call", json!({ "name": "seen", "arguments": {} }))
        .await;
    assert_eq!(call.json()["result"]["isError"], Value::Null, "{call:?}");
    assert!(
        rig.metrics()
            .contains("vestibule_server_up{server=\"scripted\"} 1")
    );
}

/// What there is of resources may depend on who asks: only of a server that is not told is there a copy for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_remembered_where_everybody_looks_the_same() {
    const RESOURCES: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","resources":[{"uri":"x://a","name":"a"}]}}"#;
    for (settings, is_remembered) in [("", false), ("    identity_headers: false\n", true)] {
        let rig = rig_with("all", settings).await;
        rig.upstream
            .answers("200 OK", &["Content-Type: application/json"], RESOURCES);
        let whole = rig.ask("resources/list", json!({})).await.json();
        assert_eq!(whole["result"]["resources"][0]["uri"], "x://a", "{whole}");
        rig.upstream.goes().await;
        let copy = rig.ask("resources/list", json!({})).await.json();
        let found = copy["result"]["resources"] == whole["result"]["resources"];
        assert_eq!(found, is_remembered, "{copy}");
    }
}

/// Every metric is documented, and every documented metric is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_those_that_are_documented() {
    let rig = rig().await;
    rig.upstream
        .answers("200 OK", &["Content-Type: application/json"], TOOLS);
    rig.ask("tools/list", json!({})).await;
    assert_eq!(rig.door.get("/mcp/scripted").await.status, 401);
    rig.door.calls_recorded(|rows| !rows.is_empty()).await;
    let text = rig.metrics();
    for line in [
        "vestibule_calls_total{server=\"scripted\",outcome=\"answered\"} 1",
        "vestibule_calls_total{server=\"fixture\",outcome=\"answered\"} 0",
        "vestibule_call_duration_seconds_count{server=\"scripted\"} 1",
        "vestibule_calls_under_way{server=\"scripted\"} 0",
        "vestibule_refusals_total{reason=\"no_token\"} 1",
        "vestibule_ready 1.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    let exposed: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let documented = docs
        .lines()
        .take_while(|line| *line != "## What to watch")
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<_> = documented
        .filter_map(|line| line.split(['`', '{']).next())
        .map(|name| name.trim_end_matches("_total").trim_end_matches("_info"))
        .collect();
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(sorted(exposed), sorted(documented));
    for file in ["deploy/grafana/vestibule.json", "deploy/prometheus/alerts.yaml"] {
        let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
        let queries = std::fs::read_to_string(path).unwrap();
        let words = queries.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: Vec<_> = words.filter(|word| word.starts_with("vestibule_")).collect();
        assert!(!named.is_empty());
        for name in named {
            let is_there = text
                .lines()
                .any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
            assert!(is_there, "{file}: {name}");
        }
    }
}
