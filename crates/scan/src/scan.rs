//! One scan: files, texts and variables in, findings out.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use model::Timestamp;

use crate::detect::{self, Hit, Subject};
use crate::exposure::{Exposure, Surroundings};
use crate::finding::{self, Finding, Mark, Place};
use crate::place::{self, Client};
use crate::reading::Form;
use crate::rules::Rules;
use crate::walk::{self, Limits, Unread, Walk, Which};

/// What somebody writes into a line to say that what is there is known.
const ALLOW: [&str; 2] = ["vestibule:allow", "gitleaks:allow"];
/// Tokens that a CI system makes for one job and takes back at its end.
const OF_THE_JOB: [&str; 9] = [
    "GITHUB_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "CI_JOB_TOKEN",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "CI_DEPENDENCY_PROXY_PASSWORD",
    "SYSTEM_ACCESSTOKEN",
];

/// What a scan found.
#[derive(Debug, Default)]
pub struct Report {
    /// The credentials, by their places.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
    /// What was not read.
    pub unread: Vec<Unread>,
    /// How many findings a comment in the line allows.
    pub allowed: usize,
    /// Those of the credentials that were found which a comment allows in another line.
    pub(crate) allowed_elsewhere: BTreeSet<usize>,
}

/// A scan that is under way.
#[derive(Debug)]
pub struct Scan<'a> {
    rules: &'a Rules,
    now: Timestamp,
    key: [u8; 32],
    walk: Walk,
    surroundings: Surroundings,
    marks: HashMap<Mark, usize>,
    allowed: Vec<Mark>,
    report: Report,
}

impl<'a> Scan<'a> {
    /// By these rules, at this time; the key is random and dies with the scan.
    pub fn new(rules: &'a Rules, now: Timestamp, key: [u8; 32], limits: Limits) -> Self {
        Self {
            rules,
            now,
            key,
            walk: Walk::new(limits),
            surroundings: Surroundings::default(),
            marks: HashMap::new(),
            allowed: Vec::new(),
            report: Report::default(),
        }
    }

    /// Looks at a file, or at those in a folder; says of each that it is looked at. Places are shown as they are below `base`.
    pub fn path(&mut self, root: &Path, which: Which, base: &Path, progress: &mut dyn FnMut(&Path)) {
        let mut walk = std::mem::replace(&mut self.walk, Walk::new(Limits::default()));
        walk.files(root, which, &mut |walk, path| {
            progress(path);
            if let Some((text, metadata)) = walk.text(path) {
                self.report.files += 1;
                let kind = place::kind(path);
                let hits = self.hits(&text, kind.form, &words(path));
                if hits.is_empty() {
                    return;
                }
                let source = Source {
                    place: Place::File(path.to_owned()),
                    shown: self.rules.redacted(&shown(path, base)),
                    client: kind.client,
                    exposure: Some(self.surroundings.exposure(path, &metadata)),
                };
                self.take(hits, &text, &source);
            }
        });
        self.walk = walk;
    }

    /// Looks at bytes as if they were the file of this name.
    pub fn bytes(&mut self, path: &Path, bytes: Vec<u8>) {
        let Some(text) = walk::decoded(bytes) else { return };
        let kind = place::kind(path);
        let hits = self.hits(&text, kind.form, &words(path));
        let source = Source {
            place: Place::File(path.to_owned()),
            shown: self.rules.redacted(&path.to_string_lossy()),
            client: kind.client,
            exposure: None,
        };
        self.take(hits, &text, &source);
    }

    /// Looks at a variable of the environment.
    pub fn variable(&mut self, name: &str, value: &str) {
        if OF_THE_JOB.contains(&name) || value.len() > 1 << 20 {
            return;
        }
        // As a line, so that its name counts.
        let text = format!("{name}={value}");
        let hits = self.hits(&text, Form::Assignments, "");
        let source = Source {
            place: Place::Variable(name.to_owned()),
            shown: format!("${}", self.rules.redacted(name)),
            client: None,
            exposure: None,
        };
        self.take(hits, &text, &source);
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        self.report.unread = self.walk.unread;
        let found = self.allowed.iter().filter_map(|mark| self.marks.get(mark));
        self.report.allowed_elsewhere = found.copied().collect();
        let order = |finding: &Finding| (finding.place.clone(), finding.line, finding.column);
        self.report.findings.sort_by_key(order);
        self.report
    }

    fn hits(&self, text: &str, form: Form, words: &str) -> Vec<Hit> {
        let subject = Subject {
            text,
            form,
            words,
            now: self.now,
        };
        detect::hits(subject, self.rules)
    }

    fn take(&mut self, hits: Vec<Hit>, text: &str, source: &Source) {
        let mut names = HashMap::<(String, String), usize>::new();
        let lines: Vec<usize> = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, byte)| *byte == b'\n')
                    .map(|(at, _)| at + 1),
            )
            .collect();
        for hit in hits {
            let spot = Spot::of(text, &lines, hit.range.start);
            if is_allowed(spot.line_text, &hit.rule) {
                self.report.allowed += 1;
                self.allowed.push(finding::mark(&self.key, &hit));
                continue;
            }
            let name = finding::shown_name(&hit.path, self.rules);
            let nth = names.entry((hit.rule.clone(), name.clone())).or_insert(0);
            *nth += 1;
            let next = self.marks.len() + 1;
            let credential = *self.marks.entry(finding::mark(&self.key, &hit)).or_insert(next);
            let is_seen = source.exposure.as_ref().is_some_and(Exposure::is_seen_by_others);
            let width = text
                .get(hit.range.clone())
                .map_or(0, |part| part.lines().next().unwrap_or_default().chars().count());
            self.report.findings.push(Finding {
                fingerprint: finding::fingerprint(&hit, &source.shown, &name, *nth),
                severity: if is_seen {
                    hit.severity.raised()
                } else {
                    hit.severity
                },
                place: source.place.clone(),
                shown: source.shown.clone(),
                line: spot.line,
                column: spot.column,
                end_column: spot.column + width,
                at: hit.range.start,
                name,
                hint: format!("{}…", hit.prefix),
                credential,
                client: source.client,
                entry: hit.entry.as_ref().map(|entry| self.rules.redacted(&entry.name)),
                entry_host: hit.entry.as_ref().and_then(|entry| entry.host.clone()),
                entry_endpoint: match hit.entry.as_ref().map(|entry| entry.endpoints.as_slice()) {
                    Some([one]) => Some(one.clone().into()),
                    _ => None,
                },
                entry_path: hit.entry.map(|entry| entry.path).unwrap_or_default(),
                exposure: source.exposure.clone(),
                rule: hit.rule,
                title: hit.title,
                provider: hit.provider,
            });
        }
    }
}

/// Where a text is from.
struct Source {
    place: Place,
    shown: String,
    client: Option<Client>,
    exposure: Option<Exposure>,
}

/// A place in a text as people count.
struct Spot<'a> {
    line: usize,
    column: usize,
    line_text: &'a str,
}

impl<'a> Spot<'a> {
    /// By where each line begins.
    fn of(text: &'a str, lines: &[usize], at: usize) -> Self {
        let line = lines.partition_point(|begin| *begin <= at);
        let begin = line.checked_sub(1).and_then(|before| lines.get(before)).copied();
        let begin = begin.unwrap_or(0);
        let rest = text.get(begin..).unwrap_or_default();
        Self {
            line,
            column: text.get(begin..at).unwrap_or_default().chars().count() + 1,
            line_text: rest.lines().next().unwrap_or_default(),
        }
    }
}

/// Whether a comment in the line allows it: everything, or the rules that it names.
fn is_allowed(line: &str, rule: &str) -> bool {
    let rest = ALLOW
        .iter()
        .find_map(|sign| line.split_once(sign))
        .map(|(_, rest)| rest);
    let Some(rest) = rest else { return false };
    let mut named = rest
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| {
            word.contains('-')
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .filter(|word| word.len() > 3)
        .peekable();
    named.peek().is_none() || named.any(|word| word == rule)
}

/// The names of a file and of its folder, which may say whose credentials are in it.
fn words(path: &Path) -> String {
    let names = path.iter().rev().take(2);
    names
        .filter_map(|name| name.to_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The path below the folder that was looked at, so that it is the same on every machine.
fn shown(path: &Path, base: &Path) -> String {
    let base = dunce::canonicalize(base).unwrap_or_else(|_| PathBuf::from(base));
    let inner = path
        .strip_prefix(&base)
        .ok()
        .filter(|inner| inner.as_os_str() != "");
    let Some(inner) = inner else {
        return path.to_string_lossy().into_owned();
    };
    let names: Vec<_> = inner.iter().map(OsStr::to_string_lossy).collect();
    names.join("/")
}
