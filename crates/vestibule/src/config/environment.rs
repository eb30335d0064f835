//! The environment, read in this one place.
//!
//! `VESTIBULE_LISTEN` sets `listen`, `VESTIBULE_DATABASE__URL` sets `database.url`: every scalar outside a
//! map can be set so, and a variable counts more than the file.

use std::collections::BTreeMap;

use model::SecretString;
use serde_json::{Map, Value};

/// What every variable of ours begins with.
const PREFIX: &str = "VESTIBULE_";
/// Holds the master key itself.
pub const MASTER_KEY: &str = "VESTIBULE_MASTER_KEY";
/// Names the configuration file; read by the command line.
pub const CONFIG: &str = "VESTIBULE_CONFIG";

/// The environment's variables as they were at the start.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// The process's own.
    pub fn read() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(variables.collect())
    }

    /// These variables, for tests.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all variables that begin like ours.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(PREFIX))
    }

    /// Every variable, with its value.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What a program of the operator's may see: all but ours, which can hold secrets, and but `secrets`.
    pub fn for_programs<'a>(&'a self, secrets: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !name.starts_with(PREFIX) && secrets.iter().all(|secret| secret != name))
    }

    /// All but one.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut fewer = self.clone();
        fewer.0.remove(name);
        fewer
    }

    /// Lays the variables that set keys over a configuration, and gives those of ours that set nothing.
    ///
    /// # Errors
    /// If a value does not fit its key; the value may be a secret and is not shown.
    pub fn lay_over(&self, config: &mut Value, schema: &Value) -> Result<Vec<String>, String> {
        let mut unknown = Vec::new();
        for (name, text) in &self.0 {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if [MASTER_KEY, CONFIG].contains(&name.as_str()) {
                continue;
            }
            let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
            match find(schema, schema, &path) {
                Some(kind) => set(
                    config,
                    &path,
                    value(kind, text).ok_or_else(|| format!("is no {kind}"))?,
                ),
                None => unknown.push(name.clone()),
            }
        }
        Ok(unknown)
    }
}

impl vault::template::Environment for Environment {
    fn variable(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(|value| value.to_owned().into())
    }
}

/// The JSON type of the key at this path, if it is a scalar outside a map.
fn find<'a>(root: &'a Value, schema: &'a Value, path: &[String]) -> Option<&'a str> {
    let schema = resolved(root, schema);
    let Some((name, rest)) = path.split_first() else {
        return scalar(schema);
    };
    find(root, schema.get("properties")?.get(name)?, rest)
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // An optional section is `anyOf` it and null.
    if let Some(first) = schema.get("anyOf").and_then(|any| any.get(0)) {
        schema = first;
    }
    match schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|name| name.strip_prefix('#'))
    {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

fn scalar(schema: &Value) -> Option<&str> {
    if schema.get("oneOf").is_some() || schema.get("enum").is_some() {
        return Some("string");
    }
    let kind = match schema.get("type")? {
        // An optional scalar is `["string", "null"]`.
        Value::Array(kinds) => kinds.first()?,
        kind => kind,
    };
    kind.as_str()
        .filter(|kind| ["string", "integer", "boolean"].contains(kind))
}

fn value(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "integer" => text.trim().parse::<u64>().ok().map(Value::from),
        "boolean" => text.trim().parse::<bool>().ok().map(Value::from),
        _ => Some(Value::from(text.trim())),
    }
}

fn set(config: &mut Value, path: &[String], value: Value) {
    let mut here = config;
    for name in path {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        let Value::Object(members) = here else { return };
        here = members.entry(name.clone()).or_insert(Value::Null);
    }
    *here = value;
}
