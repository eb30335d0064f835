//! Scopes per tool.

use super::*;

const NO_ONE: &[ScopeName] = &[];

fn name(text: &str) -> ScopeName {
    text.parse().unwrap()
}

fn scope(called: &str, includes: &[ScopeName]) -> ScopeRule {
    ScopeRule {
        name: name(called),
        title: called.to_uppercase(),
        includes: includes.to_vec(),
    }
}

fn only_with(scope: &str, rule: AllowRule) -> AllowRule {
    AllowRule {
        scope: Some(name(scope)),
        ..rule
    }
}

/// `read` for nobody in particular, `write` for developers, `admin`, which stands for `write`, for leads.
fn with_scopes(files: &[(&str, bool)]) -> ServerPolicy {
    let files: Vec<_> = files
        .iter()
        .map(|(text, shadow)| RuleFile {
            name: "x.cedar".to_owned(),
            text: (*text).to_owned(),
            shadow: *shadow,
        })
        .collect();
    let server: ServerName = "gitea".parse().unwrap();
    let rules = ServerRules {
        server: server.clone(),
        scopes: vec![
            scope("admin", &[name("write")]),
            scope("other", NO_ONE),
            scope("write", NO_ONE),
        ],
        allow: vec![
            group("developers", matching(&["list_*"])),
            only_with("write", group("developers", matching(&["create_*"]))),
            only_with("admin", group("leads", matching(&["delete_*"]))),
        ],
        shadow_allow: vec![],
    };
    let policies = Policies::load(&[rules], &files, &[]).unwrap();
    policies.of(&server)
}

fn with<'a>(caller: &'a Caller, scope: &'a str) -> Principal<'a> {
    let mut principal = caller.with("app");
    if let Some(client) = &mut principal.client {
        client.scope = scope;
    }
    principal
}

fn allowed(policy: &ServerPolicy, principal: Principal<'_>, act: Act<'_>) -> bool {
    let usual = Annotations::default();
    let outcome = policy.decide(principal, act, usual, &circumstances(None)).outcome;
    assert_eq!(policy.shows(principal, act, usual), outcome == Allowed, "CC-75");
    outcome == Allowed
}

fn lacking(policy: &ServerPolicy, principal: Principal<'_>, act: Act<'_>) -> Option<String> {
    let lacking = policy.lacking(principal, act, Annotations::default(), &circumstances(None));
    lacking.map(|names| names.join(" "))
}

#[test]
fn dec_12_a_rule_that_asks_for_a_scope_allows_with_it_alone() {
    let policy = with_scopes(&[]);
    let ana = Caller::new("ana", &["developers"]);
    let create = Act::CallTool("create_issue");
    assert!(allowed(&policy, with(&ana, "mcp"), Act::CallTool("list_issues")));
    assert!(!allowed(&policy, with(&ana, "mcp"), create));
    assert!(allowed(&policy, with(&ana, "mcp gitea:write"), create));
    for other in [
        "mcp write",
        "mcp sentry:write",
        "mcp gitea:writer",
        "mcp gitea:WRITE",
    ] {
        assert!(!allowed(&policy, with(&ana, other), create), "{other}");
    }
}

#[test]
fn ma_33_a_broad_scope_stands_for_the_narrow_ones() {
    let policy = with_scopes(&[]);
    let ana = Caller::new("ana", &["developers"]);
    assert!(allowed(
        &policy,
        with(&ana, "mcp gitea:admin"),
        Act::CallTool("create_issue")
    ));
    let text =
        r#"permit (principal, action, resource) when { principal.client.scopes.contains("gitea:write") };"#;
    let policy = with_scopes(&[(text, false)]);
    let stranger = Caller::new("eve", &[]);
    assert!(
        allowed(&policy, with(&stranger, "gitea:admin"), Act::CallTool("x")),
        "for files too"
    );
}

#[test]
fn ma_34_ma_35_a_scope_opens_nothing_that_the_rules_do_not() {
    let policy = with_scopes(&[]);
    let ana = Caller::new("ana", &["developers"]);
    let delete = Act::CallTool("delete_repo");
    assert!(!allowed(&policy, with(&ana, "mcp gitea:admin"), delete));
    assert_eq!(
        lacking(&policy, with(&ana, "mcp"), delete),
        None,
        "no scope would help"
    );
    assert_eq!(
        lacking(&policy, with(&ana, "mcp"), Act::CallTool("no_such_tool")),
        None
    );
    let lead = Caller::new("lea", &["leads"]);
    assert_eq!(
        lacking(&policy, with(&lead, "mcp"), delete).as_deref(),
        Some("gitea:admin")
    );
    assert_eq!(
        lacking(&policy, with(&lead, "mcp gitea:admin"), delete),
        None,
        "it is there"
    );
    let forbidding = [(
        r#"forbid (principal, action, resource is Tool) when { resource.name like "delete_*" };"#,
        false,
    )];
    let policy = with_scopes(&forbidding);
    assert_eq!(lacking(&policy, with(&lead, "mcp"), delete), None);
}

#[test]
fn cc_73_a_scope_is_for_those_whom_its_rules_are_about() {
    let policy = with_scopes(&[]);
    let names = |caller: &Caller| {
        let scopes = policy.scopes_for(caller.with("app"));
        scopes.map(|scope| scope.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&Caller::new("ana", &["developers"])), ["gitea:write"]);
    assert_eq!(names(&Caller::new("lea", &["leads"])), ["gitea:admin"]);
    assert_eq!(&*policy.scope("gitea:write").unwrap().title, "WRITE");
    // A file may ask it of anybody.
    let text = r#"forbid (principal, action, resource == Tool::"gitea/list_all")
        unless { principal.client.scopes.contains("gitea:admin") };"#;
    let policy = with_scopes(&[(text, false)]);
    let ana = Caller::new("ana", &["developers"]);
    let needed = lacking(&policy, with(&ana, "mcp"), Act::CallTool("list_all"));
    assert_eq!(needed.as_deref(), Some("gitea:admin"));
}

#[test]
fn ma_31_the_narrowest_scope_that_is_enough_or_all_that_are_needed() {
    let policy = with_scopes(&[]);
    let both = Caller::new("bo", &["developers", "leads"]);
    let create = Act::CallTool("create_issue");
    assert_eq!(
        lacking(&policy, with(&both, "mcp"), create).as_deref(),
        Some("gitea:write")
    );
    let together = r#"permit (principal, action == Action::"tools/call", resource)
        when { principal.client.scopes.contains("gitea:write") && principal.client.scopes.contains("gitea:other") };"#;
    let policy = with_scopes(&[(together, false)]);
    let needed = lacking(&policy, with(&both, "mcp"), Act::CallTool("merge"));
    assert_eq!(
        needed.as_deref(),
        Some("gitea:other gitea:write"),
        "and not the broad one"
    );
    let needed = lacking(&policy, with(&both, "mcp gitea:write"), Act::CallTool("merge"));
    assert_eq!(needed.as_deref(), Some("gitea:other"));
}

#[test]
fn what_is_wrong_with_scopes_is_told_with_its_place() {
    let server: ServerName = "gitea".parse().unwrap();
    let rules = ServerRules {
        server,
        scopes: vec![scope("admin", &[name("wriet")]), scope("loop", &[name("loop")])],
        allow: vec![only_with("raed", group("developers", Tools::All))],
        shadow_allow: vec![],
    };
    let errors = Policies::load(&[rules], &[], &[]).unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "servers.gitea.scopes.admin.includes: there is no scope called wriet",
            "gitea.allow[0].scope: there is no scope called raed under servers.gitea.scopes"
        ]
    );
    for bad in ["", "Write", "a b", "a:b", "-a", "a\"b", &"a".repeat(33)] {
        assert!(bad.parse::<ScopeName>().is_err(), "{bad:?}");
    }
}
