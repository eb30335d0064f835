//! Arguments of calls that an operator chose to have on record, as texts.
//!
//! They are among what identifies a person, apart from the signed part, so that they go when the person is erased.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::holds_credential;

/// The longest text that is written down, in characters.
const LONGEST: usize = 200;
/// So much of a text is looked at for credentials, in bytes: what is written down, and what it may run into.
const LOOKED_AT: usize = 4 * LONGEST + 4096;

/// Chosen arguments of one message: by path, what stood there.
pub type Values = BTreeMap<Arc<str>, String>;

/// Chosen arguments of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Chosen {
    /// None.
    #[default]
    Nothing,
    /// Those of a message.
    Message(Values),
    /// Those of each message of a batch, in its order.
    Batch(Vec<Values>),
}

impl Chosen {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Message(values) => values.is_empty(),
            Self::Batch(messages) => messages.iter().all(BTreeMap::is_empty),
        }
    }

    /// Whether one of the messages has this value at this path.
    pub fn has(&self, path: &str, value: &str) -> bool {
        let messages = match self {
            Self::Nothing => &[],
            Self::Message(values) => std::slice::from_ref(values),
            Self::Batch(messages) => messages.as_slice(),
        };
        let mut found = messages.iter().filter_map(|values| values.get(path));
        found.any(|found| found == value)
    }
}

/// What is written down of an argument: a text, shortened, a number or truth value as text; of anything else its kind in
/// brackets. Of what may be a credential, that it was there.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "[null]".to_owned(),
        Value::Array(items) => format!("[array of {}]", items.len()),
        Value::Object(_) => "[object]".to_owned(),
    }
}

/// What is written down of an argument that not everybody reads alike.
pub const UNCLEAR: &str = "[unclear]";
/// What is written down where an event has no room left.
pub const LEFT_OUT: &str = "[left out]";

fn shortened(text: &str) -> String {
    let looked_at = text.get(..text.floor_char_boundary(LOOKED_AT)).unwrap_or(text);
    if holds_credential(looked_at) {
        return "[redacted]".to_owned();
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
