//! What follows from an earlier call, whose arguments nobody has any more.

use super::*;

fn again(policy: &ServerPolicy, act: Act<'_>) -> Outcome {
    let ana = Caller::new("ana", &["developers"]);
    let usual = Annotations::default();
    policy
        .decide_again(ana.with("app"), act, usual, &circumstances(None))
        .outcome
}

#[test]
fn conditions_on_arguments_were_met_and_all_others_are_asked_again() {
    let mut rule = group("developers", matching(&["*"]));
    rule.when.arguments = [("owner".to_owned(), ArgumentTest::OneOf(vec!["acme".to_owned()]))].into();
    let with = |networks: &[&str]| {
        let mut rule = rule.clone();
        rule.when.networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        rule
    };
    let call = Act::CallTool("x");
    for (networks, outcome) in [
        (&[][..], Allowed),
        (&["10.0.0.0/8"], Allowed),
        (&["192.0.2.0/24"], Refused),
    ] {
        assert_eq!(again(&house(&[with(networks)], &[]).unwrap(), call), outcome);
    }
    assert_eq!(again(&house(&[], &[]).unwrap(), call), Hidden);
    let open = group("developers", matching(&["*"]));
    for (file, outcome) in [
        (
            r#"@reads("owner: String") forbid (principal, action, resource == Tool::"gitea/x") when { context.arguments.owner == "evil" };"#,
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
        assert_eq!(again(&policy, call), outcome, "{file}");
    }
}
