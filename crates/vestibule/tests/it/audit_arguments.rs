//! Arguments of calls that an operator chose to have on record.

use serde_json::{Value, json};
use vestibule::operator::Answer;

use crate::rig::process::done;
use crate::rig::{Ask, Door, Plan};

const RULES: &str = "
audit:
  durability: strict
  arguments:
    - { server: fixture, tools: ['echo_*'], keep: [owner, filter.state, private] }
    - { keep: [count] }
    - { server: elsewhere, keep: [body] }
";
const ELSEWHERE: &str =
    "  elsewhere:\n    upstream: {upstream}\n    allow: [{ groups: [developers], tools: all }]\n";

fn plan() -> Plan {
    Plan {
        config: RULES.to_owned(),
        servers: ELSEWHERE.to_owned(),
        ..Plan::default()
    }
}

/// What is chosen is on record, beside the digest of all; nothing else is, and no credential ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_chosen_is_on_record_and_goes_with_the_person() {
    for door in Door::each(plan()).await {
        let (_, tokens) = door.signed_in("ana").await;
        let token = "vst_st_or_some_other_word";
        let arguments = json!({
            "owner": "acme", "filter": { "state": "open", "other": "a-secret-plan" }, "count": 3, "body": "a-long-letter",
            "private": "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "token": token,
        });
        door.call(&tokens.access, "echo_headers", arguments).await;
        // What is refused is on record too.
        door.call(&tokens.access, "other", json!({ "owner": "acme", "count": [1] }))
            .await;
        let of = |tool: &str, count: u32| {
            json!({ "jsonrpc": "2.0", "id": count, "method": "tools/call",
                "params": { "name": tool, "arguments": { "owner": "initech", "count": count } } })
        };
        let batch =
            json!([of("echo_headers", 1), { "jsonrpc": "2.0", "method": "notifications/x" }, of("other", 2)]);
        let batch = Ask::json("/mcp/fixture", &batch)
            .with("accept", "application/json, text/event-stream")
            .bearer(&tokens.access);
        door.ask(batch).await;

        let calls = door.calls_recorded(|calls| calls.len() >= 3).await;
        let kept = json!({ "owner": "acme", "filter.state": "open", "count": "3", "private": "[redacted]" });
        let batched = json!([{ "owner": "initech", "count": "1" }, {}, { "count": "2" }]);
        // The clock stands: in which order they are is chance.
        for expected in [&kept, &batched, &json!({ "count": "[array of 1]" })] {
            let found = calls.iter().find(|call| call["chosen_arguments"] == *expected);
            assert!(found.is_some(), "{}: {expected}: {calls:?}", door.engine());
        }
        let digests = calls.iter().filter(|call| call["arguments"].is_string());
        assert_eq!(digests.count(), 2, "the digest of all arguments stays");
        let admitted = door.audit("call_admitted").await;
        assert!(
            admitted.iter().any(|call| call["chosen_arguments"] == kept),
            "{admitted:?}"
        );

        let searched = async |argument: &str| {
            let words = ["audit", "search", "--event", "call", "--argument", argument];
            match door.operate(&words).await.unwrap() {
                Answer::List { rows, .. } => rows.len(),
                other => panic!("{other:?}"),
            }
        };
        for (argument, count) in [
            ("owner=acme", 1),
            ("owner=initech", 1),
            ("count=2", 1),
            ("count=acme", 0),
            ("private=[redacted]", 1),
        ] {
            assert_eq!(searched(argument).await, count, "{}: {argument}", door.engine());
        }

        let config = door.config_file();
        let export = async |format: &str| done(&config, &["audit", "export", "--format", format], "").await;
        let csv = export("csv").await;
        assert!(csv.lines().next().unwrap().ends_with(",chosen_arguments,details"));
        assert!(
            csv.contains(r#""{""count"":""3"",""filter.state"":""open"",""owner"":""acme"""#),
            "{csv}"
        );
        let ocsf = export("ocsf").await;
        let events: Vec<Value> = ocsf
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(
            events
                .iter()
                .any(|event| event["unmapped"]["chosen_arguments"] == kept),
            "{ocsf}"
        );
        let whole = export("jsonl").await;
        for text in [&csv, &ocsf, &whole] {
            for private in ["a-secret-plan", "a-long-letter", "ghp_", token] {
                assert!(!text.contains(private), "{}: {private}", door.engine());
            }
        }

        door.operate(&["audit", "erase", "ana", "--yes"]).await.unwrap();
        let calls = door.audit("call").await;
        assert!(
            calls.iter().all(|call| call["chosen_arguments"].is_null()),
            "{calls:?}"
        );
        assert_eq!(searched("owner=acme").await, 0);
        assert!(!export("jsonl").await.contains("acme"), "{}", door.engine());
        match door.operate(&["audit", "verify"]).await.unwrap() {
            Answer::Done { text, item } => assert_eq!(item["sound"], true, "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
