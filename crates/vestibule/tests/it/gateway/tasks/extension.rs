//! The extension of 2026-07-28, with a server that has it.

use std::time::Duration;

use serde_json::json;

use super::{UNKNOWN, answer, knowing, limited, refused};
use crate::rig::{Door, door};

const DAY: Duration = Duration::from_hours(24);

/// Begins a task that waits for an answer, and gives its id.
async fn begin(door: &Door, token: &str) -> String {
    let call = json!({ "name": "confirm_delete", "arguments": { "filename": "x" } });
    let reply = door
        .ask(knowing("limited", "tools/call", call).bearer(token))
        .await;
    let answer = answer(&reply);
    assert_eq!(answer["result"]["resultType"], "task", "{reply:?}");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

/// TP-112, TP-115, MA-145: it needs no right to everything, and another person's is like one that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_114_a_task_is_for_whoever_began_it() {
    for mut door in Door::each(limited()).await {
        let [ana, ben] = door.tokens_for("limited", ["ana", "ben"]).await;
        let id = begin(&door, &ana).await;
        let ask = |method: &str, token: &str, id: &str| {
            let params = json!({ "taskId": id, "inputResponses": {} });
            knowing("limited", method, params).bearer(token)
        };
        door.upstream.take_requests();
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            refused(&door.ask(ask(method, &ben, &id)).await, &id);
            refused(&door.ask(ask(method, &ana, UNKNOWN)).await, UNKNOWN);
        }
        // The stateless era has no such method, whosever the task is.
        for (token, id) in [(&ben, id.as_str()), (&ana, UNKNOWN)] {
            let reply = door.ask(ask("tasks/result", token, id)).await;
            assert_eq!(
                (reply.status, answer(&reply)["error"]["code"].as_i64()),
                (404, Some(-32601))
            );
        }
        // TP-62: the header may not name another task than the body.
        let lie = ask("tasks/get", &ben, UNKNOWN).without("mcp-name");
        let reply = door.ask(lie.with("mcp-name", id.as_str())).await;
        assert_eq!(
            (reply.status, answer(&reply)["error"]["code"].as_i64()),
            (400, Some(-32020))
        );
        assert!(
            door.upstream.take_requests().is_empty(),
            "nothing of it reached the server"
        );
        let events = door
            .calls_recorded(|rows| rows.iter().any(|row| row["method"] == "tasks/cancel"))
            .await;
        let of_ben = events
            .iter()
            .find(|row| row["method"] == "tasks/cancel" && row["target"] == *id);
        assert_eq!(of_ben.unwrap()["reason"], "hidden");

        let reply = door.ask(ask("tasks/get", &ana, &id)).await;
        assert_eq!(answer(&reply)["result"]["status"], "input_required", "{reply:?}");
        // Another program of the same person: it is the person's, and not the connection's.
        let [again] = door.tokens_for("limited", ["ana"]).await;
        assert!(
            answer(&door.ask(ask("tasks/get", &again, &id)).await)["result"]["taskId"] == *id,
            "{}",
            door.engine()
        );

        door.restart().await;
        refused(&door.ask(ask("tasks/get", &ben, &id)).await, &id);
        let reply = door.ask(ask("tasks/cancel", &ana, &id)).await;
        assert_eq!(answer(&reply)["result"]["resultType"], "complete", "{reply:?}");
    }
}

/// TP-114: whoever may not call the tool any more may not fetch what it made, and a task is known for as long as its
/// server keeps it and a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_withdrawn_and_a_time_that_is_over() {
    let mut door = Door::with(limited()).await;
    let [ana] = door.tokens_for("limited", ["ana"]).await;
    let id = begin(&door, &ana).await;
    let get = |token: &str| knowing("limited", "tasks/get", json!({ "taskId": id })).bearer(token);
    assert!(answer(&door.ask(get(&ana)).await)["error"].is_null());
    door.reconfigure(|text| text.replace("[slow_compute, confirm_delete]", "[slow_compute]"))
        .await;
    refused(&door.ask(get(&ana)).await, &id);
    door.reconfigure(|text| text.replace("[slow_compute, confirm_delete]", "all"))
        .await;
    assert!(answer(&door.ask(get(&ana)).await)["error"].is_null());
    door.advance(7 * DAY);
    let [ana] = door.tokens_for("limited", ["ana"]).await;
    assert!(answer(&door.ask(get(&ana)).await)["error"].is_null());
    door.advance(Duration::from_mins(10));
    refused(&door.ask(get(&ana)).await, &id);
}

/// TP-114: of a subscription the tasks of others are taken out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_77_nobody_is_told_of_another_persons_task() {
    let door = Door::with(limited()).await;
    let [ana, ben] = door.tokens_for("limited", ["ana", "ben"]).await;
    let (hers, his) = (begin(&door, &ana).await, begin(&door, &ben).await);
    for (asked, forwarded) in [
        (json!([hers, his, UNKNOWN]), json!([hers])),
        (json!([his]), json!([])),
        (json!([his, 7]), json!([])),
        (json!(his), json!([])),
        (json!([hers]), json!([hers])),
    ] {
        door.upstream.take_requests();
        let wants = json!({ "taskIds": asked, "toolsListChanged": true });
        let listen = knowing(
            "limited",
            "subscriptions/listen",
            json!({ "notifications": wants }),
        );
        let mut stream = listen.bearer(&ana).open(door.address).await;
        let first = stream.message().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        let seen = door.upstream.take_requests().pop().unwrap().json();
        let notifications = &seen["params"]["notifications"];
        assert_eq!(notifications["taskIds"], forwarded, "{asked}");
        assert_eq!(notifications["toolsListChanged"], true);
    }
}

/// A client that did not say that it knows tasks gets none, and one that did pays nothing for plain results.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_results_pass_as_they_are() {
    let door = Door::with(limited()).await;
    let [ana] = door.tokens_for("limited", ["ana"]).await;
    let call = json!({ "name": "slow_compute", "arguments": { "seconds": 0 } });
    let plain = door
        .ask(door::modern("limited", "tools/call", call.clone()).bearer(&ana))
        .await;
    assert!(answer(&plain)["result"]["content"].is_array(), "{plain:?}");
    let task = door
        .ask(knowing("limited", "tools/call", call).bearer(&ana))
        .await;
    let id = answer(&task)["result"]["taskId"].clone();
    let get = knowing("limited", "tasks/get", json!({ "taskId": id })).bearer(&ana);
    assert_eq!(answer(&door.ask(get).await)["result"]["taskId"], id);
}

/// TP-55: a client that does not declare the extension is told that it needs it, and not whose the task is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tp_55_a_client_that_does_not_know_tasks_is_told_so() {
    let door = Door::with(limited()).await;
    let [ana, ben] = door.tokens_for("limited", ["ana", "ben"]).await;
    let id = begin(&door, &ana).await;
    for (token, id) in [(&ben, id.as_str()), (&ana, UNKNOWN), (&ana, id.as_str())] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let params = json!({ "taskId": id, "inputResponses": {} });
            let reply = door
                .ask(door::modern("limited", method, params).bearer(token))
                .await;
            let error = answer(&reply)["error"].clone();
            assert_eq!((reply.status, &error["code"]), (400, &json!(-32021)), "{reply:?}");
            let required = &error["data"]["requiredCapabilities"]["extensions"];
            assert!(required["io.modelcontextprotocol/tasks"].is_object(), "{error}");
        }
    }
}
