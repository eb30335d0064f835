//! The ends of lines, as each file has them. What edits a file for us ends every line in one way.

use similar::{ChangeTag, TextDiff};

/// A text with the line ends that it had before it was changed; those of lines that are new are the first that there was.
pub(super) fn kept(before: &str, after: &str) -> String {
    if !before.contains("\r\n") {
        return after.to_owned();
    }
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let first = old.first().map_or("\n", |line| parts(line).1);
    let (old_bare, new_bare) = (bare(&old), bare(&new));
    let mut text = String::with_capacity(after.len());
    for change in TextDiff::from_slices(&old_bare, &new_bare).iter_all_changes() {
        let Some(at) = change.new_index() else { continue };
        let was = change.old_index().filter(|_| change.tag() == ChangeTag::Equal);
        let end = was
            .and_then(|was| old.get(was))
            .map_or(first, |line| parts(line).1);
        let is_ended = new.get(at).is_some_and(|line| line.ends_with('\n'));
        text.push_str(change.value());
        if is_ended {
            text.push_str(if end.is_empty() { first } else { end });
        }
    }
    text
}

fn bare<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    lines.iter().map(|line| parts(line).0).collect()
}

/// A line, and how it ends.
fn parts(line: &str) -> (&str, &'static str) {
    if let Some(line) = line.strip_suffix("\r\n") {
        (line, "\r\n")
    } else if let Some(line) = line.strip_suffix('\n') {
        (line, "\n")
    } else {
        (line, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_stays_ends_as_it_did() {
        for (before, after, wanted) in [
            ("a\nb\n", "a\nc\n", "a\nc\n"),
            ("a\r\nb\r\n", "a\nc\nd\n", "a\r\nc\r\nd\r\n"),
            ("a\r\nb\nc\r\nd", "a\nb\nx\nd", "a\r\nb\nx\r\nd"),
            ("a\nb\r\nc\n", "a\r\nb\r\nx\nc\n", "a\nb\r\nx\nc\n"),
            ("a\r\nb", "a\nb\n", "a\r\nb\r\n"),
            ("a\r\nb\r\n", "a\nb", "a\r\nb"),
            ("a\r\n", "", ""),
        ] {
            assert_eq!(kept(before, after), wanted, "{before:?} {after:?}");
        }
    }
}
