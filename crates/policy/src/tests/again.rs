//! What follows from an earlier call: decided with what was kept of its arguments.

use super::*;

const CALL: Act<'_> = Act::CallTool("x");

/// What is decided now about a call that was made, with these arguments, while `then` counted.
fn again(then: &ServerPolicy, now: &ServerPolicy, arguments: &str) -> Outcome {
    let (ana, usual) = (Caller::new("ana", &["developers"]), Annotations::default());
    let kept = then.keep(CALL, usual, Some(arguments));
    let recalled = now.recall(CALL, usual, kept.as_deref());
    let about = circumstances(recalled.as_deref());
    now.decide(ana.with("app"), CALL, usual, &about).outcome
}

fn about(path: &str, value: &str, networks: &[&str]) -> AllowRule {
    let mut rule = group("developers", matching(&["*"]));
    rule.when.arguments = [(path.to_owned(), ArgumentTest::OneOf(vec![value.to_owned()]))].into();
    rule.when.networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    rule
}

fn forbidding(what: &str) -> String {
    format!(
        r#"@reads("owner: String, n?: Long") forbid (principal, action, resource == Tool::"gitea/x") when {{ {what} }};"#
    )
}

#[test]
fn arguments_are_what_they_were_and_circumstances_are_those_of_now() {
    let (here, elsewhere) = (&["10.0.0.0/8"][..], &["192.0.2.0/24"][..]);
    for (networks, owner, outcome) in [
        (&[][..], "acme", Allowed),
        (here, "acme", Allowed),
        (elsewhere, "acme", Refused),
        (&[][..], "evil", Refused),
    ] {
        let policy = house(&[about("owner", "acme", networks)], &[]).unwrap();
        let arguments = format!(r#"{{"owner":"{owner}","secret":"s"}}"#);
        assert_eq!(again(&policy, &policy, &arguments), outcome);
    }
    // Admitted by the one of two rules whose network it is not any more.
    let two = |networks| {
        house(
            &[about("owner", "acme", networks), about("owner", "dev", &[])],
            &[],
        )
        .unwrap()
    };
    assert_eq!(again(&two(here), &two(here), r#"{"owner":"acme"}"#), Allowed);
    assert_eq!(again(&two(here), &two(elsewhere), r#"{"owner":"acme"}"#), Refused);
}

#[test]
fn a_rule_that_forbids_by_arguments_forbids_those_alone() {
    let open = [group("developers", matching(&["*"]))];
    let with = |text: &str| house(&open, &[(&forbidding(text), false)]).unwrap();
    let evil = with(r#"context.arguments.owner == "evil""#);
    assert_eq!(again(&evil, &evil, r#"{"owner":"acme"}"#), Allowed);
    assert_eq!(again(&evil, &evil, r#"{"owner":"evil"}"#), Refused);
    let many = with("context.arguments has n && context.arguments.n > 5");
    for (arguments, outcome) in [
        (r#"{"owner":"a"}"#, Allowed),
        (r#"{"owner":"a","n":6}"#, Refused),
        (r#"{"owner":"a","n":6.5}"#, Refused),
        (r#"{"owner":"a","N":1}"#, Refused),
        ("{}", Refused),
    ] {
        assert_eq!(again(&many, &many, arguments), outcome, "{arguments}");
    }
}

#[test]
fn a_rule_that_came_later_reads_nothing_that_was_not_kept() {
    let open = house(&[group("developers", matching(&["*"]))], &[]).unwrap();
    let by_owner = house(&[about("owner", "acme", &[])], &[]).unwrap();
    let by_branch = house(&[about("branch", "main", &[])], &[]).unwrap();
    let text = forbidding("context.arguments has n && context.arguments.n > 5");
    let forbids = house(&[group("developers", matching(&["*"]))], &[(&text, false)]).unwrap();
    let call = r#"{"owner":"acme","branch":"main"}"#;
    assert_eq!(again(&open, &open, call), Allowed);
    assert_eq!(again(&open, &by_owner, call), Refused);
    assert_eq!(again(&by_owner, &by_branch, call), Refused);
    assert_eq!(again(&by_owner, &open, call), Allowed);
    assert_eq!(
        again(&by_owner, &forbids, call),
        Refused,
        "what may be absent too"
    );
    let long = format!(r#"{{"owner":"acme","branch":"{}"}}"#, "m".repeat(5000));
    assert_eq!(again(&by_branch, &open, &long), Allowed);
    assert_eq!(again(&by_branch, &by_branch, &long), Refused);
}

#[test]
fn nothing_is_kept_but_what_is_read() {
    let rules = [
        about("filter.state", "open", &[]),
        about("filter", "x", &[]),
        about("owner", "acme", &[]),
    ];
    let policy = house(&rules, &[]).unwrap();
    let kept = |arguments: &str| {
        let kept = policy
            .keep(CALL, Annotations::default(), Some(arguments))
            .unwrap();
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
        kept["arguments"].to_string()
    };
    for (arguments, left) in [
        (
            r#"{"owner":"acme","password":"p","filter":{"state":"open","q":"s"}}"#,
            r#"{"owner":"acme","filter":{"state":"open"}}"#,
        ),
        (r#"{"OWNER":"p","filter":"x"}"#, r#"{"OWNER":null,"filter":"x"}"#),
        (r#"{"filter":null}"#, r#"{"filter":null}"#),
        (r#""p""#, "false"),
        ("null", "null"),
    ] {
        assert_eq!(kept(arguments), left, "{arguments}");
    }
    let plain = house(&[group("developers", matching(&["*"]))], &[]).unwrap();
    assert_eq!(plain.keep(CALL, Annotations::default(), Some("{}")), None);
}
