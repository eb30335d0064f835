use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::Person;

#[test]
fn scalars_are_written_as_texts_and_anything_else_as_its_kind() {
    let cases = [
        (json!("acme"), "acme"),
        (json!(""), ""),
        (json!(-7), "-7"),
        (json!(1.5), "1.5"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(true), "true"),
        (json!(null), "[null]"),
        (json!([1, 2, 3]), "[array of 3]"),
        (json!({ "password": "a" }), "[object]"),
        (json!("ghp_16C7e42F292c6912E7710c838347Ae178B4a"), "[redacted]"),
    ];
    for (value, expected) in cases {
        assert_eq!(written(&value), expected, "{value}");
    }
    let long = "ä".repeat(LONGEST);
    assert_eq!(written(&json!(long)), long);
    assert_eq!(written(&json!(format!("{long}!"))), format!("{long}…"));
    // It runs over the end of what is written down.
    let token = "glpat-4f9d0c2b7e6a1835d4c3";
    let text = format!("{} {token}", "a".repeat(LONGEST - 10));
    assert_eq!(written(&json!(text)), "[redacted]");
}

/// What was written before there was such a thing reads as it was written.
#[test]
fn who_chose_nothing_writes_what_was_written_before() {
    let before = r#"{"username":"ana","address":"203.0.113.7"}"#;
    let person: Person = serde_json::from_str(before).unwrap();
    assert!(person.chosen_arguments.is_empty());
    assert_eq!(serde_json::to_string(&person).unwrap(), before);
}

#[test]
fn one_message_is_an_object_and_a_batch_is_a_list_of_them() {
    let values = |owner: &str| Values::from([("owner".into(), owner.to_owned())]);
    for (chosen, text) in [
        (Chosen::Message(values("acme")), r#"{"owner":"acme"}"#),
        (
            Chosen::Batch(vec![Values::new(), values("acme")]),
            r#"[{},{"owner":"acme"}]"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&chosen).unwrap(), text);
        assert_eq!(serde_json::from_str::<Chosen>(text).unwrap(), chosen);
        assert!(chosen.has("owner", "acme") && !chosen.has("owner", "other") && !chosen.has("repo", "acme"));
    }
    assert!(Chosen::Batch(vec![Values::new()]).is_empty());
}

proptest! {
    #[test]
    fn nothing_is_longer_than_it_may_be(text in any::<String>(), times in 1_usize..200) {
        let written = written(&json!(text.repeat(times)));
        prop_assert!(written.chars().count() <= LONGEST + 1);
    }
}
