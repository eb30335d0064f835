//! What is nearly YAML, as templates and files with a mistake are: nested mappings and lists by their indentation, line by line.
//!
//! Not a parser, and not asked where one takes the file: what is read keeps its place. Mappings in braces are left to the rules
//! that need no names.

use super::Value;
use super::lines::unquoted;

/// Deeper than anything that people write.
const DEPTH: usize = 64;

/// The texts in it.
pub(super) fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    // The names that are open, each with its indentation and, for a list, how far it is.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut elements: Vec<(usize, usize)> = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let start = begin;
        begin += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let mut rest = line.trim_start_matches(' ');
        let mut indent = line.len() - rest.len();
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        if rest.starts_with("---") {
            open.clear();
            elements.clear();
            continue;
        }
        open.retain(|(at, _)| *at < indent || *at == indent && rest.starts_with('-'));
        elements.retain(|(at, _)| *at <= indent);
        while let Some(inner) = rest.strip_prefix("- ") {
            open.retain(|(at, name)| *at < indent || *at == indent && !name.starts_with('\0'));
            let number = match elements.iter_mut().find(|(at, _)| *at == indent) {
                Some((_, number)) => {
                    *number += 1;
                    *number
                }
                None => {
                    elements.push((indent, 0));
                    0
                }
            };
            elements.retain(|(at, _)| *at <= indent);
            open.push((indent, format!("\0{number}")));
            let trimmed = inner.trim_start_matches(' ');
            indent += rest.len() - trimmed.len();
            rest = trimmed;
            if open.len() > DEPTH {
                return values;
            }
        }
        let at = start + line.len() - rest.len();
        if let Some((name, value, offset)) = split(rest) {
            let mut path: Vec<String> = open.iter().map(|(_, name)| shown(name)).collect();
            path.push(name.to_owned());
            let is_block = value.is_empty() || matches!(value.as_bytes().first(), Some(b'|' | b'>' | b'&'));
            if is_block {
                if open.len() < DEPTH {
                    open.push((indent, name.to_owned()));
                }
            } else {
                push(&mut values, path, value, at + offset);
            }
        } else {
            let path = open.iter().map(|(_, name)| shown(name)).collect();
            push(&mut values, path, rest, at);
        }
    }
    values
}

fn shown(name: &str) -> String {
    name.trim_start_matches('\0').to_owned()
}

fn push(values: &mut Vec<Value>, path: Vec<String>, raw: &str, at: usize) {
    let (text, inner) = unquoted(raw);
    if !text.is_empty() {
        values.push(Value {
            path,
            range: at + inner..at + inner + text.len(),
            text: text.to_owned(),
        });
    }
}

/// `name: value`, and where the value begins.
fn split(line: &str) -> Option<(&str, &str, usize)> {
    let colon = match line.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let end = line.get(1..)?.find(char::from(*quote))? + 2;
            line.get(end..)?.starts_with(':').then_some(end)?
        }
        _ => line
            .match_indices(':')
            .map(|(at, _)| at)
            .find(|at| line.as_bytes().get(at + 1).is_none_or(|next| *next == b' '))?,
    };
    let name = line.get(..colon)?.trim().trim_matches(['"', '\'']);
    let rest = line.get(colon + 1..)?;
    let value = rest.trim_start();
    Some((name, value.trim_end(), line.len() - value.len()))
}
