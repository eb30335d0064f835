//! An entry of a YAML file, replaced where it stands.
//!
//! Nothing is printed again: the bytes before the entry and behind it are copied, and so is what of it stays. What comes out is
//! read once more and has to be the file that it was, with that entry in it; whatever cannot be told is left to its person.

use std::fmt::Write as _;
use std::ops::Range;

use super::ByHand;
use super::shape::{Field, is_kept};
use crate::reading::tree::{self, Kind, Node, same_pair};

/// The text with the entry replaced. What of it stays is where it was, with its comments; the new fields are where the first
/// of those was that go.
///
/// # Errors
/// It is not there, is written in another way than line by line, or is in other places of the file as well.
pub(super) fn replaced(
    text: &str,
    entry: &[String],
    fields: &[(&'static str, Field)],
) -> Result<String, ByHand> {
    let root = tree::read(text).ok_or(ByHand::Unreadable)?;
    let pairs = pairs_of(found(&root, entry)?)?;
    let lines = Lines::of(text, pairs)?;
    let mut written = Vec::new();
    let mut wanted = Vec::new();
    let mut new = Some(fields);
    for (at, pair) in pairs.iter().enumerate() {
        if pair.0.text().is_some_and(is_kept) {
            written.push(lines.whole(at));
            wanted.push(Wanted::Old(pair));
        } else if let Some(fields) = new.take() {
            lines.add(fields, &mut written, &mut wanted);
        }
    }
    if let Some(fields) = new {
        lines.add(fields, &mut written, &mut wanted);
    }
    let written = written.join(lines.end);
    let (before, behind) = (text.get(..lines.all.start), text.get(lines.all.end..));
    let (Some(before), Some(behind), Some(entry_text)) =
        (before, behind, written.strip_prefix(lines.indent.as_str()))
    else {
        return Err(ByHand::Layout);
    };
    let after = format!("{before}{entry_text}{behind}");
    let is_it = tree::read(&after).is_some_and(|new| is_replaced(&root, &new, entry, &wanted));
    is_it.then_some(after).ok_or(ByHand::Layout)
}

/// The node that the names lead to. Nothing on the way there may be shared, or else more would be changed than is seen.
fn found<'a>(root: &'a Node, entry: &[String]) -> Result<&'a Node, ByHand> {
    let mut node = root;
    for name in entry {
        if node.anchor != 0 {
            return Err(ByHand::Shared);
        }
        node = match &node.kind {
            Kind::Mapping { pairs, .. } if pairs.iter().any(|(name, _)| name.is_merge()) => {
                return Err(ByHand::Shared);
            }
            Kind::Alias(_) => return Err(ByHand::Shared),
            Kind::Mapping { .. } | Kind::Sequence(_) => child(node, name).ok_or(ByHand::Unreadable)?,
            Kind::Scalar { .. } => return Err(ByHand::Unreadable),
        };
    }
    if node.is_shared() {
        return Err(ByHand::Shared);
    }
    Ok(node)
}

/// What a name, or a number in a list, leads to. None if it leads to two, for readers differ about which one counts.
fn child<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    match &node.kind {
        Kind::Mapping { pairs, .. } => {
            let mut all = pairs.iter().filter(|(of, _)| of.text() == Some(name));
            all.next()
                .filter(|_| all.next().is_none())
                .map(|(_, value)| value)
        }
        Kind::Sequence(nodes) => nodes.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

fn pairs_of(node: &Node) -> Result<&[(Node, Node)], ByHand> {
    match &node.kind {
        Kind::Mapping {
            pairs,
            is_block: true,
        } if node.tag.is_none() => Ok(pairs),
        Kind::Mapping { .. } => Err(ByHand::Layout),
        _ => Err(ByHand::Unreadable),
    }
}

/// The lines of an entry.
struct Lines<'a> {
    text: &'a str,
    /// Each pair, with the comments above it and behind it. The first begins at its name.
    pairs: Vec<Range<usize>>,
    /// From the first name to the end of the last line.
    all: Range<usize>,
    /// What stands before each name but the first.
    indent: String,
    /// The end of a line.
    end: &'static str,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, pairs: &[(Node, Node)]) -> Result<Self, ByHand> {
        let (first, _) = pairs.first().ok_or(ByHand::Layout)?;
        let before = |at: usize| {
            let line = text.get(..at).unwrap_or_default();
            line.rsplit(['\n', '\r']).next().unwrap_or_default()
        };
        // Only what leads to an element of a list may stand before the first.
        let head = before(first.range.start);
        let is_plain = |head: &str| head.bytes().all(|byte| byte == b' ');
        let is_element = head.trim_start_matches(' ').starts_with("- ")
            && head.trim_end_matches(' ').trim_matches(['-', ' ']).is_empty();
        if !is_plain(head) && !is_element {
            return Err(ByHand::Layout);
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (name, value) in pairs {
            let is_below = is_plain(before(name.range.start)) && before(name.range.start).len() == head.len();
            if !ranges.is_empty() && !is_below {
                return Err(ByHand::Layout);
            }
            let start = match ranges.last() {
                Some(last) => last.end + break_at(text, last.end).len(),
                None => name.range.start,
            };
            ranges.push(start..line_end(text, value.range.end.max(name.range.end)));
        }
        let end = ranges.last().map_or(first.range.end, |last| last.end);
        let is_crlf = text
            .find('\n')
            .is_some_and(|at| text.get(..at).unwrap_or_default().ends_with('\r'));
        Ok(Self {
            text,
            pairs: ranges,
            all: first.range.start..end,
            indent: " ".repeat(head.len()),
            end: if is_crlf { "\r\n" } else { "\n" },
        })
    }

    /// The lines of a pair as they are.
    fn whole(&self, at: usize) -> String {
        let range = self.pairs.get(at).cloned().unwrap_or_default();
        let text = self.text.get(range).unwrap_or_default();
        if at == 0 {
            format!("{}{text}", self.indent)
        } else {
            text.to_owned()
        }
    }

    fn add<'b>(
        &self,
        fields: &'b [(&'static str, Field)],
        written: &mut Vec<String>,
        wanted: &mut Vec<Wanted<'b>>,
    ) {
        for (name, value) in fields {
            let mut line = self.indent.clone();
            let _ = write!(line, "{name}: {}", value_text(value));
            written.push(line);
            wanted.push(Wanted::New(name, value));
        }
    }
}

/// Where the line ends that this is in.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.find(['\n', '\r']).unwrap_or(rest.len())
}

/// The break between two lines that stands here.
fn break_at(text: &str, at: usize) -> &'static str {
    let rest = text.get(at..).unwrap_or_default();
    ["\r\n", "\n", "\r"]
        .into_iter()
        .find(|end| rest.starts_with(end))
        .unwrap_or_default()
}

/// A value as YAML has it: plain if it can be read as nothing but a text, or as JSON writes it.
fn value_text(value: &Field) -> String {
    let is_plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":/._~-".contains(&byte))
            && text.contains([':', '_', '-'])
    };
    match value {
        Field::Text(text) if is_plain(text) => text.clone(),
        Field::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Field::Texts(texts) => serde_json::Value::from(texts.as_slice()).to_string(),
    }
}

/// A pair of the new entry.
enum Wanted<'a> {
    Old(&'a (Node, Node)),
    New(&'static str, &'a Field),
}

impl Wanted<'_> {
    fn is(&self, pair: &(Node, Node)) -> bool {
        match self {
            Self::Old(old) => same_pair(old, pair),
            Self::New(name, value) => {
                let of = |value: &Node| -> Vec<String> {
                    let texts = match &value.kind {
                        Kind::Sequence(nodes) => nodes.iter().filter_map(Node::text).collect(),
                        _ => Vec::from_iter(value.text()),
                    };
                    texts.into_iter().map(str::to_owned).collect()
                };
                pair.0.text() == Some(name) && of(&pair.1) == (*value).clone().texts()
            }
        }
    }
}

/// Whether the new tree is the old one but for the entry that the names lead to, and that is what is wanted.
fn is_replaced(old: &Node, new: &Node, entry: &[String], wanted: &[Wanted<'_>]) -> bool {
    let Some((name, rest)) = entry.split_first() else {
        return pairs_of(new).is_ok_and(|pairs| {
            pairs.len() == wanted.len() && pairs.iter().zip(wanted).all(|(pair, wanted)| wanted.is(pair))
        });
    };
    if (&old.tag, old.anchor) != (&new.tag, new.anchor) {
        return false;
    }
    match (&old.kind, &new.kind) {
        (Kind::Mapping { pairs: old, .. }, Kind::Mapping { pairs: new, .. }) => {
            let is = |(old, new): (&(Node, Node), &(Node, Node))| {
                if old.0.text() == Some(name) {
                    old.0.means(&new.0) && is_replaced(&old.1, &new.1, rest, wanted)
                } else {
                    same_pair(old, new)
                }
            };
            old.len() == new.len() && old.iter().zip(new).all(is)
        }
        (Kind::Sequence(old), Kind::Sequence(new)) => {
            let is = |(at, (old, new)): (usize, (&Node, &Node))| {
                if at.to_string() == *name {
                    is_replaced(old, new, rest, wanted)
                } else {
                    old.means(new)
                }
            };
            old.len() == new.len() && old.iter().zip(new).enumerate().all(is)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
