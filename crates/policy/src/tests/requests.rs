//! Rules about requests to a plain HTTP API.

use super::*;

fn requests(patterns: &[&str]) -> AllowRule {
    AllowRule {
        groups: vec!["devs".parse().unwrap()],
        requests: Some(Requests::Matching(
            patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        )),
        ..AllowRule::default()
    }
}

fn outcome(policy: &ServerPolicy, who: &Caller, request: &str) -> Outcome {
    ask(policy, who, Act::Request(request), None).outcome
}

#[test]
fn a_request_is_allowed_by_its_method_and_path_and_nothing_else() {
    let policy = house(&[requests(&["GET /repos/**", "POST /repos/*/issues"])], &[]).unwrap();
    let (ana, bob) = (Caller::new("ana", &["devs"]), Caller::new("bob", &["others"]));
    for (request, expected) in [
        ("GET /repos/a/b", Outcome::Allowed),
        ("HEAD /repos/a/b", Outcome::Allowed),
        ("POST /repos/a/issues", Outcome::Allowed),
        ("POST /repos/a/b/issues", Outcome::Hidden),
        ("DELETE /repos/a", Outcome::Hidden),
        ("GET /admin", Outcome::Hidden),
    ] {
        assert_eq!(outcome(&policy, &ana, request), expected, "{request}");
        assert_eq!(outcome(&policy, &bob, request), Outcome::Hidden, "{request}");
    }
    assert_eq!(ask(&policy, &ana, Act::Connect, None).outcome, Outcome::Allowed);
    assert_eq!(
        ask(&policy, &ana, Act::CallTool("GET /repos/a"), None).outcome,
        Outcome::Hidden,
        "a rule of an API says nothing of tools"
    );
    let tools = house(&[group("devs", Tools::All)], &[]).unwrap();
    assert_eq!(
        outcome(&tools, &ana, "GET /repos/a"),
        Outcome::Hidden,
        "and one of tools nothing of an API"
    );
}

#[test]
fn reading_and_everything_are_words_of_their_own() {
    let rule = |requests| AllowRule {
        groups: vec!["devs".parse().unwrap()],
        requests: Some(requests),
        ..AllowRule::default()
    };
    let ana = Caller::new("ana", &["devs"]);
    let reads = house(&[rule(Requests::ReadOnly)], &[]).unwrap();
    assert_eq!(outcome(&reads, &ana, "GET /x"), Outcome::Allowed);
    assert_eq!(outcome(&reads, &ana, "HEAD /x"), Outcome::Allowed);
    for other in ["POST /x", "OPTIONS /x", "PROPFIND /x"] {
        assert_eq!(outcome(&reads, &ana, other), Outcome::Hidden, "{other}");
    }
    let all = house(&[rule(Requests::All)], &[]).unwrap();
    assert_eq!(outcome(&all, &ana, "PROPFIND /x"), Outcome::Allowed);
}

#[test]
fn a_file_forbids_by_method_and_path() {
    let forbid = r#"
        @id("no-force")
        @advice("Repositories are deleted by the administrators.")
        forbid (principal, action == Action::"request", resource)
        when { resource.method == "DELETE" && resource.path like "/repos/*" };
    "#;
    let all = AllowRule {
        requests: Some(Requests::All),
        ..requests(&[])
    };
    let policy = house(&[all], &[(forbid, false)]).unwrap();
    let ana = Caller::new("ana", &["devs"]);
    assert_eq!(outcome(&policy, &ana, "DELETE /repos/a/b"), Outcome::Hidden);
    assert_eq!(outcome(&policy, &ana, "DELETE /labels/1"), Outcome::Allowed);
}

#[test]
fn circumstances_and_scopes_count_for_requests_too() {
    let rule = AllowRule {
        when: Conditions {
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            ..Conditions::default()
        },
        advice: Some("Only from the office.".to_owned()),
        ..requests(&["* /**"])
    };
    let policy = house(&[rule], &[]).unwrap();
    let decision = ask(
        &policy,
        &Caller::new("ana", &["devs"]),
        Act::Request("GET /x"),
        None,
    );
    assert_eq!(decision.outcome, Outcome::Refused);
    assert_eq!(decision.advice.as_deref(), Some("Only from the office."));
}

/// Paths are as many as there are things: what the rules cannot tell apart is judged once.
#[test]
fn requests_that_are_alike_are_judged_once() {
    let cut = |policy: &ServerPolicy| policy.cut.load(std::sync::atomic::Ordering::Relaxed);
    let ana = Caller::new("ana", &["devs"]);
    let rules = [requests(&["GET /repos/**", "* /repos/*/issues"])];
    let policy = house(&rules, &[]).unwrap();
    for number in 0..100 {
        for (request, expected) in [
            (format!("GET /repos/{number}"), Outcome::Allowed),
            (format!("POST /repos/{number}/issues"), Outcome::Allowed),
            (format!("GET /repos/{number}/issues"), Outcome::Allowed),
            (format!("POST /repos/{number}"), Outcome::Hidden),
            (format!("GET /other/{number}"), Outcome::Hidden),
        ] {
            assert_eq!(outcome(&policy, &ana, &request), expected, "{request}");
        }
    }
    assert_eq!(cut(&policy), 5);
    // A file may look at the path itself.
    let forbid =
        r#"forbid (principal, action == Action::"request", resource) when { resource.path == "/repos/7" };"#;
    let policy = house(&rules, &[(forbid, false)]).unwrap();
    for number in 0..10 {
        let expected = if number == 7 {
            Outcome::Hidden
        } else {
            Outcome::Allowed
        };
        assert_eq!(outcome(&policy, &ana, &format!("GET /repos/{number}")), expected);
    }
}
