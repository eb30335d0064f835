//! Changing one table of TOML, and nothing else of its text.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, value};

/// The tables of `member`, with their names.
pub(super) fn entries(text: &str, member: &str) -> Result<Vec<(String, Value)>, String> {
    let document = parse(text)?;
    let servers = document.get(member).and_then(Item::as_table_like);
    let named = servers.into_iter().flat_map(toml_edit::TableLike::iter);
    Ok(named
        .map(|(name, item)| (name.to_owned(), json_of(item)))
        .collect())
}

/// The text with this entry in it.
pub(super) fn with(text: &str, member: &str, name: &str, entry: &Value) -> Result<String, String> {
    let mut document = parse(text)?;
    let mut fresh = Table::new();
    for (key, member) in entry.as_object().into_iter().flatten() {
        fresh.insert(key, Item::Value(value_of(member)?));
    }
    let servers = document.entry(member).or_insert_with(|| {
        let mut table = Table::new();
        // There is no heading of its own for what holds tables alone.
        table.set_implicit(true);
        Item::Table(table)
    });
    let servers = servers
        .as_table_like_mut()
        .ok_or_else(|| format!("{member} is no table"))?;
    if let Some(before) = servers.get(name).and_then(Item::as_table) {
        // What stands above it stays there.
        *fresh.decor_mut() = before.decor().clone();
        fresh.set_position(before.position());
    }
    servers.insert(name, Item::Table(fresh));
    Ok(document.to_string())
}

/// The text without this entry.
pub(super) fn without(text: &str, member: &str, name: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    if let Some(servers) = document.get_mut(member).and_then(Item::as_table_like_mut) {
        servers.remove(name);
    }
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())
}

fn value_of(json: &Value) -> Result<toml_edit::Value, String> {
    let value = match json {
        Value::Bool(flag) => value(*flag),
        Value::String(text) => value(text),
        Value::Number(number) => match number.as_i64() {
            Some(number) => value(number),
            None => value(number.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(value_of).collect();
            value(Array::from_iter(items?))
        }
        Value::Object(members) => {
            let mut table = InlineTable::new();
            for (name, member) in members {
                table.insert(name, value_of(member)?);
            }
            value(table)
        }
        Value::Null => return Err("TOML has no null".to_owned()),
    };
    value.into_value().map_err(|_| "not a value".to_owned())
}

fn json_of(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => json_of_value(value),
        Item::Table(table) => table
            .iter()
            .map(|(name, item)| (name.to_owned(), json_of(item)))
            .collect(),
        Item::ArrayOfTables(tables) => {
            let tables = tables.iter().map(|table| json_of(&Item::Table(table.clone())));
            tables.collect()
        }
    }
}

fn json_of_value(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::from(text.value().as_str()),
        Toml::Integer(number) => Value::from(*number.value()),
        Toml::Float(number) => Value::from(*number.value()),
        Toml::Boolean(flag) => Value::from(*flag.value()),
        Toml::Datetime(at) => Value::from(at.value().to_string()),
        Toml::Array(items) => items.iter().map(json_of_value).collect(),
        Toml::InlineTable(table) => table
            .iter()
            .map(|(name, value)| (name.to_owned(), json_of_value(value)))
            .collect(),
    }
}
