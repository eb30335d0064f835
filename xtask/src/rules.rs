//! `docs/internals/rules.md`: every rule of the specification that binds us, in one line, with the tests that show
//! it.
//!
//! The lines are written by hand in `docs/internals/rules.txt`; the tests are found where they name a rule: in a
//! test's name (`cc_33_each_redirect_uri_is_judged_alone`), in the comment above it, in its messages, or in the
//! head of its file. A rule that no test names, and that says neither `later` nor `by design`, is an error, and so
//! is a test that names a rule which is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::command::root;

const LIST: &str = "docs/internals/rules.txt";
const PAGE: &str = "docs/internals/rules.md";
/// Tests that a rule's row names at most.
const MOST: usize = 4;
/// The specification's series.
const SERIES: [&str; 6] = ["DEC", "MA", "TP", "OS", "CC", "CF"];

/// An id: its series and number.
type Id = (String, u32);

/// Writes the page, or only looks whether it is what it would be.
pub(crate) fn write(check: bool) -> anyhow::Result<()> {
    let page = page()?;
    let path = root().join(PAGE);
    if check {
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            kept == page,
            "{PAGE} is not what the tests say; `cargo xtask docs` renews it"
        );
    } else {
        std::fs::write(path, page)?;
    }
    Ok(())
}

struct Rule {
    id: Id,
    status: Option<String>,
    text: String,
}

fn page() -> anyhow::Result<String> {
    let list = std::fs::read_to_string(root().join(LIST)).context(LIST)?;
    let tests = tests()?;
    let mut page = String::new();
    let mut known = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut in_table = false;
    for line in list.lines() {
        let Some(rule) = rule(line)? else {
            // Headings and sentences go through as they are.
            in_table = false;
            writeln!(page, "{line}")?;
            continue;
        };
        if !in_table {
            page.push_str("| id | rule | shown by |\n| --- | --- | --- |\n");
            in_table = true;
        }
        let shown = tests.get(&rule.id);
        let by = match (shown, &rule.status) {
            (Some(places), _) => references(places),
            (None, Some(status)) => status.clone(),
            (None, None) => {
                wrong.push(format!("{}-{} is shown by no test", rule.id.0, rule.id.1));
                continue;
            }
        };
        writeln!(page, "| {}-{} | {} | {by} |", rule.id.0, rule.id.1, rule.text)?;
        known.insert(rule.id);
    }
    for (id, places) in &tests {
        if !known.contains(id) {
            wrong.push(format!(
                "{}-{} is no rule of the list, but {} names it",
                id.0,
                id.1,
                references(places)
            ));
        }
    }
    if !wrong.is_empty() {
        bail!("{LIST}:\n  {}", wrong.join("\n  "));
    }
    Ok(page)
}

/// `CC-1  text`, or `CC-1  later: why  |  text`.
fn rule(line: &str) -> anyhow::Result<Option<Rule>> {
    let Some((head, rest)) = line.split_once("  ") else {
        return Ok(None);
    };
    let Some(id) = id(head) else { return Ok(None) };
    let (status, text) = match rest.split_once("  |  ") {
        Some((status, text)) => (Some(status.trim().to_owned()), text),
        None => (None, rest),
    };
    if let Some(status) = &status {
        let known = ["later", "by design", "not ours"];
        ensure!(
            known.iter().any(|word| status.starts_with(word)),
            "{LIST}: {head} has the status {status:?}"
        );
    }
    Ok(Some(Rule {
        id,
        status,
        text: text.trim().to_owned(),
    }))
}

fn id(text: &str) -> Option<Id> {
    let (series, number) = text.split_once('-')?;
    let series = series.to_ascii_uppercase();
    SERIES.contains(&series.as_str()).then_some(())?;
    Some((series, number.parse().ok()?))
}

fn references(places: &BTreeSet<String>) -> String {
    let mut shown: Vec<String> = places
        .iter()
        .take(MOST)
        .map(|place| format!("`{place}`"))
        .collect();
    if places.len() > MOST {
        shown.push(format!("and {} more", places.len() - MOST));
    }
    shown.join(", ")
}

/// Every place that names a rule.
fn tests() -> anyhow::Result<BTreeMap<Id, BTreeSet<String>>> {
    let mut found = BTreeMap::<Id, BTreeSet<String>>::new();
    let mut files = Vec::new();
    for folder in ["crates", "e2e/tests", "e2e/personas", "fuzz/targets"] {
        walk(&root().join(folder), &mut files)?;
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let is_rust = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => true,
            Some("mjs") => false,
            _ => continue,
        };
        let text = std::fs::read_to_string(&file)?;
        let text = if is_rust && !is_test_file(&name) {
            tests_within(&text)
        } else {
            &text
        };
        scan(&name, text, &mut found);
    }
    Ok(found)
}

/// The tests at the end of a file of the program.
fn tests_within(text: &str) -> &str {
    text.split_once("#[cfg(test)]\n")
        .and_then(|(_, rest)| rest.split_once("mod tests {"))
        .map_or("", |(_, tests)| tests)
}

fn is_test_file(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("fuzz/")
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Ids in a comment belong to the test below it, ids in a body to the test they are in, and ids in the head of a
/// file to the file.
fn scan(name: &str, text: &str, found: &mut BTreeMap<Id, BTreeSet<String>>) {
    let mut above = Vec::new();
    let mut current: Option<String> = None;
    let mut is_head = true;
    let is_rust = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs");
    let short = name.strip_prefix("crates/").unwrap_or(name);
    let mut add = |id: Id, test: Option<&str>| {
        let place = match test {
            Some(test) => format!("{short}: {test}"),
            None => short.to_owned(),
        };
        found.entry(id).or_default().insert(place);
    };
    for line in text.lines() {
        let trimmed = line.trim_start();
        let is_comment = trimmed.starts_with("//");
        is_head &= is_comment || trimmed.is_empty();
        let ids = ids(trimmed);
        if let Some(test) = test_name(trimmed) {
            for id in above.drain(..) {
                add(id, Some(&test));
            }
            for id in ids {
                add(id, Some(&test));
            }
            current = Some(test);
        } else if is_head && (trimmed.starts_with("//!") || !is_rust) {
            for id in ids {
                add(id, None);
            }
        } else if is_comment && line.len() - trimmed.len() <= 4 {
            above.extend(ids);
        } else {
            if !trimmed.starts_with('#') && !is_comment {
                above.clear();
            }
            for id in ids {
                add(id, current.as_deref());
            }
        }
    }
}

/// The name of the test that begins in this line.
fn test_name(line: &str) -> Option<String> {
    let rust = line
        .strip_prefix("async fn ")
        .or_else(|| line.strip_prefix("fn "));
    if let Some(rest) = rust {
        return Some(rest.split(['(', '<']).next()?.to_owned());
    }
    let quoted = line.strip_prefix("test(")?;
    let quote = quoted.chars().next().filter(|c| ['\'', '`', '"'].contains(c))?;
    let name = quoted[1..].split(quote).next()?;
    Some(name.replace('|', "/"))
}

/// Ids as they stand in prose (`CC-10 to CC-12`) and in names (`cc_33_cc_34`, `tp_63_to_65`).
fn ids(line: &str) -> Vec<Id> {
    let mut found = Vec::new();
    let words: Vec<&str> = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let is_series = |word: &str| {
        let upper = word.to_ascii_uppercase();
        let written = word == upper || word == upper.to_ascii_lowercase();
        (written && SERIES.contains(&upper.as_str())).then_some(upper)
    };
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    for (at, word) in words.iter().enumerate() {
        let Some(series) = is_series(word) else { continue };
        let Some(first) = number(at + 1) else { continue };
        let mut last = first;
        if words.get(at + 2) == Some(&"to") {
            let again = words.get(at + 3).and_then(|word| is_series(word));
            let end = if again.as_ref() == Some(&series) {
                number(at + 4)
            } else {
                number(at + 3)
            };
            last = end
                .filter(|end| *end > first && end - first < 60)
                .unwrap_or(first);
        }
        found.extend((first..=last).map(|number| (series.clone(), number)));
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_in_prose_and_in_names() {
        let read = |line: &str| -> Vec<String> {
            ids(line)
                .into_iter()
                .map(|(series, number)| format!("{series}-{number}"))
                .collect()
        };
        assert_eq!(
            read("/// CC-10 to CC-12, MA-8: x"),
            ["CC-10", "CC-11", "CC-12", "MA-8"]
        );
        assert_eq!(
            read("fn tp_63_to_65_mirrored_headers() {"),
            ["TP-63", "TP-64", "TP-65"]
        );
        assert_eq!(read("async fn cc_39_cc_42_a_vendor"), ["CC-39", "CC-42"]);
        assert!(read("section 4, os 17, the cc").len() <= 1);
    }
}
