//! For rules, catalogues and callers of all kinds: lists and calls agree, and a slice decides as the whole does.

use cedar_policy::{Authorizer, Decision as Verdict, Request};
use proptest::prelude::*;

use super::*;
use crate::arguments::Arguments;
use crate::entities;
use crate::load;

const GROUPS: [&str; 3] = ["developers", "admins", "interns"];
const TOOLS: [&str; 5] = ["get_repo", "delete_repo", "get_", "x", "delete_*"];
const CLIENTS: [&str; 3] = ["ci", "claude.ai", "other"];
const FILES: [&str; 6] = [
    r#"forbid (principal in Group::"interns", action == Action::"tools/call", resource) when { resource.destructive };"#,
    r#"@reads("owner: String") forbid (principal, action == Action::"tools/call", resource == Tool::"gitea/x") when { context.arguments.owner != "acme" };"#,
    r#"permit (principal == Person::"ana", action in Action::"any", resource) when { context.authenticated_ago < 60 };"#,
    r#"forbid (principal, action, resource) when { principal.client.id == "other" && context.address.isInRange(ip("10.0.0.0/8")) };"#,
    r#"@reads("n?: Long") permit (principal, action == Action::"tools/call", resource) when { context.arguments has n && context.arguments.n + 1 > 5 };"#,
    r#"forbid (principal, action == Action::"connect", resource) unless { principal.client.scopes.contains("mcp") };"#,
];

fn some<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    prop::sample::subsequence(of, 0..=of.len())
}

fn rules() -> impl Strategy<Value = AllowRule> {
    let tools = prop_oneof![
        Just(Tools::All),
        Just(Tools::ReadOnly),
        prop::collection::vec("(get_|del\\*|x|\\*){1,2}", 0..3).prop_map(Tools::Matching),
    ];
    let conditions =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(owner, network, hours)| Conditions {
            arguments: owner
                .then(|| ("owner".to_owned(), ArgumentTest::Like(vec!["a*".to_owned()])))
                .into_iter()
                .collect(),
            networks: network
                .then(|| "10.0.0.0/8".parse().unwrap())
                .into_iter()
                .collect(),
            hours: hours.then(|| Hours {
                zone: "UTC".to_owned(),
                days: vec![3],
                from: 0,
                until: 180,
            }),
            authenticated_within: None,
            assurance: None,
        });
    let scope = prop_oneof![2 => Just(None), 1 => Just(Some(read().name))];
    (
        some(&GROUPS),
        any::<bool>(),
        some(&CLIENTS),
        tools,
        conditions,
        scope,
    )
        .prop_map(|(groups, ana, clients, tools, when, scope)| AllowRule {
            requests: None,
            scope,
            groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
            people: ana.then(|| "ana".parse().unwrap()).into_iter().collect(),
            clients: clients.iter().map(|&id| id.to_owned()).collect(),
            prompts: if tools == Tools::All {
                vec!["*".to_owned()]
            } else {
                vec!["get_*".to_owned()]
            },
            resources: vec!["file:///*".to_owned()],
            tools,
            when,
            advice: None,
        })
}

fn acts() -> impl Strategy<Value = Act<'static>> {
    let name = || prop::sample::select(&TOOLS[..]);
    let uri = || prop::sample::select(&["file:///a", "http://x"][..]);
    prop_oneof![
        Just(Act::Connect),
        name().prop_map(Act::CallTool),
        name().prop_map(Act::GetPrompt),
        uri().prop_map(Act::ReadResource),
        uri().prop_map(Act::Subscribe),
        name().prop_map(Act::CompletePrompt),
        uri().prop_map(Act::CompleteResource),
        name().prop_map(Act::Other),
    ]
}

/// What all policies together say, asked without slices and memory.
fn whole(
    rules: &[load::Rule],
    caller: Principal<'_>,
    act: Act<'_>,
    annotations: Annotations,
    about: &Circumstances<'_>,
) -> Option<bool> {
    let mut set = cedar_policy::PolicySet::new();
    let arguments = Arguments::read(about.arguments);
    for rule in rules {
        set.add(rule.policy.clone()).unwrap();
        // What cannot be judged is another matter, and has tests of its own.
        if !arguments.satisfy(&rule.reads) {
            return None;
        }
    }
    let record = arguments
        .record(rules.iter().flat_map(|rule| rule.reads.keys()))
        .unwrap();
    let server = "gitea".parse().unwrap();
    let base = crate::schema::plain().action_entities().unwrap();
    let person = entities::person(caller, &[]).unwrap();
    let zones = [("UTC".to_owned(), jiff::tz::TimeZone::UTC)];
    let request = Request::builder()
        .principal(person.uid())
        .action(entities::action(act))
        .resource(entities::resource(&server, act))
        .context(entities::context(about, record, &zones).unwrap())
        .build();
    let entities = entities::with_resource(
        &base,
        &server,
        act,
        annotations,
        &std::collections::BTreeSet::new(),
    )
    .unwrap();
    let entities = entities.add_entities([person], None).unwrap();
    let response = Authorizer::new().is_authorized_partial(&request, &set, &entities);
    // With everything represented, Cedar itself has the last word.
    let errors = response.definitely_errored().next().is_some();
    match response.decision() {
        Some(verdict) if !errors => Some(verdict == Verdict::Allow),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_list_shows_what_is_not_refused_as_unknown_and_a_slice_decides_as_the_whole(
        allow in prop::collection::vec(rules(), 0..4),
        files in some(&FILES),
        groups in some(&GROUPS),
        ana in any::<bool>(),
        client in prop::sample::select(&CLIENTS[..]),
        scope in prop::sample::select(&["openid mcp", "mcp gitea:read", "mcp read"][..]),
        calls in prop::collection::vec((acts(), any::<bool>(), prop::sample::select(&[
            None, Some("{}"), Some(r#"{"owner":"acme"}"#), Some(r#"{"owner":"b","n":7}"#), Some(r#"{"owner":1,"n":9223372036854775807}"#),
            Some("null"), Some(r#"{"owner":"acme","Owner":"b"}"#), Some(r#"{"owner":{"a":1},"n":null}"#), Some(r#"{"N":7,"owner":"a"}"#),
        ][..])), 1..6),
    ) {
        let texts: Vec<_> = files.iter().map(|&text| (text, false)).collect();
        let policy = house(&allow, &texts).unwrap();
        let names: Vec<_> = files.iter().enumerate().map(|(number, text)| RuleFile {
            name: format!("{number}.cedar"), text: (*text).to_owned(), shadow: false,
        }).collect();
        let servers = [ServerRules { server: "gitea".parse().unwrap(), scopes: vec![read()], allow, shadow_allow: vec![] }];
        let rules = load::load(&servers, &names, &["UTC".to_owned()]).unwrap();
        let caller = Caller::new(if ana { "ana" } else { "ben" }, &groups);
        let mut principal = caller.with(client);
        principal.client.as_mut().unwrap().scope = scope;
        for (act, read_only, arguments) in calls {
            let annotations = Annotations { read_only, destructive: !read_only, ..Annotations::default() };
            let about = circumstances(arguments);
            let decision = policy.decide(principal, act, annotations, &about);
            prop_assert_eq!(policy.shows(principal, act, annotations), decision.outcome != Outcome::Hidden);
            // What is said to be lacking is enough, and nothing is lacking where it is allowed.
            if let Some(lacking) = policy.lacking(principal, act, annotations, &about) {
                let (mut with, more) = (principal, format!("{scope} {}", lacking.join(" ")));
                with.client.as_mut().unwrap().scope = &more;
                prop_assert!(decision.outcome != Outcome::Allowed);
                prop_assert_eq!(policy.decide(with, act, annotations, &about).outcome, Outcome::Allowed);
            }
            // Asked again it is remembered, and the same.
            prop_assert_eq!(&policy.decide(principal, act, annotations, &about), &decision);
            // With what was kept of the arguments it is the same again.
            let kept = policy.keep(act, annotations, arguments);
            let recalled = policy.recall(act, annotations, kept.as_deref());
            let again = policy.decide(principal, act, annotations, &circumstances(recalled.as_deref()));
            prop_assert_eq!(&again, &decision);
            if let Some(allowed) = whole(&rules, principal, act, annotations, &about) {
                prop_assert_eq!(decision.outcome == Outcome::Allowed, allowed, "{:?} {:?}", act, decision);
            } else {
                prop_assert!(decision.outcome != Outcome::Allowed || decision.rule.is_some());
            }
        }
    }
}
