//! From a rule of the configuration to Cedar.

use std::fmt::Write as _;

use model::ServerName;

use crate::request::Requests;
use crate::rule::{AllowRule, ArgumentTest, Conditions, Hours, Tools};

/// A rule as Cedar policies: whether the server may be used, its tools, what can be read there, and methods
/// that nobody knows yet; of an API, the requests. Each is named after the rule's place, as `gitea.allow[0]`.
pub(crate) fn compile(server: &ServerName, id: &str, rule: &AllowRule) -> String {
    let mut text = String::new();
    let who = who(rule);
    let anybody = [who.clone(), clients(rule)];
    let conditions = conditions(&rule.when);
    let scope = scope(server, rule);
    let server = literal(server.as_str());
    // What is known of the act comes first: whatever contradicts it is never judged with the rest.
    let mut permit = |part: &str, reads: &str, action: &str, what: &str, when: &[&str]| {
        let _ = writeln!(text, "@id({})", literal(&format!("{id}#{part}")));
        if !reads.is_empty() {
            let _ = writeln!(text, "@reads({})", literal(reads));
        }
        if let Some(advice) = &rule.advice {
            let _ = writeln!(text, "@advice({})", literal(advice));
        }
        let _ = write!(
            text,
            "permit (principal, action in [{action}], resource in Server::{server})"
        );
        let who = anybody.iter().map(String::as_str);
        for condition in std::iter::once(what).chain(who).chain(when.iter().copied()) {
            if !condition.is_empty() {
                let _ = write!(text, "\nwhen {{ {condition} }}");
            }
        }
        text.push_str(";\n\n");
    };
    // Without the scope too: whoever is to be asked for it must be let in.
    permit("connect", "", r#"Action::"connect""#, "", &[]);
    if let Some(requests) = &rule.requests {
        let which = of_requests(requests);
        permit(
            "requests",
            "",
            r#"Action::"request""#,
            &which,
            &[&scope, &conditions],
        );
        return text;
    }
    let which = match &rule.tools {
        Tools::All => String::new(),
        Tools::ReadOnly => "resource.read_only".to_owned(),
        Tools::Matching(patterns) => like("resource.name", patterns),
    };
    let arguments = arguments(&rule.when);
    let reads = reads(&rule.when);
    let call = r#"Action::"tools/call""#;
    permit("tools", &reads, call, &which, &[&scope, &conditions, &arguments]);
    let prompts = format!("resource is Prompt && ({})", like("resource.name", &rule.prompts));
    let of_prompts = r#"Action::"prompts/get", Action::"completion/complete""#;
    permit("prompts", "", of_prompts, &prompts, &[&scope, &conditions]);
    let resources = like("resource.uri", &rule.resources);
    let resources = format!("resource is Resource && ({resources})");
    let of_resources =
        r#"Action::"resources/read", Action::"resources/subscribe", Action::"completion/complete""#;
    permit("resources", "", of_resources, &resources, &[&scope, &conditions]);
    if rule.tools == Tools::All {
        permit("other", "", r#"Action::"other""#, "", &[&scope, &conditions]);
    }
    text
}

/// Paths have segments, which Cedar does not know: which patterns a request fits is an attribute of it.
fn of_requests(requests: &Requests) -> String {
    match requests {
        Requests::All => "resource is Request".to_owned(),
        Requests::ReadOnly => "resource is Request && resource.read_only".to_owned(),
        Requests::Matching(patterns) => {
            let named: Vec<_> = patterns.iter().map(|pattern| literal(pattern.as_str())).collect();
            format!(
                "resource is Request && resource.fits.containsAny([{}])",
                named.join(", ")
            )
        }
    }
}

fn who(rule: &AllowRule) -> String {
    let groups = rule
        .groups
        .iter()
        .map(|group| format!("principal in Group::{}", literal(group.as_str())));
    let people = rule
        .people
        .iter()
        .map(|name| format!("principal == Person::{}", literal(name.as_str())));
    any(groups.chain(people))
}

fn clients(rule: &AllowRule) -> String {
    if rule.clients.is_empty() {
        return String::new();
    }
    let named = set(&rule.clients);
    format!("{named}.contains(principal.client.id) || {named}.contains(principal.client.host)")
}

fn scope(server: &ServerName, rule: &AllowRule) -> String {
    let Some(name) = &rule.scope else {
        return String::new();
    };
    let name = name.within(server);
    format!("principal.client.scopes.contains({})", literal(&name))
}

fn conditions(when: &Conditions) -> String {
    let mut all = Vec::new();
    if !when.networks.is_empty() {
        let within = when
            .networks
            .iter()
            .map(|network| format!("context.address.isInRange(ip(\"{network}\"))"));
        all.push(format!("({})", any(within)));
    }
    if let Some(hours) = &when.hours {
        all.push(at(hours));
    }
    if let Some(span) = when.authenticated_within {
        all.push(format!("context.authenticated_ago <= {}", span.as_secs()));
    }
    if let Some(class) = when.assurance {
        all.push(format!("context.assurance >= {}", class.rank()));
    }
    all.join(" && ")
}

fn at(hours: &Hours) -> String {
    let clock = format!("context.clock[{}]", literal(&hours.zone));
    let (from, until) = (hours.from, hours.until);
    let joint = if from < until { "&&" } else { "||" };
    let window = format!("({clock}.minute >= {from} {joint} {clock}.minute < {until})");
    if hours.days.is_empty() {
        return window;
    }
    let days: Vec<_> = hours.days.iter().map(ToString::to_string).collect();
    format!("[{}].contains({clock}.weekday) && {window}", days.join(", "))
}

fn arguments(when: &Conditions) -> String {
    let tests = when.arguments.iter().flat_map(|(path, test)| {
        let argument = format!("context.arguments[{}]", literal(path));
        match test {
            ArgumentTest::OneOf(texts) => vec![format!("{}.contains({argument})", set(texts))],
            ArgumentTest::Like(patterns) => vec![format!("({})", like(&argument, patterns))],
            ArgumentTest::Is(true) => vec![argument],
            ArgumentTest::Is(false) => vec![format!("!{argument}")],
            ArgumentTest::Between(least, most) => {
                let least = least.map(|least| format!("{argument} >= {least}"));
                let most = most.map(|most| format!("{argument} <= {most}"));
                least.into_iter().chain(most).collect()
            }
        }
    });
    tests.collect::<Vec<_>>().join(" && ")
}

/// The declaration of what the rule reads.
fn reads(when: &Conditions) -> String {
    let declared = when.arguments.iter().map(|(path, test)| {
        let kind = match test {
            ArgumentTest::OneOf(_) | ArgumentTest::Like(_) => "String",
            ArgumentTest::Is(_) => "Bool",
            ArgumentTest::Between(..) => "Long",
        };
        format!("{path}: {kind}")
    });
    declared.collect::<Vec<_>>().join(", ")
}

/// Any of the patterns; the impossible if there is none.
fn like(what: &str, patterns: &[String]) -> String {
    any(patterns
        .iter()
        .map(|pattern| format!("{what} like {}", literal(pattern))))
}

fn any(alternatives: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = alternatives.collect();
    if all.is_empty() {
        "false".to_owned()
    } else {
        all.join(" || ")
    }
}

fn set(texts: &[String]) -> String {
    let all: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    format!("[{}]", all.join(", "))
}

/// A text as Cedar writes it. In a pattern, a bare `*` stands for any text; there is no way to mean the
/// character itself, and none of the names that the protocol recommends has it.
pub(crate) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
