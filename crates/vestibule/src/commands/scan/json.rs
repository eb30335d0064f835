//! A report for programs.

use scan::{Finding, Place};
use serde_json::{Value, json};

use super::Shown;

/// The whole of it.
pub(super) fn document(shown: &Shown<'_>) -> Value {
    let findings: Vec<Value> = shown
        .report
        .findings
        .iter()
        .map(|one| finding(shown, one))
        .collect();
    let unread = shown.report.unread.iter().map(
        |unread| json!({ "path": shown.rules.redacted(&unread.path.to_string_lossy()), "why": unread.why }),
    );
    json!({
        "findings": findings,
        "files": shown.report.files,
        "not_read": unread.collect::<Vec<_>>(),
        "allowed": shown.report.allowed,
        "in_baseline": shown.known,
    })
}

fn finding(shown: &Shown<'_>, finding: &Finding) -> Value {
    let provider = shown.provider(finding);
    let variable = match &finding.place {
        Place::File(_) => None,
        Place::Variable(_) => Some(finding.shown.trim_start_matches('$')),
    };
    json!({
        "rule": finding.rule,
        "title": shown.title(finding),
        "provider": finding.provider,
        "severity": finding.severity,
        "path": variable.is_none().then_some(&finding.shown),
        "variable": variable,
        "line": finding.line,
        "column": finding.column,
        "end_column": finding.end_column,
        "name": finding.name,
        "hint": finding.hint,
        "fingerprint": finding.fingerprint,
        "credential": finding.credential,
        "client": finding.client.map(|client| client.id),
        "server": finding.entry,
        "exposure": finding.exposure,
        "replaced_by": shown.replaced_by(finding).map(|server| &server.url),
        "presets": provider.map(|provider| &provider.presets),
        "revoke": provider.and_then(|provider| provider.revoke.as_deref()),
    })
}
