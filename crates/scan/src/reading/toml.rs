//! TOML.

use toml_edit::{Document, Item, Table, Value as Node};

use super::Value;

/// Deeper than anything that people write.
const DEPTH: usize = 64;

/// The texts in it. None if it is no TOML.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let document = Document::parse(text).ok()?;
    let mut values = Vec::new();
    table(document.as_table(), &mut Vec::new(), &mut values);
    // Where a text stands is where it begins, with its quotes.
    for value in &mut values {
        let whole = text.get(value.range.clone()).unwrap_or_default();
        if let Some(at) = whole.find(value.text.as_str()) {
            let start = value.range.start + at;
            value.range = start..start + value.text.len();
        }
    }
    Some(values)
}

fn table(table: &Table, path: &mut Vec<String>, values: &mut Vec<Value>) {
    for (name, item) in table {
        path.push(name.to_owned());
        self::item(item, path, values);
        path.pop();
    }
}

fn item(item: &Item, path: &mut Vec<String>, values: &mut Vec<Value>) {
    if path.len() > DEPTH {
        return;
    }
    match item {
        Item::None => {}
        Item::Value(value) => node(value, path, values),
        Item::Table(inner) => table(inner, path, values),
        Item::ArrayOfTables(tables) => {
            for (at, inner) in tables.iter().enumerate() {
                path.push(at.to_string());
                table(inner, path, values);
                path.pop();
            }
        }
    }
}

fn node(value: &Node, path: &mut Vec<String>, values: &mut Vec<Value>) {
    if path.len() > DEPTH {
        return;
    }
    match value {
        Node::String(text) => values.extend(text.span().map(|range| Value {
            path: path.clone(),
            text: text.value().clone(),
            range,
        })),
        Node::Array(array) => {
            for (at, inner) in array.iter().enumerate() {
                path.push(at.to_string());
                node(inner, path, values);
                path.pop();
            }
        }
        Node::InlineTable(inner) => {
            for (name, inner) in inner {
                path.push(name.to_owned());
                node(inner, path, values);
                path.pop();
            }
        }
        _ => {}
    }
}
