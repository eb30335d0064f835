//! A call's arguments, as far as the policies of its tool read them.

use cedar_policy::RestrictedExpression;
use serde_json::Value;

use crate::schema::{ArgumentType, Declarations, Declared};

/// The record `context.arguments`. What is missing though it must be there, and what cannot be represented (a
/// fraction, a number out of range, an object, a text where a number should be) stays unknown: a policy whose
/// answer depends on it refuses.
pub(crate) fn record(text: Option<&str>, declared: &Declarations) -> RestrictedExpression {
    // The message was proved to be strict JSON when it was read, so there is one reading of it (DEC-19).
    let arguments: Value = text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    let members = declared.iter().filter_map(|(path, declared)| {
        let value = find(&arguments, path);
        if value.is_none() && declared.optional {
            return None;
        }
        let value = value
            .and_then(|value| represent(value, *declared))
            .unwrap_or_else(|| RestrictedExpression::new_unknown(format!("the argument {path}")));
        Some((path.clone(), value))
    });
    RestrictedExpression::new_record(members)
        .unwrap_or_else(|_| RestrictedExpression::new_unknown("the arguments"))
}

/// The value at a path of member names that are joined by dots.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

fn represent(value: &Value, declared: Declared) -> Option<RestrictedExpression> {
    match (declared.kind, value) {
        (ArgumentType::String, Value::String(text)) => Some(RestrictedExpression::new_string(text.clone())),
        (ArgumentType::Long, Value::Number(number)) => Some(RestrictedExpression::new_long(number.as_i64()?)),
        (ArgumentType::Bool, Value::Bool(truth)) => Some(RestrictedExpression::new_bool(*truth)),
        (ArgumentType::Set, Value::Array(items)) => {
            let texts: Option<Vec<_>> = items
                .iter()
                .map(|item| Some(RestrictedExpression::new_string(item.as_str()?.to_owned())))
                .collect();
            Some(RestrictedExpression::new_set(texts?))
        }
        _ => None,
    }
}
