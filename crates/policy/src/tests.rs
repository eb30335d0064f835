//! What rules mean, and that lists and calls agree.

mod again;
mod properties;
mod requests;
mod scopes;

use std::time::Duration;

use model::{GroupName, ServerName, Timestamp, Username};

use super::*;

/// A house of one server with its rules and files.
pub(super) fn house(allow: &[AllowRule], files: &[(&str, bool)]) -> Result<ServerPolicy, Vec<PolicyError>> {
    tried(allow, &[], files)
}

pub(super) fn tried(
    allow: &[AllowRule],
    shadow_allow: &[AllowRule],
    files: &[(&str, bool)],
) -> Result<ServerPolicy, Vec<PolicyError>> {
    let server: ServerName = "gitea".parse().unwrap();
    let files: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(number, (text, shadow))| RuleFile {
            name: format!("{number}.cedar"),
            text: (*text).to_owned(),
            shadow: *shadow,
        })
        .collect();
    let servers = [ServerRules {
        server: server.clone(),
        scopes: vec![read()],
        allow: allow.to_vec(),
        shadow_allow: shadow_allow.to_vec(),
    }];
    Policies::load(&servers, &files, &[]).map(|policies| policies.of(&server))
}

/// The scope that the server has.
pub(super) fn read() -> ScopeRule {
    ScopeRule {
        name: "read".parse().unwrap(),
        title: "Read everything".to_owned(),
        includes: vec![],
    }
}

pub(super) struct Caller {
    username: Username,
    groups: Vec<GroupName>,
}

impl Caller {
    pub(super) fn new(username: &str, groups: &[&str]) -> Self {
        Self {
            username: username.parse().unwrap(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        }
    }

    pub(super) fn with<'a>(&'a self, client: &'a str) -> Principal<'a> {
        Principal {
            username: &self.username,
            groups: &self.groups,
            client: Some(Client {
                id: client,
                host: "claude.ai",
                scope: "openid mcp",
            }),
        }
    }
}

/// Wednesday, 2026-11-25 10:00 in Taipei.
pub(super) fn circumstances(arguments: Option<&str>) -> Circumstances<'_> {
    Circumstances {
        address: "10.1.2.3".parse().unwrap(),
        now: Timestamp::from_seconds(1_795_572_000),
        authenticated_ago: Duration::from_mins(10),
        assurance: model::Assurance::TwoFactors,
        arguments,
    }
}

pub(super) fn group(name: &str, tools: Tools) -> AllowRule {
    AllowRule {
        groups: vec![name.parse().unwrap()],
        tools,
        ..AllowRule::default()
    }
}

fn matching(patterns: &[&str]) -> Tools {
    Tools::Matching(patterns.iter().map(|&pattern| pattern.to_owned()).collect())
}

fn ask(policy: &ServerPolicy, caller: &Caller, act: Act<'_>, arguments: Option<&str>) -> Decision {
    let (principal, usual) = (caller.with("app"), Annotations::default());
    let decision = policy.decide(principal, act, usual, &circumstances(arguments));
    assert_eq!(
        policy.shows(principal, act, usual),
        decision.outcome != Outcome::Hidden,
        "lists and calls agree: {act:?} {decision:?}"
    );
    decision
}

fn outcome(policy: &ServerPolicy, caller: &Caller, act: Act<'_>) -> Outcome {
    ask(policy, caller, act, None).outcome
}

use Outcome::{Allowed, Hidden, Refused};

#[test]
fn nobody_is_allowed_by_silence() {
    let ana = Caller::new("ana", &["developers"]);
    for rules in [
        vec![],
        vec![AllowRule {
            tools: Tools::All,
            ..AllowRule::default()
        }],
    ] {
        let policy = house(&rules, &[]).unwrap();
        for act in [
            Act::Connect,
            Act::CallTool("x"),
            Act::GetPrompt("x"),
            Act::ReadResource("x"),
            Act::Other("x"),
        ] {
            assert_eq!(outcome(&policy, &ana, act), Hidden, "{act:?}");
        }
    }
}

#[test]
fn a_person_or_a_group_is_allowed_by_name() {
    let by_name = AllowRule {
        people: vec!["ben".parse().unwrap()],
        tools: Tools::All,
        ..AllowRule::default()
    };
    let policy = house(&[group("developers", Tools::All), by_name], &[]).unwrap();
    let rule = |caller: &Caller| ask(&policy, caller, Act::Connect, None).rule;
    assert_eq!(
        rule(&Caller::new("ana", &["developers"])).as_deref(),
        Some("gitea.allow[0]")
    );
    assert_eq!(rule(&Caller::new("ben", &[])).as_deref(), Some("gitea.allow[1]"));
    assert_eq!(
        rule(&Caller::new("ana", &["Developers"])),
        None,
        "names are exact"
    );
}

#[test]
fn tp_106_tp_107_patterns_cover_tools_by_exact_name_and_nothing_else() {
    let policy = house(
        &[group(
            "developers",
            matching(&["get_*", "list_repos", "say \"hi\\\""]),
        )],
        &[],
    )
    .unwrap();
    let ana = Caller::new("ana", &["developers"]);
    for (name, expected) in [
        ("get_repo", Allowed),
        ("get_", Allowed),
        ("list_repos", Allowed),
        ("say \"hi\\\"", Allowed),
        ("list_repos2", Hidden),
        ("Get_repo", Hidden),
        (" get_repo", Hidden),
        ("delete_repo", Hidden),
        ("ge\u{74}\u{301}_repo", Hidden),
    ] {
        assert_eq!(outcome(&policy, &ana, Act::CallTool(name)), expected, "{name}");
    }
    for act in [
        Act::GetPrompt("get_x"),
        Act::ReadResource("get_x"),
        Act::Other("tools/callMany"),
    ] {
        assert_eq!(outcome(&policy, &ana, act), Hidden, "{act:?}");
    }
    assert_eq!(outcome(&policy, &ana, Act::Connect), Allowed);
    assert_eq!(
        outcome(&policy, &Caller::new("ben", &[]), Act::CallTool("get_repo")),
        Hidden
    );
}

#[test]
fn tp_118_read_only_believes_annotations_that_somebody_vouches_for() {
    let policy = house(&[group("developers", Tools::ReadOnly)], &[]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    let asked = |annotations| {
        policy
            .decide(
                ana.with("app"),
                Act::CallTool("x"),
                annotations,
                &circumstances(None),
            )
            .outcome
    };
    assert_eq!(asked(Annotations::default()), Hidden);
    assert_eq!(
        asked(Annotations {
            read_only: true,
            ..Annotations::default()
        }),
        Allowed
    );
}

#[test]
fn conditions_refuse_now_and_do_not_hide() {
    let mut rule = group("developers", matching(&["*"]));
    rule.when = Conditions {
        arguments: [
            ("owner".to_owned(), ArgumentTest::OneOf(vec!["acme".to_owned()])),
            ("page.size".to_owned(), ArgumentTest::Between(Some(1), Some(100))),
            ("dry".to_owned(), ArgumentTest::Is(true)),
        ]
        .into(),
        ..Conditions::default()
    };
    rule.advice = Some("Only repositories of acme.".to_owned());
    let policy = house(&[rule], &[]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    let good = r#"{"owner":"acme","page":{"size":100},"dry":true}"#;
    assert_eq!(
        ask(&policy, &ana, Act::CallTool("x"), Some(good)).outcome,
        Allowed
    );
    for bad in [
        None,
        Some("{}"),
        Some(r#"{"owner":"acme","page":{"size":101},"dry":true}"#),
        Some(r#"{"owner":"acme","page":{"size":1.5},"dry":true}"#),
        Some(r#"{"owner":"acme","page":{"size":99999999999999999999},"dry":true}"#),
        Some(r#"{"owner":"acme","page":{"size":"1"},"dry":true}"#),
        Some(r#"{"owner":["acme"],"page":{"size":1},"dry":true}"#),
        Some(r#"{"owner":"acme","page":1,"dry":true}"#),
        Some(r#"{"owner":"acme","page":{"size":1},"dry":false}"#),
        Some(r#"{"owner":"acme","page.size":1,"dry":true}"#),
        Some("[]"),
        Some(r#"{"owner":"acme","Owner":"evil","page":{"size":1},"dry":true}"#),
        Some(r#"{"owner":"acme","page":{"size":1,"\u017fize":5},"dry":true}"#),
    ] {
        let decision = ask(&policy, &ana, Act::CallTool("x"), bad);
        assert_eq!(
            (decision.outcome, decision.advice.as_deref()),
            (Refused, Some("Only repositories of acme.")),
            "{bad:?}"
        );
    }
}

#[test]
fn networks_hours_and_the_age_of_a_sign_in() {
    let conditions = [
        (
            Conditions {
                networks: vec!["10.0.0.0/8".parse().unwrap()],
                ..Conditions::default()
            },
            Allowed,
        ),
        (
            Conditions {
                networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
                ..Conditions::default()
            },
            Refused,
        ),
        (
            Conditions {
                authenticated_within: Some(Duration::from_mins(15)),
                ..Conditions::default()
            },
            Allowed,
        ),
        (
            Conditions {
                authenticated_within: Some(Duration::from_mins(5)),
                ..Conditions::default()
            },
            Refused,
        ),
    ];
    let hours = |days: &[i8], from: u16, until: u16| Conditions {
        hours: Some(Hours {
            zone: "Asia/Taipei".to_owned(),
            days: days.to_vec(),
            from,
            until,
        }),
        ..Conditions::default()
    };
    // It is 10:00 on a Wednesday there, and 02:00 in Greenwich.
    let clocks = [
        (hours(&[], 540, 1080), Allowed),
        (hours(&[1, 2, 3, 4, 5], 600, 601), Allowed),
        (hours(&[6, 7], 540, 1080), Refused),
        (hours(&[], 540, 600), Refused),
        (hours(&[], 1320, 360), Refused),
        (hours(&[], 1320, 601), Allowed),
    ];
    let ana = Caller::new("ana", &["developers"]);
    for (when, expected) in conditions.into_iter().chain(clocks) {
        let mut rule = group("developers", Tools::All);
        rule.when = when.clone();
        rule.prompts = vec!["*".to_owned()];
        let policy = house(&[rule], &[]).unwrap();
        for act in [
            Act::CallTool("x"),
            Act::GetPrompt("x"),
            Act::CompletePrompt("x"),
            Act::Other("x"),
        ] {
            assert_eq!(outcome(&policy, &ana, act), expected, "{act:?} {when:?}");
        }
        assert_eq!(outcome(&policy, &ana, Act::Connect), Allowed);
    }
}

#[test]
fn a_rule_may_name_programs() {
    let mut rule = group("developers", Tools::All);
    rule.clients = vec!["claude.ai".to_owned(), "ci".to_owned()];
    let policy = house(&[rule], &[]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    let decide = |principal: Principal<'_>| {
        policy
            .decide(
                principal,
                Act::CallTool("x"),
                Annotations::default(),
                &circumstances(None),
            )
            .outcome
    };
    let mut principal = ana.with("ci");
    assert_eq!(decide(principal), Allowed, "by host");
    if let Some(client) = &mut principal.client {
        client.host = "";
    }
    assert_eq!(decide(principal), Allowed, "by id");
    if let Some(client) = &mut principal.client {
        client.id = "other";
    }
    assert_eq!(decide(principal), Hidden);
    principal.client = None;
    assert!(
        policy.shows(principal, Act::Connect, Annotations::default()),
        "it may be with one of them"
    );
}

#[test]
fn cedar_files_forbid_whatever_a_rule_allows() {
    let file = r#"
        @id("no-deletion") @advice("Deleting is done by hand.")
        forbid (principal, action == Action::"tools/call", resource in Server::"gitea")
        when { resource.name like "delete_*" } unless { principal in Group::"admins" };

        @reads("force?: Bool")
        forbid (principal in Group::"interns", action == Action::"tools/call", resource)
        when { context.arguments has force && context.arguments.force };
    "#;
    let policy = house(&[group("developers", Tools::All)], &[(file, false)]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    let decision = ask(&policy, &ana, Act::CallTool("delete_repo"), None);
    assert_eq!(
        (decision.outcome, decision.rule.as_deref()),
        (Hidden, Some("no-deletion"))
    );
    let both = Caller::new("bea", &["developers", "admins"]);
    assert_eq!(outcome(&policy, &both, Act::CallTool("delete_repo")), Allowed);
    let intern = Caller::new("ian", &["developers", "interns"]);
    for (arguments, expected) in [
        (None, Allowed),
        (Some(r#"{"force":false}"#), Allowed),
        (Some(r#"{"force":true}"#), Refused),
        // Not what it was declared to be: nobody knows what the upstream makes of it.
        (Some(r#"{"force":"yes"}"#), Refused),
        (Some(r#"{"force":1}"#), Refused),
        (Some(r#"{"force":null}"#), Refused),
        (Some(r#"{"force":false,"Force":true}"#), Refused),
        (Some(r#"{"force":false,"FOR\u0063E":true}"#), Refused),
    ] {
        let decision = ask(&policy, &intern, Act::CallTool("push"), arguments);
        assert_eq!(decision.outcome, expected, "{arguments:?}");
        let rule = if expected == Refused {
            "0.cedar#2"
        } else {
            "gitea.allow[0]"
        };
        assert_eq!(decision.rule.as_deref(), Some(rule));
        assert_eq!(
            ask(&policy, &ana, Act::CallTool("push"), arguments).outcome,
            Allowed
        );
    }
}

#[test]
fn a_cedar_file_alone_can_allow() {
    let file = r#"
        permit (principal, action in Action::"read", resource in Server::"gitea");
        permit (principal == Person::"ana", action == Action::"connect", resource == Server::"gitea");
        permit (principal, action == Action::"tools/call", resource == Tool::"gitea/whoami");
    "#;
    let policy = house(&[], &[(file, false)]).unwrap();
    let (ana, ben) = (Caller::new("ana", &[]), Caller::new("ben", &[]));
    assert_eq!(
        (
            outcome(&policy, &ana, Act::Connect),
            outcome(&policy, &ben, Act::Connect)
        ),
        (Allowed, Hidden)
    );
    assert_eq!(outcome(&policy, &ben, Act::CallTool("whoami")), Allowed);
    assert_eq!(outcome(&policy, &ben, Act::CallTool("whoami2")), Hidden);
    assert_eq!(outcome(&policy, &ben, Act::ReadResource("file:///x")), Allowed);
    assert_eq!(outcome(&policy, &ben, Act::Other("x")), Hidden);
}

#[test]
fn what_is_only_tried_is_told_and_allowed() {
    let file = (
        r#"@id("try") forbid (principal, action == Action::"tools/call", resource) when { resource.name == "b" };"#,
        true,
    );
    let proposed = group("developers", matching(&["a", "b"]));
    let policy = tried(&[group("developers", Tools::All)], &[proposed], &[file]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    for (name, shadow) in [
        ("a", None),
        (
            "b",
            Some(Shadow {
                rule: Some("try".into()),
            }),
        ),
        ("c", Some(Shadow { rule: None })),
    ] {
        let decision = ask(&policy, &ana, Act::CallTool(name), None);
        assert_eq!((decision.outcome, decision.shadow), (Allowed, shadow), "{name}");
    }
}

#[test]
fn errors_have_line_and_column() {
    let problems = |text: &str| {
        let errors = house(&[], &[(text, false)]).unwrap_err();
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        problems("permit (principal, action, resource);\n\nforbid (principal").starts_with("0.cedar:3:18: ")
    );
    let unknown = problems("\n permit (principal, action == Action::\"tools/cal\", resource);");
    assert!(
        unknown.starts_with("0.cedar:2:") && unknown.contains("tools/cal"),
        "{unknown}"
    );
    let undeclared = problems(
        "permit (principal, action == Action::\"tools/call\", resource) when { context.arguments.owner == \"x\" };",
    );
    assert!(undeclared.contains("owner"), "{undeclared}");
    let mistyped = problems(
        "@reads(\"owner: Long\") permit (principal, action == Action::\"tools/call\", resource) when { context.arguments.owner like \"x\" };",
    );
    assert!(mistyped.starts_with("0.cedar:1:"), "{mistyped}");
    assert!(problems("permit (principal == ?principal, action, resource);").contains("slot"));
    assert!(problems("@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);").contains("twice"));
    assert!(problems("@reads(\"x\") permit (principal, action, resource);").contains("@reads"));
    let mut rule = group("developers", Tools::All);
    rule.when.hours = Some(Hours {
        zone: "Taipeh".to_owned(),
        days: vec![],
        from: 0,
        until: 1,
    });
    assert!(
        house(&[rule], &[]).unwrap_err()[0]
            .to_string()
            .contains("Asia/Taipei")
    );
}

#[test]
fn a_change_of_rules_has_another_revision() {
    let revision = |tools| {
        house(&[group("developers", tools)], &[])
            .unwrap()
            .revision()
            .to_owned()
    };
    assert_eq!(revision(Tools::All), revision(Tools::All));
    assert_ne!(revision(Tools::All), revision(Tools::ReadOnly));
}

/// One rule that cannot be judged says nothing about the others.
#[test]
fn an_argument_that_is_missing_refuses_only_where_it_is_read() {
    let mut by_owner = group("developers", matching(&["x"]));
    by_owner.when.arguments = [("owner".to_owned(), ArgumentTest::OneOf(vec!["acme".to_owned()]))].into();
    let mut by_network = group("developers", matching(&["x"]));
    by_network.when.networks = vec!["10.0.0.0/8".parse().unwrap()];
    let file = r#"
        @id("late") forbid (principal, action == Action::"tools/call", resource) when { context.authenticated_ago > 3600 };
        @id("nested") @reads("opts.force?: Bool")
        forbid (principal in Group::"interns", action == Action::"tools/call", resource)
        when { context.arguments has "opts.force" && context.arguments["opts.force"] };
    "#;
    let policy = house(&[by_owner, by_network], &[(file, false)]).unwrap();
    let ana = Caller::new("ana", &["developers"]);
    let decision = ask(&policy, &ana, Act::CallTool("x"), None);
    assert_eq!(
        (decision.outcome, decision.rule.as_deref()),
        (Allowed, Some("gitea.allow[1]"))
    );
    let intern = Caller::new("ian", &["developers", "interns"]);
    for (arguments, expected) in [
        (r"{}", Allowed),
        (r#"{"opts":{"force":false}}"#, Allowed),
        (r#"{"opts":{"force":true}}"#, Refused),
        // A text that some servers read an object out of.
        (r#"{"opts":"{\"force\":true}"}"#, Refused),
        (r#"{"opts":[{"force":true}]}"#, Refused),
        (r#"{"Opts":{"force":true}}"#, Refused),
    ] {
        assert_eq!(
            ask(&policy, &intern, Act::CallTool("x"), Some(arguments)).outcome,
            expected,
            "{arguments}"
        );
        assert_eq!(
            ask(&policy, &ana, Act::CallTool("x"), Some(arguments)).outcome,
            Allowed
        );
    }
}
