//! Which answers begin a task, and what a server says by itself.

use super::*;
use proptest::prelude::*;

fn ids(text: &str) -> Vec<String> {
    created(text)
        .into_iter()
        .map(|created| created.task.into_owned())
        .collect()
}

#[test]
fn tp_113_tp_114_an_answer_begins_a_task_in_either_era() {
    let session_era =
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"a","status":"working","ttl":60000}}}"#;
    assert_eq!(
        created(session_era),
        [Created {
            request: "1",
            task: "a".into(),
            ttl: Some(Duration::from_mins(1)),
            is_output: false
        }]
    );
    let stateless =
        r#"{"id":"x","result":{"resultType":"t\u0061sk","taskId":"\u0062","ttlMs":null,"status":"working"}}"#;
    let found = created(stateless);
    assert_eq!((&*found[0].task, found[0].ttl), ("b", None));
    assert!(found[0].answers(r#""\u0078""#) && !found[0].answers("1"));
    let batch = format!("[{session_era}, {stateless}]");
    assert_eq!(ids(&batch), ["a", "b"]);
    for ttl in ["-1", "1.5", "\"60\"", "{}"] {
        let text = session_era.replace("60000", ttl);
        assert_eq!(created(&text)[0].ttl, None, "{ttl}");
    }
}

#[test]
fn everything_else_begins_none() {
    let long = format!(
        r#"{{"id":1,"result":{{"task":{{"taskId":"{}"}}}}}}"#,
        "x".repeat(LONGEST_ID + 1)
    );
    for text in [
        "",
        "[",
        "[1]",
        "{}",
        r#"{"id":1,"error":{"code":1,"data":{"task":{"taskId":"a"}}}}"#,
        r#"{"id":1,"result":{"content":[{"type":"text","text":"taskId"}]}}"#,
        // `tasks/get` of the session era, and of the stateless one.
        r#"{"id":1,"result":{"taskId":"a","status":"working"}}"#,
        r#"{"id":1,"result":{"resultType":"complete","taskId":"a"}}"#,
        r#"{"id":1,"result":{"structuredContent":{"task":{"taskId":"a"}}}}"#,
        r#"{"id":1,"result":{"task":{"taskId":7}}}"#,
        r#"{"id":1,"result":{"task":{"taskId":"a","taskId":"b"}}}"#,
        r#"{"id":1,"result":{"task":{"taskId":"a"},"task":{"taskId":"b"}}}"#,
        r#"{"method":"x","params":{"task":{"taskId":"a"}}}"#,
        &long,
    ] {
        assert_eq!(created(text), [], "{text}");
    }
    let output = r#"{"id":1,"result":{"content":[],"task":{"taskId":"a"}}}"#;
    assert!(created(output)[0].is_output);
}

#[test]
fn a_method_is_about_a_task_however_it_is_written() {
    for method in [
        "tasks/get",
        "Tasks/get",
        "tasks/delete",
        "TASKS/logs",
        "ta\u{17f}\u{212a}s/x",
        "Tasks/list",
        "tasks/",
        "notifications/tasks",
        "Notifications/Tasks/status",
    ] {
        assert!(is_about_one(method), "{method}");
    }
    for method in [
        "tasks/list",
        "tasks",
        "tools/call",
        "notifications/task",
        "x/tasks/get",
        "",
    ] {
        assert!(!is_about_one(method), "{method}");
    }
}

#[test]
fn tp_57_requests_are_told_from_notifications_and_answers() {
    fn one(text: &str) -> Option<Said<'_>> {
        said(text).unwrap().into_iter().next()
    }
    let request = one(r#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{}}"#);
    assert!(request.is_some_and(|said| said.is_request && said.task.is_none()));
    for quiet in [
        r#"{"id":1,"result":{"method":"x"}}"#,
        r#"{"id":1,"error":{"code":1}}"#,
    ] {
        assert_eq!(one(quiet), None, "{quiet}");
    }
    let notification = one(r#"{"id":null,"method":"notifications/progress"}"#).unwrap();
    assert!(!notification.is_request);
    for (method, task) in [
        (
            "notifications/tasks/status",
            r#"{"taskId":"\u0061","status":"working"}"#,
        ),
        ("notifications/tasks", r#"{"taskId":"a","result":{}}"#),
    ] {
        let text = format!(r#"{{"method":"{method}","params":{task}}}"#);
        assert_eq!(one(&text).unwrap().task.as_deref(), Some("a"), "{method}");
        let none = format!(r#"{{"method":"{method}","params":{{"taskId":"a","taskId":"b"}}}}"#);
        assert_eq!(
            one(&none).unwrap().task.as_deref(),
            Some(""),
            "two readings are none"
        );
    }
    assert_eq!(
        said(r#"[{"id":1,"method":"a"},{"id":2,"result":{}}]"#)
            .unwrap()
            .len(),
        1
    );
    for unreadable in ["", "nonsense", r#"{"method":"a","method":"b"}"#, "[1]"] {
        assert_eq!(said(unreadable), Err(Unreadable), "{unreadable}");
    }
}

proptest! {
    #[test]
    fn what_a_server_writes_is_read_back(id in "\\PC{1,40}", ttl in proptest::option::of(any::<u32>())) {
        let task = serde_json::json!({ "taskId": id, "ttl": ttl });
        let text = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "result": { "task": task } }).to_string();
        let found = created(&text);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&*found[0].task, id.as_str());
        prop_assert_eq!(found[0].ttl, ttl.map(|ttl| Duration::from_millis(ttl.into())));
        prop_assert!(text.contains("taskId") && TRACE == b"taskId");
    }

    #[test]
    fn never_panics(text in "\\PC{0,200}") {
        let _ = (created(&text), said(&text));
    }
}
