use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::message::judge;

fn rule(tools: &[&str], paths: &[&str]) -> KeptArguments {
    KeptArguments {
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        paths: paths.iter().map(|path| Arc::from(*path)).collect(),
    }
}

fn call(method: &str, name: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": name, "method": method, "params": { "name": name, "arguments": arguments } })
}

fn chosen(rules: &[KeptArguments], body: &Value) -> Value {
    let read = judge(&Bytes::from(body.to_string()), &HeaderMap::new()).unwrap();
    let chosen = choose(rules, &read);
    serde_json::to_value(chosen).unwrap()
}

#[test]
fn what_a_rule_names_is_kept_and_nothing_else() {
    let rules = [
        rule(&["create_*", "delete_repo"], &["owner", "filter.state"]),
        rule(&[], &["repo", "none"]),
    ];
    let arguments = json!({
        "owner": "acme", "repo": 7, "filter": { "state": true, "other": "x" }, "body": "not chosen",
    });
    assert_eq!(
        chosen(&rules, &call("tools/call", "create_issue", &arguments)),
        json!({ "owner": "acme", "filter.state": "true", "repo": "7" })
    );
    assert_eq!(
        chosen(&rules, &call("tools/call", "list_issues", &arguments)),
        json!({ "repo": "7" })
    );
    assert_eq!(
        chosen(&rules[..1], &call("tools/call", "list_issues", &arguments)),
        json!({})
    );
    assert_eq!(
        chosen(&[], &call("tools/call", "create_issue", &arguments)),
        json!(null)
    );
    assert_eq!(
        chosen(&rules, &call("prompts/get", "create_issue", &arguments)),
        json!({})
    );
    assert_eq!(
        chosen(&rules, &call("tools/call", "create_issue", &json!({}))),
        json!({})
    );
}

/// A server may take `Owner` for `owner`, or read an object out of a text.
#[test]
fn what_not_everybody_reads_alike_leaves_a_trace() {
    let rules = [rule(&[], &["owner", "filter.state"])];
    let arguments = json!({ "Owner": "acme", "owner": "other", "filter": "{\"state\":1}" });
    assert_eq!(
        chosen(&rules, &call("tools/call", "a", &arguments)),
        json!({ "owner": "[unclear]", "filter.state": "[unclear]" })
    );
    let text = json!("{\"owner\":\"acme\"}");
    assert_eq!(
        chosen(&rules[..1], &call("tools/call", "a", &text))["owner"],
        "[unclear]"
    );
}

#[test]
fn an_object_of_many_members_is_not_searched() {
    let rules = [rule(&[], &["owner", "filter.state"])];
    let many: serde_json::Map<_, _> = (0..1001).map(|number| (number.to_string(), json!(0))).collect();
    assert_eq!(
        chosen(
            &rules,
            &call("tools/call", "a", &json!({ "owner": "acme", "filter": many }))
        ),
        json!({ "owner": "acme", "filter.state": "[unclear]" })
    );
}

#[test]
fn a_batch_hides_nothing() {
    let rules = [rule(&["create_*"], &["owner"])];
    let of = |name: &str| call("tools/call", name, &json!({ "owner": name }));
    assert_eq!(
        chosen(&rules, &json!([of("list"), of("create_a"), of("create_b")])),
        json!([{}, { "owner": "create_a" }, { "owner": "create_b" }])
    );
    assert_eq!(chosen(&rules, &json!([of("list")])), json!(null));
}

/// A batch with much in each of its messages.
#[test]
fn an_event_holds_only_so_much() {
    let paths: Vec<String> = (10..30).map(|number| format!("path{number}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let rules = [rule(&["create"], &paths), rule(&[], &paths)];
    let messages = |value: &str| {
        let arguments: serde_json::Map<_, _> = paths
            .iter()
            .map(|path| ((*path).to_owned(), json!(value)))
            .collect();
        json!(vec![call("tools/call", "create", &json!(arguments)); 100])
    };
    // Characters of four bytes, and one that takes six in JSON.
    for value in ["\u{1f511}".repeat(200), "\u{1}".repeat(200)] {
        let kept = chosen(&rules, &messages(&value));
        let length = kept.to_string().len();
        assert!((MOST / 2..MOST * 3 / 2).contains(&length), "{length}");
        let kept = kept.as_array().unwrap();
        assert_eq!((kept.len(), &kept[0]["path10"]), (100, &json!(value)));
        for message in &kept[2..] {
            assert_eq!(*message, json!({ "path10": "[left out]" }));
        }
    }
    // Nothing in front hides what is small.
    let mut arguments = json!({ "path29": "acme" });
    for path in &paths[..19] {
        arguments[*path] = json!("\u{1}".repeat(200));
    }
    let kept = chosen(&rules, &call("tools/call", "create", &arguments));
    assert_eq!(
        (&kept["path28"], &kept["path29"]),
        (&json!("[left out]"), &json!("acme"))
    );
    // What fits is whole.
    let kept = chosen(&rules, &messages(""));
    assert!(!kept.to_string().contains("left out"), "{kept}");
}
