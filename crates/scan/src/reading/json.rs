//! JSON with comments, as editors write it.

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::Value;

/// The texts in it. None if it is no JSON; the library refuses what is nested too deeply.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    let mut values = Vec::new();
    collect(&parsed.value?, &mut Vec::new(), &mut values);
    Some(values)
}

fn collect(node: &Node<'_>, path: &mut Vec<String>, values: &mut Vec<Value>) {
    match node {
        Node::StringLit(literal) => {
            let range = literal.range();
            values.push(Value {
                path: path.clone(),
                text: literal.value.to_string(),
                range: (range.start + 1).min(range.end)..range.end.saturating_sub(1).max(range.start + 1),
            });
        }
        Node::Object(object) => {
            for property in &object.properties {
                path.push(property.name.as_str().to_owned());
                collect(&property.value, path, values);
                path.pop();
            }
        }
        Node::Array(array) => {
            for (at, element) in array.elements.iter().enumerate() {
                path.push(at.to_string());
                collect(element, path, values);
                path.pop();
            }
        }
        Node::NumberLit(_) | Node::BooleanLit(_) | Node::NullKeyword(_) => {}
    }
}
