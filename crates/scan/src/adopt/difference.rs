//! What is shown of a change: which lines go and which come, without what the file says.

use std::ops::Range;

use similar::TextDiff;

use crate::reading::{self, Form, tree};

/// The lines that differ.
pub(super) fn between(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(0)
        .missing_newline_hint(false)
        .to_string()
}

/// A text without its values, but for those that are put there and the names of programs.
pub(super) fn masked(text: &str, form: Form, shown: &[String], mut ranges: Vec<Range<usize>>) -> String {
    if form == Form::Yaml {
        ranges.extend(tree::comments(text).unwrap_or_default());
    }
    for value in reading::values(text, form) {
        let name = value.path.last().map(String::as_str);
        let is_plain = matches!(name, Some("command" | "type")) && value.text.len() < 40;
        if !is_plain && !shown.contains(&value.text) {
            ranges.push(value.range);
        }
    }
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut masked, mut end) = (String::new(), 0);
    for range in ranges {
        // What overlaps the one before is left out as well.
        let start = range.start.max(end);
        if range.end <= start || !text.is_char_boundary(start) {
            continue;
        }
        masked.push_str(text.get(end..start).unwrap_or_default());
        if start == range.start {
            masked.push('…');
        }
        end = range.end;
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    masked
}
