//! Lines: what shells and tools read as `name=value`, and literals in anything else.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Value;

/// `export NAME=value`, `set -gx NAME value`, `setenv NAME value`, `$env:NAME = value`, `name: value`, `name = value`.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m-u)^[ \t]*(?:(?:export|declare[ \t]+-\w+|local|ENV|ARG|setx|set[ \t]+-\w+|setenv|set)[ \t]+|\$env:|- )*["']?([A-Za-z_/][A-Za-z0-9_.:@/\-]{0,120}?)["']?(?:[ \t]*(?:=|:=|:[ \t])[ \t]*|[ \t]+)([^\r\n]+?)[ \t]*;?\r?$"#,
    )
    .ok()
});

/// `"name": "value"`, `name = 'value'`, `name => "value"`, wherever it stands in a line.
static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?-u)\b([A-Za-z_][A-Za-z0-9_.\-]{1,80})["'`]?[ \t]*(?:=>|:=|=|:)[ \t]*(?:"([^"\r\n]{6,400})"|'([^'\r\n]{6,400})'|`([^`\r\n]{6,400})`)"#,
    )
    .ok()
});

/// `--token value`, `--token=value`, `-u name:value`, in a command.
static FLAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?-u)(?:^|[ \t"'\[,(])--?([A-Za-z][A-Za-z0-9\-]{1,40})(?:=|[ \t]+)["']?([^\s"',;)\]]{6,400})"#,
    )
    .ok()
});

/// Every assignment, and every flag of the commands.
pub(super) fn assignments(text: &str) -> Vec<Value> {
    let mut values = sections(text);
    if let Some(pattern) = ASSIGNMENT.as_ref() {
        for found in pattern.captures_iter(text.as_bytes()) {
            let (Some(name), Some(value)) = (found.get(1), found.get(2)) else {
                continue;
            };
            let (Some(name), Some(raw)) = (text.get(name.range()), text.get(value.range())) else {
                continue;
            };
            let (inner, offset) = unquoted(raw);
            let start = value.start() + offset;
            values.push(Value {
                path: vec![name.to_owned()],
                text: inner.to_owned(),
                range: start..start + inner.len(),
            });
        }
    }
    values.extend(captured(FLAG.as_ref(), text));
    // A quoted literal in a longer line, such as an alias that calls something.
    values.extend(captured(LITERAL.as_ref(), text));
    values.sort_by_key(|value| value.range.start);
    values.dedup_by(|later, earlier| later.range == earlier.range);
    values
}

/// Every literal that has a name.
pub(super) fn literals(text: &str) -> Vec<Value> {
    captured(LITERAL.as_ref(), text)
}

fn captured(pattern: Option<&Regex>, text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for found in pattern
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let name = found.get(1).and_then(|name| text.get(name.range()));
        let value = (2..found.len()).find_map(|group| found.get(group));
        let (Some(name), Some(value)) = (name, value) else {
            continue;
        };
        values.extend(text.get(value.range()).map(|inner| Value {
            path: vec![name.to_owned()],
            text: inner.to_owned(),
            range: value.range(),
        }));
    }
    values
}

/// `[section]` lines lend their names to what follows; only names that themselves say nothing need them, as `token` below
/// `[registries.own]`.
fn sections(text: &str) -> Vec<Value> {
    let (mut values, mut section, mut begin) = (Vec::new(), None::<String>, 0);
    for line in text.split_inclusive('\n') {
        let start = begin;
        begin += line.len();
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.trim_matches(['[', ']', '"', '\'']).to_owned());
            continue;
        }
        let (Some(section), Some((name, raw))) = (&section, line.split_once(['=', ':'])) else {
            continue;
        };
        let name = name.trim();
        if name.is_empty() || name.starts_with(['#', ';', '/']) || name.contains([' ', '\t']) {
            continue;
        }
        let value = raw.trim_start();
        let at = start + line.len() - value.len();
        let (inner, offset) = unquoted(value.trim_end());
        if !inner.is_empty() {
            values.push(Value {
                path: vec![section.clone(), name.to_owned()],
                text: inner.to_owned(),
                range: at + offset..at + offset + inner.len(),
            });
        }
    }
    values
}

/// A value without its quotes or the comment behind it, and how far it moved.
pub(super) fn unquoted(raw: &str) -> (&str, usize) {
    let quote = raw
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        let inner = raw.get(1..).unwrap_or_default();
        let end = inner.find(quote).unwrap_or(inner.len());
        return (inner.get(..end).unwrap_or_default(), 1);
    }
    let end = [" #", "\t#"].iter().filter_map(|sign| raw.find(sign)).min();
    let value = raw.get(..end.unwrap_or(raw.len())).unwrap_or(raw);
    (value.trim_end(), 0)
}
