//! What is a message, and what has more than one reading.

use super::*;
use proptest::prelude::*;

fn single(text: &str) -> Message<'_> {
    match parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Body::Single(message) => message,
        Body::Batch(_) => panic!("a batch: {text}"),
    }
}

fn reason(text: &str) -> String {
    parse(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn reads_the_head_of_a_call() {
    let message = single(
        r#"{"jsonrpc":"2.0","id":"7\u00e4","method":"tools/call","params":{"name":"who\u0061mi","arguments":{"name":"x"},
           "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},
           "progressToken":1}},"extra":[1.5,null]}"#,
    );
    assert_eq!(
        message.request_id(),
        Some(r#""7\u00e4""#),
        "the id is kept as it was written"
    );
    assert_eq!(message.method(), Some("tools/call"));
    assert_eq!(message.target(), Some("whoami"));
    assert_eq!(
        message.params.meta.protocol_version.as_deref(),
        Some("2026-07-28")
    );
    assert!(message.params.meta.client_capabilities);
}

#[test]
fn tp_7_ids_keep_type_and_precision() {
    for id in ["1", "-3", "12345678901234567890123", r#""a""#, r#""""#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(single(&text).request_id(), Some(id));
    }
    for id in ["null", "1.5", "1e3", "{}", "[1]", "true"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert!(reason(&text).contains("id is neither"), "{id}");
    }
}

#[test]
fn tells_the_three_kinds_apart() {
    assert!(matches!(
        single(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#).kind,
        Kind::Notification { .. }
    ));
    assert_eq!(
        single(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).kind,
        Kind::Response { id: "1" }
    );
    assert_eq!(
        single(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#).kind,
        Kind::Response { id: "1" }
    );
}

#[test]
fn dec_19_two_readings_are_refused() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","m\u0065thod":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"danger"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"p":1,"p":2}}}"#,
    ] {
        assert!(reason(text).contains("twice"), "{text}");
    }
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","NAME":"danger"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"danger"},"params":{"name":"safe"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"mine","tas\u212aid":"theirs"}}"#,
    ] {
        assert!(reason(text).contains("only in case"), "{text}");
    }
}

#[test]
fn dec_19_what_is_nested_too_deep_for_others_is_too_deep_here() {
    for member in ["arguments", "ref", "notifications", "vendor"] {
        for (depth, accepted) in [(125, true), (126, false), (5000, false)] {
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"{member}":{value}}}}}"#);
            let read = parse(text.as_bytes()).is_ok();
            assert_eq!(read, accepted, "{member} {depth}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), accepted);
        }
    }
}

#[test]
fn tasks_are_found_among_capabilities_in_one_pass_that_is_as_strict_as_elsewhere() {
    let with = |capabilities: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{{"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
        )
    };
    for (capabilities, tasks) in [
        ("{}", false),
        ("null", false),
        (r#"{"sampling":{},"n":[1,-2,0.5,true,null,"x"]}"#, false),
        (r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, true),
        (
            r#"{"extensions":{"io.modelcontextprotocol/ta\u0073ks":{}}}"#,
            true,
        ),
        (r#"{"a":["tasks",1],"z":{}}"#, true),
    ] {
        let text = with(capabilities);
        let meta = single(&text).params.meta;
        assert!(meta.client_capabilities, "{capabilities}");
        assert_eq!(meta.tasks, tasks, "{capabilities}");
    }
    assert!(parse(with(r#"{"a":[{"b":1,"\u0062":2}]}"#).as_bytes()).is_err());
    for (depth, accepted) in [(124, true), (125, false)] {
        let text = with(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        assert_eq!(parse(text.as_bytes()).is_ok(), accepted, "{depth}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), accepted);
    }
}

#[test]
fn what_is_no_message() {
    for text in [
        r#"{"id":1,"method":"x"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
        r#"{"jsonrpc":2,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#,
        "1",
        "\"x\"",
        "[]",
        "[1]",
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
    ] {
        assert!(
            matches!(parse(text.as_bytes()), Err(MessageError::Envelope { .. })),
            "{text}"
        );
    }
    for text in [
        "",
        "{",
        "nonsense",
        r#"{"jsonrpc":"2.0","id":1,"method":"x"} x"#,
        "\u{feff}{}",
    ] {
        assert!(
            matches!(parse(text.as_bytes()), Err(MessageError::Syntax(_))),
            "{text}"
        );
    }
    assert!(matches!(parse(b"\xff"), Err(MessageError::Syntax(_))));
}

#[test]
fn an_error_carries_the_id_when_it_could_be_read() {
    let error = parse(br#"{"jsonrpc":"2.0","id":9,"method":"x","params":7}"#).unwrap_err();
    assert!(matches!(error, MessageError::Envelope { id: Some(id), .. } if id == "9"));
}

#[test]
fn a_batch_keeps_the_bytes_of_each_element() {
    let text = r#" [{"jsonrpc":"2.0","id":1,"method":"a"}, {"jsonrpc":"2.0","method":"b"} ]"#;
    let Ok(Body::Batch(items)) = parse(text.as_bytes()) else {
        panic!()
    };
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].1, r#"{"jsonrpc":"2.0","method":"b"}"#);
    let flood = format!("[{}]", vec!["{}"; 101].join(","));
    assert!(parse(flood.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn never_panics(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    /// TP-8: what we read is what a tree parser reads.
    #[test]
    fn agrees_with_a_tree_parser(method in "[ -~]{0,20}", name in "\\PC{0,20}", id: i64) {
        let value = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"name": name}});
        let text = value.to_string();
        let message = single(&text);
        prop_assert_eq!(message.method(), Some(method.as_str()));
        prop_assert_eq!(message.params.name.as_deref(), Some(name.as_str()));
        let id = id.to_string();
        prop_assert_eq!(message.request_id(), Some(id.as_str()));
    }
}
