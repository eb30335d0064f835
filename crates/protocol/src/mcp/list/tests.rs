use super::*;

fn without(text: &str, expected: &Expected, unwanted: &str) -> Option<String> {
    let wanted = |list, text: &str| entry(text, list).is_some_and(|entry| entry.name != unwanted);
    filter(text, expected, &mut |list, text| wanted(list, text)).unwrap()
}

fn asked(id: &str, list: List) -> Expected {
    Expected::Ids(vec![(id.to_owned(), list)])
}

const TOOLS: &str = r#"{ "result": {"tools" : [ {"name":"a","inputSchema":{"x":1e400,"y":"\u00e4"}} , {"name":"b","_meta":{"k":[1,2]}},{"name":"c"} ],"nextCursor":"\u0062","ttlMs":5,"cacheScope":"public"},"jsonrpc":"2.0","id":1}"#;

#[test]
fn tp_103_tp_104_what_stays_stays_byte_for_byte() {
    let expected = asked("1", List::Tools);
    assert_eq!(
        without(TOOLS, &expected, "b").unwrap(),
        r#"{ "result": {"tools" : [ {"name":"a","inputSchema":{"x":1e400,"y":"\u00e4"}},{"name":"c"} ],"nextCursor":"\u0062","ttlMs":5,"cacheScope":"private"},"jsonrpc":"2.0","id":1}"#
    );
    // TP-85: a list is one person's own even if nothing was taken out of it.
    assert_eq!(
        without(TOOLS, &expected, "z").unwrap(),
        TOOLS.replace("public", "private")
    );
    assert_eq!(without(&TOOLS.replace("public", "private"), &expected, "z"), None);
    let empty = r#"{"jsonrpc":"2.0","id":"x","result":{"prompts":[{"name":"b"}],"nextCursor":"n"}}"#;
    assert_eq!(
        without(empty, &asked(r#""\u0078""#, List::Prompts), "b").unwrap(),
        r#"{"jsonrpc":"2.0","id":"x","result":{"prompts":[],"nextCursor":"n"}}"#
    );
}

#[test]
fn tp_102_answers_are_known_by_their_ids_and_lists_by_their_form() {
    let output = TOOLS
        .replace("public", "private")
        .replace("\"ttlMs\"", "\"content\":[],\"ttlMs\"");
    for other in [
        asked("2", List::Tools),
        asked("\"1\"", List::Tools),
        asked("1", List::Prompts),
    ] {
        assert_eq!(without(&output, &other, "b"), None, "{other:?}");
        assert!(
            !without(TOOLS, &other, "b").unwrap().contains("\"b\""),
            "{other:?}"
        );
    }
    assert!(
        !without(&output, &asked("1", List::Tools), "b")
            .unwrap()
            .contains("\"b\"")
    );
    // Two requests of a batch with one id.
    let both = Expected::Ids(vec![
        ("1".to_owned(), List::Prompts),
        ("1".to_owned(), List::Tools),
    ]);
    assert!(!without(&output, &both, "b").unwrap().contains("\"b\""));
    // An id that JavaScript writes in another way.
    let zero = TOOLS.replace("\"id\":1", "\"id\":0");
    assert!(
        !without(&zero, &asked("-0", List::Tools), "b")
            .unwrap()
            .contains("\"b\"")
    );
    let output = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"tools":[{"name":"b"}]}}"#;
    assert_eq!(without(output, &Expected::Form, "b"), None);
    assert!(!without(TOOLS, &Expected::Form, "b").unwrap().contains("\"b\""));
}

#[test]
fn every_kind_of_list_has_its_own_name() {
    for (list, text) in [
        (List::Tools, r#"{"id":1,"result":{"tools":[{"name":"b"}]}}"#),
        (List::Prompts, r#"{"id":1,"result":{"prompts":[{"name":"b"}]}}"#),
        (
            List::Resources,
            r#"{"id":1,"result":{"resources":[{"uri":"b","name":"x"}]}}"#,
        ),
        (
            List::Templates,
            r#"{"id":1,"result":{"resourceTemplates":[{"uriTemplate":"b","name":"x"}]}}"#,
        ),
        (
            List::Tasks,
            r#"{"id":1,"result":{"tasks":[{"taskId":"b","status":"working"}]}}"#,
        ),
    ] {
        assert!(
            without(text, &asked("1", list), "b").unwrap().contains("[]"),
            "{list:?}"
        );
        assert!(
            without(text, &Expected::Form, "b").unwrap().contains("[]"),
            "{list:?}"
        );
        assert_eq!(List::of_method(list.method()), Some(list));
    }
    let batch = r#"[{"id":1,"result":{"tools":[{"name":"b"}]}}, {"id":2,"result":{"tools":[{"name":"b"}]}}]"#;
    assert_eq!(
        without(batch, &asked("2", List::Tools), "b").unwrap(),
        r#"[{"id":1,"result":{"tools":[]}},{"id":2,"result":{"tools":[]}}]"#
    );
}

#[test]
fn a_list_that_nobody_reads_is_shown_as_an_empty_one() {
    let expected = asked("1", List::Tools);
    let of = |count: usize| {
        let entries = vec![r#"{"name":"a"}"#; count].join(", ");
        format!(r#"{{"id":1,"result":{{"tools":[{entries}],"nextCursor":"n"}}}}"#)
    };
    assert_eq!(without(&of(10_000), &expected, "b"), None);
    let none = of(0);
    assert_eq!(without(&of(10_001), &expected, "b"), Some(none));
}

#[test]
fn what_cannot_be_read_for_certain_is_taken_out() {
    let expected = asked("1", List::Tools);
    for entry in ["1", "{}", r#"{"name":1}"#, r#"{"name":"a","name":"b"}"#] {
        let text = format!(r#"{{"id":1,"result":{{"tools":[{entry}]}}}}"#);
        assert!(without(&text, &expected, "z").unwrap().contains("[]"), "{entry}");
    }
    let text = r#"{"id":1,"result":{"tools":{"name":"b"}}}"#;
    assert!(without(text, &expected, "z").unwrap().contains("[]"));
    for other in [
        r#"{"id":1,"error":{"code":1}}"#,
        r#"{"method":"x"}"#,
        r#"{"id":1,"result":[1]}"#,
    ] {
        assert_eq!(without(other, &expected, "b"), None, "{other}");
    }
    for unreadable in [
        "",
        "{",
        "[1]",
        r#"{"id":1,"result":{"tools":[],"tools":[{"name":"b"}]}}"#,
        r#"{"id":1,"result":{},"result":{"tools":[{"name":"b"}]}}"#,
    ] {
        let found = filter(unreadable, &expected, &mut |_, _| true);
        assert_eq!(found, Err(Unreadable), "{unreadable}");
    }
}

#[test]
fn an_id_stands_beside_what_it_is_the_answer_to() {
    let parts = |text| {
        Envelope::of(text).map(
            |Envelope {
                 head,
                 middle,
                 foot,
                 id,
             }| (head, middle, foot, id),
        )
    };
    assert_eq!(
        parts(r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#),
        Some((
            r#"{"jsonrpc":"2.0","id":7,"#,
            r#""result":{"tools":[]}}"#,
            "",
            "7"
        ))
    );
    assert_eq!(
        parts(r#"{"result":{"tools":[]},"jsonrpc":"2.0","id":"a"}"#),
        Some((
            "{",
            r#""result":{"tools":[]}"#,
            r#","jsonrpc":"2.0","id":"a"}"#,
            r#""a""#
        ))
    );
    assert_eq!(
        parts(r#"{ "id" : 1, "jsonrpc":"2.0" , "result":{} }"#),
        Some((r#"{ "id" : 1, "jsonrpc":"2.0" , "#, r#""result":{} }"#, "", "1"))
    );
    for other in [
        "",
        "{",
        "[]",
        r#"{"result":{}}"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"id":1,"id":2,"jsonrpc":"2.0","result":{}}"#,
        r#"{"id":1,"jsonrpc":"2.0","error":1,"result":{}}"#,
        // The word stands in a text, or is a value.
        r#"{"jsonrpc":"2.0","id":""result":{}"}"#,
        r#"{"id":1,"jsonrpc":"result","result":{}}"#,
        r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
    ] {
        assert_eq!(parts(other), None, "{other}");
    }
}

proptest::proptest! {
    /// Whatever stands around it, the middle alone says what there is to filter.
    #[test]
    fn what_an_envelope_is_taken_from_does_not_change_what_is_filtered(
        result in "[ -~]{0,40}",
        id in "[0-9]{1,3}|\"[a-z\\\\\",:{}]{0,6}\"",
        before in proptest::bool::ANY,
    ) {
        let answer = |id: &str| if before {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"a"}},{{"name":"b"}}],"x":{result}}}}}"#)
        } else {
            format!(r#"{{"result":{{"tools":[{{"name":"a"}},{{"name":"b"}}],"x":{result}}},"jsonrpc":"2.0","id":{id}}}"#)
        };
        let (one, other) = (answer(&id), answer("1"));
        let (Some(one_parts), Some(other_parts)) = (Envelope::of(&one), Envelope::of(&other)) else {
            return Ok(());
        };
        if one_parts.middle != other_parts.middle {
            return Ok(());
        }
        let filtered = |text: &str, parts: Envelope<'_>| {
            let mut keep = |_: List, entry: &str| !entry.contains("\"b\"");
            let filtered = filter(text, &Expected::Form, &mut keep).ok()?;
            let filtered = filtered?;
            let middle = filtered.strip_prefix(parts.head)?.strip_suffix(parts.foot)?;
            Some(middle.to_owned())
        };
        proptest::prop_assert_eq!(filtered(&one, one_parts), filtered(&other, other_parts));
    }
}
