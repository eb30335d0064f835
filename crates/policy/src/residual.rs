//! What a policy says when the arguments that it reads are unknown, and what is then left of it.
//!
//! An unknown within a record makes Cedar keep the whole record, so it is the policy that is changed, and not the context.
//! Cedar evaluates both sides of `&&` and `||` as far as it can but keeps them both when the left one is unknown, because
//! that one could fail. Whether the whole can still be true does not depend on that.

use cedar_policy::Policy;
use serde_json::{Value, json};

/// The same policy, with its arguments unknown. None if that cannot be written.
pub(crate) fn without_arguments(policy: &Policy) -> Option<Policy> {
    let mut written = policy.to_json().ok()?;
    forget_arguments(&mut written);
    Policy::from_json(Some(policy.id().clone()), written).ok()
}

fn forget_arguments(expression: &mut Value) {
    let arguments = json!({ ".": { "left": { "Var": "context" }, "attr": "arguments" } });
    if *expression == arguments {
        *expression = json!({ "unknown": [{ "Value": "the arguments" }] });
        return;
    }
    match expression {
        Value::Array(items) => items.iter_mut().for_each(forget_arguments),
        Value::Object(members) => members.values_mut().for_each(forget_arguments),
        _ => {}
    }
}

/// Whether its conditions hold, if that is certain whatever the unknown is.
pub(crate) fn truth(policy: &Policy) -> Option<bool> {
    let policy = policy.to_json().ok()?;
    let conditions = policy.get("conditions")?.as_array()?.iter().map(|condition| {
        let body = condition.get("body").and_then(of);
        match condition.get("kind").and_then(Value::as_str) {
            Some("when") => body,
            Some("unless") => body.map(|body| !body),
            _ => None,
        }
    });
    all(conditions)
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut whole = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => whole = None,
        }
    }
    whole
}

/// The truth of an expression, as Cedar writes it in JSON.
fn of(expression: &Value) -> Option<bool> {
    let (operator, operand) = expression.as_object()?.iter().next()?;
    let part = |name: &str| operand.get(name).and_then(of);
    match operator.as_str() {
        "Value" => operand.as_bool(),
        "!" => part("arg").map(|truth| !truth),
        "&&" => all([part("left"), part("right")].into_iter()),
        "||" => {
            let neither = [part("left"), part("right")].map(|part| part.map(|truth| !truth));
            all(neither.into_iter()).map(|truth| !truth)
        }
        "if-then-else" => match part("if") {
            Some(true) => part("then"),
            Some(false) => part("else"),
            None => part("then").filter(|truth| part("else") == Some(*truth)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_certain_whatever_the_unknown_is() {
        let (yes, no, open) = (
            json!({ "Value": true }),
            json!({ "Value": false }),
            json!({ "==": {} }),
        );
        let both = |left: &Value, right: &Value| json!({ "&&": { "left": left, "right": right } });
        let either = |left: &Value, right: &Value| json!({ "||": { "left": left, "right": right } });
        for (expression, truth) in [
            (both(&open, &no), Some(false)),
            (both(&open, &yes), None),
            (both(&yes, &yes), Some(true)),
            (either(&open, &yes), Some(true)),
            (either(&open, &no), None),
            (json!({ "!": { "arg": both(&no, &open) } }), Some(true)),
            (
                json!({ "if-then-else": { "if": open, "then": no, "else": no } }),
                Some(false),
            ),
            (
                json!({ "if-then-else": { "if": open, "then": yes, "else": no } }),
                None,
            ),
            (json!({ "Value": 1 }), None),
        ] {
            assert_eq!(of(&expression), truth, "{expression}");
        }
    }
}
