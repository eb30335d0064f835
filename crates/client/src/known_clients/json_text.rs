//! Changing one member of JSON with comments, and nothing else of its text.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

/// The members of `member`, with their names.
pub(super) fn entries(text: &str, member: &str) -> Result<Vec<(String, Value)>, String> {
    let root = parse(text)?;
    let Some(servers) = root.object_value().and_then(|root| root.object_value(member)) else {
        return Ok(Vec::new());
    };
    let properties = servers.properties().into_iter();
    let named =
        properties.filter_map(|property| Some((property.decoded_name()?, property.to_serde_value()?)));
    Ok(named.collect())
}

/// The text with this entry in it.
pub(super) fn with(text: &str, member: &str, name: &str, value: &Value) -> Result<String, String> {
    let root = parse(text)?;
    let servers = of_root(&root)?
        .object_value_or_create(member)
        .ok_or_else(|| format!("{member} is no object"))?;
    let value = input(value);
    match servers.get(name) {
        Some(property) => property.set_value(value),
        None => {
            servers.append(name, value);
        }
    }
    Ok(root.to_string())
}

/// The text without this entry.
pub(super) fn without(text: &str, member: &str, name: &str) -> Result<String, String> {
    let root = parse(text)?;
    let servers = of_root(&root)?.object_value(member);
    if let Some(property) = servers.and_then(|servers| servers.get(name)) {
        property.remove();
    }
    Ok(root.to_string())
}

fn of_root(root: &CstRootNode) -> Result<CstObject, String> {
    root.object_value_or_create()
        .ok_or_else(|| "it is no object".to_owned())
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        ..ParseOptions::default()
    };
    CstRootNode::parse(text, &options).map_err(|error| error.to_string())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), input(value)));
            CstInputValue::Object(members.collect())
        }
    }
}
