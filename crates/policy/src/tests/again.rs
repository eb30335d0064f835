//! What follows from an earlier call, whose arguments nobody has any more.

use std::sync::Arc;

use super::*;

fn again(policy: &ServerPolicy, act: Act<'_>, rule: Option<&str>) -> Outcome {
    let ana = Caller::new("ana", &["developers"]);
    let usual = Annotations::default();
    policy
        .decide_again(ana.with("app"), act, usual, &circumstances(None), rule)
        .outcome
}

fn about_owner(owner: &str) -> AllowRule {
    let mut rule = group("developers", matching(&["*"]));
    rule.when.arguments = [("owner".to_owned(), ArgumentTest::OneOf(vec![owner.to_owned()]))].into();
    rule
}

const CALL: Act<'_> = Act::CallTool("x");

/// The rule that lets a call about this owner through.
fn admitting(policy: &ServerPolicy, owner: &str) -> Option<Arc<str>> {
    let (ana, arguments) = (
        Caller::new("ana", &["developers"]),
        format!(r#"{{"owner":"{owner}"}}"#),
    );
    let about = circumstances(Some(&arguments));
    policy
        .decide(ana.with("app"), CALL, Annotations::default(), &about)
        .rule
}

#[test]
fn conditions_on_arguments_were_met_for_the_rule_that_admitted_and_all_others_are_asked_again() {
    let with = |networks: &[&str]| {
        let mut rule = about_owner("acme");
        rule.when.networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        rule
    };
    let plain = house(&[about_owner("acme")], &[]).unwrap();
    let rule = admitting(&plain, "acme");
    assert!(rule.is_some());
    for (networks, outcome) in [
        (&[][..], Allowed),
        (&["10.0.0.0/8"], Allowed),
        (&["192.0.2.0/24"], Refused),
    ] {
        let policy = house(&[with(networks)], &[]).unwrap();
        assert_eq!(again(&policy, CALL, rule.as_deref()), outcome);
        for other in [None, Some("another rule"), Some("")] {
            assert_eq!(again(&policy, CALL, other), Refused, "it did not find them good");
        }
    }
    assert_eq!(again(&house(&[], &[]).unwrap(), CALL, rule.as_deref()), Hidden);
    // Of two the one that admitted counts, and once it is gone, the other does not take its place.
    let two = house(&[about_owner("acme"), about_owner("evil")], &[]).unwrap();
    let second = admitting(&two, "evil");
    assert_ne!(rule, second);
    assert_eq!(again(&two, CALL, second.as_deref()), Allowed);
    assert_eq!(again(&plain, CALL, second.as_deref()), Refused);
}

#[test]
fn a_rule_that_forbids_by_arguments_may_have_come_later() {
    let open = group("developers", matching(&["*"]));
    for (file, outcome) in [
        (
            r#"@reads("owner: String") forbid (principal, action, resource == Tool::"gitea/x") when { context.arguments.owner == "evil" };"#,
            Refused,
        ),
        (
            r#"@reads("owner: String") forbid (principal, action, resource == Tool::"gitea/x") when { context.arguments.owner == "evil" && context.authenticated_ago > 1000000 };"#,
            Allowed,
        ),
        (
            r#"@reads("owner: String") forbid (principal, action, resource == Tool::"gitea/x") when { context.arguments.owner == "evil" || context.authenticated_ago > 60 };"#,
            Refused,
        ),
        (
            r#"forbid (principal, action, resource == Tool::"gitea/x") when { context.authenticated_ago > 60 };"#,
            Refused,
        ),
        (
            r#"forbid (principal, action, resource == Tool::"gitea/x");"#,
            Hidden,
        ),
    ] {
        let policy = house(std::slice::from_ref(&open), &[(file, false)]).unwrap();
        assert_eq!(again(&policy, CALL, None), outcome, "{file}");
    }
}
