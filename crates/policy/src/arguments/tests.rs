use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

#[test]
fn names_that_differ_only_in_case_are_the_same() {
    for (one, other) in [
        ("owner", "OWNER"),
        ("\u{212a}ey", "key"),
        ("clas\u{17f}", "class"),
        ("stra\u{df}e", "STRA\u{1e9e}E"),
        ("\u{c4}", "\u{e4}"),
    ] {
        assert!(is_same_but_for_case(one, other) && is_same_but_for_case(other, one));
    }
    for (one, other) in [("owner", "owners"), ("owner", "\u{f6}wner"), ("", "a")] {
        assert!(!is_same_but_for_case(one, other));
    }
}

#[test]
fn an_object_of_many_members_is_unclear_to_who_does_not_look_at_them_all() {
    let mut text = "{\"owner\":\"acme\"".to_owned();
    for number in 1..=1000 {
        write!(text, ",\"{number}\":0").unwrap();
    }
    let arguments = Arguments::read(Some(&format!("{text}}}")));
    assert_eq!(arguments.find_among("owner", 1000), Found::Unclear);
    let there = Value::from("acme");
    assert_eq!(arguments.find_among("owner", 1001), Found::Value(&there));
    assert_eq!(arguments.find("owner"), Found::Value(&there));
}

proptest! {
    /// The short way says what the long one says.
    #[test]
    fn ascii_is_no_other_case(one in "[ -~]{0,4}", other in "[ -~]{0,4}") {
        prop_assert_eq!(is_same_but_for_case(&one, &other), folded(&one).eq(folded(&other)));
    }
}
