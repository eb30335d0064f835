//! A report for people: what to do first comes first in each line.

use std::collections::HashMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Reset, Style};
use scan::{Exposure, Finding, Git, Place, Readers, Rules, SHAPES, Severity};
use serde_json::{Value, json};

use super::Shown;
use crate::operator::Answer;
use crate::output::printable;

/// The whole of it.
pub(super) fn text(shown: &Shown<'_>) -> String {
    let mut text = String::new();
    let mut place: Option<&Place> = None;
    let mut first = HashMap::<usize, &Finding>::new();
    for finding in &shown.report.findings {
        if place != Some(&finding.place) {
            if place.is_some() {
                text.push('\n');
            }
            heading(&mut text, finding);
            place = Some(&finding.place);
        }
        one(&mut text, shown, finding);
        if let Some(other) = first.get(&finding.credential) {
            let place = printable(&other.shown);
            let _ = writeln!(text, "       the same as in {place}:{}", other.line);
        } else {
            first.insert(finding.credential, finding);
        }
    }
    for unread in &shown.report.unread {
        let path = shown.rules.redacted(&unread.path.to_string_lossy());
        let _ = writeln!(text, "not read, {}: {}", unread.why.as_str(), printable(&path));
    }
    text.push_str(&summary(shown));
    text
}

fn heading(text: &mut String, finding: &Finding) {
    let bold = Style::new().bold();
    let _ = write!(text, "{bold}{}{Reset}", printable(&finding.shown));
    let client = finding.client.map(|client| client.title.to_owned());
    let facts: Vec<String> = client
        .into_iter()
        .chain(finding.exposure.iter().flat_map(exposure))
        .collect();
    if !facts.is_empty() {
        let _ = write!(text, "  ({})", facts.join(", "));
    }
    text.push('\n');
}

/// How exposed it is, in the words of people.
fn exposure(exposure: &Exposure) -> Vec<String> {
    let mut facts = Vec::new();
    match exposure.owner.as_str() {
        "you" => facts.push("yours".to_owned()),
        "root" => facts.push("root's".to_owned()),
        "unknown" => {}
        uid => facts.push(format!("of user {uid}")),
    }
    if let (Some(mode), Some(readers)) = (exposure.mode, exposure.readable_by) {
        facts.push(match readers {
            Readers::Owner => format!("mode {mode:04o}"),
            Readers::Group => format!("mode {mode:04o}: its group may read it"),
            Readers::Everybody => format!("mode {mode:04o}: everybody may read it"),
        });
    }
    match exposure.git {
        Some(Git::Tracked) => facts.push("in git".to_owned()),
        Some(Git::Untracked) => facts.push("in a git repository, not added".to_owned()),
        None => {}
    }
    facts.extend(
        exposure
            .synced_by
            .map(|program| format!("copied away by {program}")),
    );
    facts.push(format!(
        "since {}",
        exposure.changed_at.to_string().get(..10).unwrap_or_default()
    ));
    facts
}

fn one(text: &mut String, shown: &Shown<'_>, finding: &Finding) {
    let style = style(finding.severity);
    let severity = finding.severity.as_str();
    let _ = write!(
        text,
        "  {}:{}  {style}{severity}{Reset}  {}",
        finding.line,
        finding.column,
        printable(&shown.title(finding))
    );
    if finding.hint != "…" {
        let _ = write!(text, "  {}", printable(&finding.hint));
    }
    if !finding.name.is_empty() {
        let _ = write!(text, "  {}", printable(&finding.name));
    }
    let _ = writeln!(text, "  [{}]", finding.rule);
    let provider = shown.provider(finding);
    if let Some(server) = shown.replaced_by(finding) {
        let _ = writeln!(text, "       replaced by {}", printable(&server.url));
    } else if let Some(preset) = provider.and_then(|provider| provider.presets.first()) {
        let _ = writeln!(
            text,
            "       a door can replace it: vestibule preset show {preset}"
        );
    }
    if let Some(revoke) = provider.and_then(|provider| provider.revoke.as_deref()) {
        let _ = writeln!(text, "       take it back: {revoke}");
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Low => AnsiColor::Blue.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Critical => AnsiColor::Red.on_default().bold(),
    }
}

fn summary(shown: &Shown<'_>) -> String {
    let files = counted(shown.report.files, "file");
    let findings = &shown.report.findings;
    let mut credentials: Vec<usize> = findings.iter().map(|finding| finding.credential).collect();
    credentials.sort_unstable();
    credentials.dedup();
    let mut text = match (credentials.len(), findings.len()) {
        (0, _) => format!("No credentials in {files}."),
        (1, 1) => format!("\n1 credential in {files}."),
        (credentials, places) => {
            let credentials = counted(credentials, "credential");
            format!("\n{credentials} in {places} places, of {files}.")
        }
    };
    if shown.known > 0 {
        let _ = write!(text, " In the baseline: {}.", shown.known);
    }
    if shown.report.allowed > 0 {
        let _ = write!(text, " Allowed in their lines: {}.", shown.report.allowed);
    }
    let replaceable = findings
        .iter()
        .filter(|one| shown.replaced_by(one).is_some() && one.entry.is_some());
    if replaceable.count() > 0 {
        text.push_str("\nhint: `vestibule adopt` puts the door in their place");
    }
    text
}

/// `1 file`, `2 files`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Every rule, as a table or for programs.
pub(super) fn rules(rules: &Rules) -> Answer {
    Answer::list(
        ["id", "provider", "title", "severity"],
        rows(rules),
        "there are no rules",
    )
}

fn rows(rules: &Rules) -> Vec<Value> {
    let known = rules.rules().iter().map(|rule| {
        let provider = rule.provider.as_deref().and_then(|id| rules.provider(id));
        json!({
            "id": rule.id, "provider": provider.map(|provider| &provider.title), "title": rule.title,
            "severity": rule.severity, "prefix": rule.prefix, "pattern": rule.pattern,
        })
    });
    let shapes = SHAPES.iter().map(
        |shape| json!({ "id": shape.id, "provider": null, "title": shape.title, "severity": shape.severity }),
    );
    known.chain(shapes).collect()
}

/// The page of the documentation that lists them.
pub fn rules_page(rules: &Rules) -> String {
    let mut page = "\
# What `vestibule scan` finds

<!-- Made from the code by `cargo xtask docs`. -->

Each line is a rule of `crates/scan/rules.yaml`, or one of the last eight, which are code. Its id stands in reports, in
baselines and behind `vestibule:allow`. [Finding credentials](scan.md) says how to use it.

| rule | whose | what | begins with | severity |
| --- | --- | --- | --- | --- |
"
    .to_owned();
    for row in rows(rules) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().replace('|', "\\|");
        let prefix = text("prefix");
        let prefix = if prefix.is_empty() {
            prefix
        } else {
            format!("`{prefix}`")
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {prefix} | {} |",
            text("id"),
            text("provider"),
            text("title"),
            text("severity")
        );
    }
    page
}
