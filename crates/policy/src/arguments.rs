//! A call's arguments: what stands at a path, and what the policies of its tool read of them.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Value};

use crate::schema::{ArgumentType, Declarations};

/// The arguments of one call.
#[derive(Debug)]
pub struct Arguments(Value);

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'v> {
    /// Nothing.
    Absent,
    /// Something that not everybody reads alike.
    Unclear,
    /// This.
    Value(&'v Value),
}

impl Arguments {
    /// From `params.arguments`. The message was proved to be strict JSON when it was read, so there is one reading of
    /// it (DEC-19).
    pub fn read(text: Option<&str>) -> Self {
        let value = text.and_then(|text| serde_json::from_str(text).ok());
        Self(value.unwrap_or(Value::Null))
    }

    /// Whether everything that a policy declares is there and what it was declared to be: no fraction, no number out
    /// of range, no text where a number should be. If not, the policy cannot be judged; then it refuses.
    pub(crate) fn satisfy(&self, declared: &Declarations) -> bool {
        declared.iter().all(|(path, declared)| match self.find(path) {
            Found::Absent => declared.optional,
            Found::Unclear => false,
            Found::Value(value) => represent(value).is_some_and(|(kind, _)| kind == declared.kind),
        })
    }

    /// The record `context.arguments`, with everything at these paths that can be represented.
    pub(crate) fn record<'p>(&self, paths: impl Iterator<Item = &'p String>) -> Option<RestrictedExpression> {
        let paths: BTreeSet<_> = paths.collect();
        let members = paths.into_iter().filter_map(|path| match self.find(path) {
            Found::Value(value) => Some((path.clone(), represent(value)?.1)),
            Found::Absent | Found::Unclear => None,
        });
        RestrictedExpression::new_record(members).ok()
    }

    /// What stands at a path of member names that are joined by dots.
    pub fn find(&self, path: &str) -> Found<'_> {
        self.find_among(path, usize::MAX)
    }

    /// The same, but an object with more members than this is unclear: who only takes note need not look at them all.
    pub fn find_among(&self, path: &str, most: usize) -> Found<'_> {
        let mut value = &self.0;
        for name in path.split('.') {
            let members = match value {
                Value::Object(members) => members,
                Value::Null => return Found::Absent,
                // Some servers read an object out of a text.
                _ => return Found::Unclear,
            };
            if members.len() > most || is_said_otherwise(members, name) {
                return Found::Unclear;
            }
            match members.get(name) {
                Some(found) => value = found,
                None => return Found::Absent,
            }
        }
        Found::Value(value)
    }
}

/// Whether a member's name differs from this one only in case: readers such as Go's take it for the same.
fn is_said_otherwise(members: &Map<String, Value>, name: &str) -> bool {
    members
        .keys()
        .any(|member| member != name && is_same_but_for_case(member, name))
}

/// Whether two names are the same to readers such as Go's. Allocates nothing: there may be as many members as a body holds.
pub(crate) fn is_same_but_for_case(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        one.eq_ignore_ascii_case(other)
    } else {
        folded(one).eq(folded(other))
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == '\u{17f}' { 's' } else { c })
}

/// A value in Cedar, with its type.
fn represent(value: &Value) -> Option<(ArgumentType, RestrictedExpression)> {
    match value {
        Value::String(text) => Some((
            ArgumentType::String,
            RestrictedExpression::new_string(text.clone()),
        )),
        Value::Number(number) => Some((
            ArgumentType::Long,
            RestrictedExpression::new_long(number.as_i64()?),
        )),
        Value::Bool(truth) => Some((ArgumentType::Bool, RestrictedExpression::new_bool(*truth))),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items
                .iter()
                .map(|item| Some(RestrictedExpression::new_string(item.as_str()?.to_owned())))
                .collect();
            Some((ArgumentType::Set, RestrictedExpression::new_set(texts?)))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
