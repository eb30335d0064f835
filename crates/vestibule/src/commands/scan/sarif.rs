//! A report in the Static Analysis Results Interchange Format, version 2.1.0 (OASIS).

use scan::{Finding, Place, Severity};
use serde_json::{Value, json};
use url::Url;

use super::Shown;

/// A log of one run.
pub(super) fn log(shown: &Shown<'_>) -> Value {
    let mut ids: Vec<&str> = Vec::new();
    for finding in &shown.report.findings {
        if !ids.contains(&finding.rule.as_str()) {
            ids.push(&finding.rule);
        }
    }
    let rules: Vec<Value> = ids.iter().filter_map(|id| rule(shown, id)).collect();
    let results = shown
        .report
        .findings
        .iter()
        .map(|finding| result(shown, finding, &ids));
    let notes = shown.report.unread.iter().map(|unread| {
        let path = shown.rules.redacted(&unread.path.to_string_lossy());
        json!({ "level": "note", "message": { "text": format!("not read, {}: {path}", unread.why.as_str()) } })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vestibule scan",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notes.collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(shown: &Shown<'_>, id: &str) -> Option<Value> {
    let first = shown.report.findings.iter().find(|finding| finding.rule == id)?;
    let known = shown.rules.rules().iter().find(|rule| rule.id == id);
    let title = if known.is_some() {
        shown.title(first)
    } else {
        first.title.clone()
    };
    let provider = known.and_then(|_| shown.provider(first));
    let revoke = provider.and_then(|provider| provider.revoke.as_deref());
    let help = match revoke {
        Some(revoke) => format!("Take it back: {revoke}. Then remove it from here."),
        None => "Take it back where it was given out, then remove it from here.".to_owned(),
    };
    Some(json!({
        "id": id,
        "shortDescription": { "text": title },
        "help": { "text": help },
        "defaultConfiguration": { "level": level(first.severity) },
        "properties": { "tags": ["security", "secret"], "security-severity": score(first.severity) },
    }))
}

fn result(shown: &Shown<'_>, finding: &Finding, ids: &[&str]) -> Value {
    let title = shown.title(finding);
    let mut text = if finding.name.is_empty() {
        title
    } else {
        format!("{title}, called {}", finding.name)
    };
    if let Some(server) = shown.replaced_by(finding) {
        text = format!("{text}; {} replaces it", server.url);
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": ids.iter().position(|id| *id == finding.rule),
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location(finding)],
        "partialFingerprints": { "vestibuleScan/v1": finding.fingerprint },
        "properties": { "severity": finding.severity, "credential": finding.credential, "exposure": finding.exposure },
    })
}

fn location(finding: &Finding) -> Value {
    if let Place::Variable(_) = &finding.place {
        let name = &finding.shown;
        return json!({ "logicalLocations": [{ "fullyQualifiedName": name, "kind": "variable" }] });
    }
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": address(&finding.shown) },
        "region": {
            "startLine": finding.line, "startColumn": finding.column, "endColumn": finding.end_column,
        },
    } })
}

/// A path as a URI reference (RFC 3986): relative ones stay relative.
fn address(path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    match Url::from_file_path(&whole) {
        Ok(url) if path.starts_with('/') => url.into(),
        // A first name with a colon in it would be a scheme.
        Ok(url) => format!("./{}", url.path().trim_start_matches('/')),
        Err(()) => String::new(),
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// As code hosts sort by it.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}
