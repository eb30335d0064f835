//! Servers that give an id twice, and clients that spell what they want in other ways.

use std::time::Duration;

use serde_json::{Value, json};

use super::session_era::{DONE, begin, created, says};
use super::{UNKNOWN, answer, before, knowing, of_session_era, refused, scripted};
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door};

fn get(id: &str) -> Ask {
    of_session_era("tasks/get", &json!({ "taskId": id }))
}

fn call(tool: &str, arguments: &Value) -> Ask {
    let params = json!({ "name": tool, "arguments": arguments, "task": {} });
    of_session_era("tools/call", &params)
}

fn done(upstream: &Scripted) {
    upstream.answers("200 OK", &["Content-Type: application/json"], DONE);
}

/// TP-113: whose id comes again, by a counter that began anew or by malice, it is nobody's. Trying again is no way to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_comes_again_for_another_person_is_nobodys() {
    let upstream = Scripted::start().await;
    for mut door in Door::each(before(&upstream)).await {
        let [ana, ben] = door.tokens_for("scripted", ["ana", "ben"]).await;
        for framing in ["whole", "chunks", "stream"] {
            begin(&door, &upstream, framing, &ana, framing).await;
            done(&upstream);
            assert_eq!(door.ask(get(framing).bearer(&ana)).await.body, DONE);
            for _ in 0..2 {
                says(&upstream, framing, &created(framing));
                let reply = door.ask(call("a", &json!({})).bearer(&ben)).await;
                assert_eq!(answer(&reply)["result"]["isError"], true, "{framing}: {reply:?}");
                assert!(!reply.body.contains("taskId"), "{reply:?}");
                done(&upstream);
                for token in [&ana, &ben] {
                    refused(&door.ask(get(framing).bearer(token)).await, framing);
                }
            }
            let list = json!({ "jsonrpc": "2.0", "id": 7, "result": { "tasks": [{ "taskId": framing }] } });
            says(&upstream, framing, &list);
            let shown = of_session_era("tasks/list", &json!({})).bearer(&ana);
            assert_eq!(answer(&door.ask(shown).await)["result"]["tasks"], json!([]));
        }
        done(&upstream);
        door.restart().await;
        for token in [&ana, &ben] {
            refused(&door.ask(get("whole").bearer(token)).await, "whole");
        }
    }
}

/// The same person's, by another tool: nobody knows any more which it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_comes_again_for_another_tool_is_of_no_tool() {
    let upstream = Scripted::start().await;
    for mut door in Door::each(before(&upstream)).await {
        let [ana] = door.tokens_for("scripted", ["ana"]).await;
        for _ in 0..2 {
            begin(&door, &upstream, "whole", &ana, "hers").await;
            done(&upstream);
            assert_eq!(door.ask(get("hers").bearer(&ana)).await.body, DONE);
        }
        says(&upstream, "whole", &created("hers"));
        let reply = door.ask(call("c", &json!({})).bearer(&ana)).await;
        assert_eq!(answer(&reply), created("hers"));
        done(&upstream);
        refused(&door.ask(get("hers").bearer(&ana)).await, "hers");
        begin(&door, &upstream, "whole", &ana, "hers").await;
        done(&upstream);
        refused(&door.ask(get("hers").bearer(&ana)).await, "hers");
        door.reconfigure(|text| text.replace("tools: [a, c]", "tools: all"))
            .await;
        assert_eq!(door.ask(get("hers").bearer(&ana)).await.body, DONE);
    }
}

/// Two calls that wait under one id: nobody knows which of them an answer is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_two_calls_is_of_no_tool() {
    let (door, upstream, [ana, _]) = scripted().await;
    for (second, id, known) in [("c", "either", false), ("a", "same", true)] {
        let calls = ["a", second].map(|tool| {
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "task": {} } })
        });
        says(&upstream, "whole", &json!([created(id)]));
        door.ask(Ask::json("/mcp/scripted", &json!(calls)).bearer(&ana))
            .await;
        done(&upstream);
        let reply = door.ask(get(id).bearer(&ana)).await;
        if known {
            assert_eq!(reply.body, DONE);
        } else {
            refused(&reply, id);
        }
    }
}

/// TP-113: whatever names a task is for its owner, however it is written, and then for whom the rules allow the method.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_that_name_a_task_are_for_its_owner() {
    let (mut door, upstream, [ana, ben]) = scripted().await;
    begin(&door, &upstream, "whole", &ana, "hers").await;
    done(&upstream);
    let ask = |method: &str| of_session_era(method, &json!({ "taskId": "hers", "name": "a" }));
    let methods = [
        "Tasks/get",
        "tasks/delete",
        "tasks/logs",
        "TASKS/RESULT",
        "ta\u{17f}ks/get",
        "Tasks/list",
        "x/y",
    ];
    let noted = |method: &str, id: &str| {
        let note = json!({ "jsonrpc": "2.0", "method": method, "params": { "taskId": id } });
        Ask::json("/mcp/scripted", &note).with("accept", "application/json, text/event-stream")
    };
    for rules in ["tools: [a, c]", "tools: all"] {
        door.reconfigure(|text| text.replace("tools: [a, c]", rules))
            .await;
        for method in methods.into_iter().chain(["tools/call", "tasks/list", "ping"]) {
            refused(&door.ask(ask(method).bearer(&ben)).await, "hers");
        }
        refused(
            &door
                .ask(of_session_era("tasks/logs", &json!({})).bearer(&ana))
                .await,
            "",
        );
        for method in [
            "notifications/tasks/status",
            "Notifications/tasks",
            "notifications/x",
        ] {
            for (token, id) in [(&ben, "hers"), (&ana, UNKNOWN)] {
                let reply = door.ask(noted(method, id).bearer(token)).await;
                assert_eq!(reply.status, 400, "{method}: {reply:?}");
            }
        }
        let reply = door
            .ask(noted("notifications/tasks/status", "hers").bearer(&ana))
            .await;
        assert_ne!(reply.status, 400, "{reply:?}");
        for method in methods {
            let reply = door.ask(ask(method).bearer(&ana)).await;
            if rules == "tools: all" {
                assert_eq!(reply.body, DONE, "{method}");
            } else {
                assert_eq!(answer(&reply)["error"]["code"], -32601, "{method}: {reply:?}");
            }
        }
    }
}

/// Looking up whose a task is costs a query, so that nobody can ask for many at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_names_at_most_a_hundred_tasks() {
    let (door, upstream, [ana, _]) = scripted().await;
    done(&upstream);
    let ids = |from: usize, to: usize| (from..to).map(|number| number.to_string()).collect::<Vec<_>>();
    let listen = |ids: &[String]| {
        let wants = json!({ "notifications": { "taskIds": ids } });
        knowing("scripted", "subscriptions/listen", wants).bearer(&ana)
    };
    let mut same = vec!["0".to_owned(); 100];
    assert_eq!(door.ask(listen(&same)).await.status, 200);
    assert_eq!(door.ask(listen(&ids(0, 100))).await.status, 200);
    same.push("0".to_owned());
    for ids in [ids(0, 101), same] {
        let reply = door.ask(listen(&ids)).await;
        assert_eq!(
            (reply.status, answer(&reply)["error"]["code"].as_i64()),
            (400, Some(-32602))
        );
    }
    // Nor by several messages.
    let message = |id: usize, ids: &[String]| json!({ "jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": { "notifications": { "taskIds": ids } } });
    for (second, status) in [(ids(0, 60), 200), (ids(50, 110), 400)] {
        let batch = json!([message(1, &ids(0, 60)), message(2, &second)]);
        let reply = door.ask(Ask::json("/mcp/scripted", &batch).bearer(&ana)).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

/// TP-114: what may be done with a task is what may be done with the call that began it, its arguments too: those that
/// rules allow by, and those that they forbid by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_on_arguments_are_asked_of_those_that_the_call_had() {
    const FILE: &str = r#"@reads("owner: String")
        forbid (principal, action == Action::"tools/call", resource == Tool::"scripted/a")
        when { context.arguments.owner == "evil" };"#;
    const SANDBOX: &str = "{ groups: [developers], tools: [a], when: { arguments: { owner: sandbox } } }";
    const ACME: &str = "{ people: [ana], tools: [a], when: { arguments: { owner: acme } } }";
    let upstream = Scripted::start().await;
    let mut plan = before(&upstream);
    let open = "{ groups: [developers], tools: [a, c] }";
    plan.servers = plan.servers.replace(open, &format!("{SANDBOX}, {ACME}"));
    plan.config = "policy: { files: [{ file: rules.cedar }] }".to_owned();
    plan.files = vec![("rules.cedar", FILE.to_owned())];
    for mut door in Door::each(plan).await {
        let [ana] = door.tokens_for("scripted", ["ana"]).await;
        for owner in ["sandbox", "acme"] {
            says(&upstream, "whole", &created(owner));
            let reply = door.ask(call("a", &json!({ "owner": owner })).bearer(&ana)).await;
            assert_eq!(answer(&reply), created(owner));
        }
        done(&upstream);
        for id in ["sandbox", "acme"] {
            assert_eq!(door.ask(get(id).bearer(&ana)).await.body, DONE);
        }
        door.reconfigure(|text| text.replace(&format!(", {ACME}"), ""))
            .await;
        door.restart().await;
        assert_eq!(door.ask(get("sandbox").bearer(&ana)).await.body, DONE);
        let reply = door.ask(get("acme").bearer(&ana)).await;
        assert!(answer(&reply)["error"]["code"].is_i64(), "{reply:?}");
        // Forbidden since.
        std::fs::write(door.folder().join("rules.cedar"), FILE.replace("evil", "sandbox")).unwrap();
        door.reconfigure(str::to_owned).await;
        let reply = door.ask(get("sandbox").bearer(&ana)).await;
        assert!(answer(&reply)["error"]["code"].is_i64(), "{reply:?}");
    }
}

/// Another instance may have learned that an id is nobody's: what is remembered is believed for half a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_is_asked_again_after_a_while() {
    let (door, upstream, [ana, _]) = scripted().await;
    begin(&door, &upstream, "whole", &ana, "hers").await;
    done(&upstream);
    assert_eq!(door.ask(get("hers").bearer(&ana)).await.body, DONE);
    let now = door.world.now();
    let other = store::Task {
        server: "scripted".parse().unwrap(),
        digest: keys::sha256(b"hers"),
        account: Some(door.account("ben").await),
        tool: Some("a".to_owned()),
        arguments: None,
        created_at: now,
        expires_at: now + Duration::from_hours(1),
    };
    let store = &door.running().house.foundation.store;
    assert_eq!(store.bind_task(&other).await.unwrap().account, None);
    door.advance(Duration::from_secs(30));
    refused(&door.ask(get("hers").bearer(&ana)).await, "hers");
}
