//! A file of what is known already, for a repository: fingerprints, and what a reader needs to know what each is.
//!
//! It is meant to be committed. A fingerprint tells nothing of a credential that could be guessed (`scan::finding`).

use std::collections::HashSet;
use std::path::Path;

use scan::{Finding, Report};
use serde::{Deserialize, Serialize};

use crate::operator::Failure;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    findings: Vec<Known>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    fingerprint: String,
    rule: String,
    path: String,
    name: String,
}

/// What is known.
pub(super) struct Baseline(HashSet<String>);

impl Baseline {
    /// Whether a finding is.
    pub(super) fn knows(&self, finding: &Finding) -> bool {
        self.0.contains(&finding.fingerprint)
    }
}

/// Reads one.
pub(super) fn read(path: &Path) -> Result<Baseline, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // The library's words may quote what is there, which need not be a baseline.
    let file: File = serde_json::from_slice(&text).map_err(|error| {
        wrong(format!(
            "line {} column {} is not of a baseline",
            error.line(),
            error.column()
        ))
    })?;
    if file.version != VERSION {
        return Err(wrong(format!(
            "is of version {}; this program knows {VERSION}",
            file.version
        )));
    }
    Ok(Baseline(
        file.findings.into_iter().map(|known| known.fingerprint).collect(),
    ))
}

/// Writes one, in an order that changes little from one to the next.
pub(super) fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
    let mut findings: Vec<Known> = report
        .findings
        .iter()
        .map(|finding| Known {
            fingerprint: finding.fingerprint.clone(),
            rule: finding.rule.clone(),
            path: finding.shown.clone(),
            name: finding.name.clone(),
        })
        .collect();
    findings.sort_by(|a, b| (&a.path, &a.rule, &a.fingerprint).cmp(&(&b.path, &b.rule, &b.fingerprint)));
    let file = File {
        version: VERSION,
        findings,
    };
    let text = format!("{}\n", serde_json::to_string_pretty(&file)?);
    std::fs::write(path, text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
