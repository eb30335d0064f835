//! Which arguments of a call join its record.
//!
//! The rules stand with the server that they are about, so a call to one without rules pays nothing.

use std::sync::Arc;

use audit::Chosen;
use audit::chosen::{LEFT_OUT, UNCLEAR, Values, written};
use bytes::Bytes;
use policy::pattern::fits;
use policy::{Act, Arguments, Found};

use crate::message::{Element, Read};

/// Most bytes of one event's arguments, as they are stored: a batch names as many as its sender likes.
const MOST: usize = 16 * 1024;
/// Most members of an object that are looked at for a name: nobody writes so many who means one of them.
const MOST_MEMBERS: usize = 1000;

/// A rule of a server: arguments whose values join the record.
#[derive(Clone, Debug)]
pub struct KeptArguments {
    /// Only of tools of these names, in which `*` stands for any text; of all if empty.
    pub tools: Vec<String>,
    /// Where they stand: names of members, joined by dots.
    pub paths: Vec<Arc<str>>,
}

impl KeptArguments {
    fn is_about(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|pattern| fits(pattern, tool))
    }
}

/// What of a body's arguments joins the record.
pub(crate) fn choose(rules: &[KeptArguments], read: &Read) -> Chosen {
    if rules.is_empty() {
        return Chosen::Nothing;
    }
    let mut room = Room {
        left: MOST,
        is_full: false,
    };
    let mut messages = read
        .elements
        .iter()
        .map(|element| of_message(rules, element, &read.bytes, &mut room));
    if !read.is_batch {
        return messages.next().map_or(Chosen::Nothing, Chosen::Message);
    }
    let batch = Chosen::Batch(messages.collect());
    if batch.is_empty() { Chosen::Nothing } else { batch }
}

/// What one event may still take.
struct Room {
    left: usize,
    /// Whether something did not fit.
    is_full: bool,
}

impl Room {
    /// Whether this fits; then it takes its place.
    fn fits(&mut self, path: &str, value: &str) -> bool {
        // In JSON a text may be several times as long as it is.
        let stored = path.len() + serde_json::Value::from(value).to_string().len();
        match self.left.checked_sub(stored) {
            Some(left) => self.left = left,
            None => {
                self.is_full = true;
                return false;
            }
        }
        true
    }
}

fn of_message(rules: &[KeptArguments], element: &Element, body: &Bytes, room: &mut Room) -> Values {
    let mut values = Values::new();
    // Traces alone would fill the record too: from here on it is one a message.
    let was_full = room.is_full;
    for asked in &element.asked {
        let Act::CallTool(tool) = asked.act() else {
            continue;
        };
        let mut concerned = rules.iter().filter(|rule| rule.is_about(tool)).peekable();
        if concerned.peek().is_none() {
            continue;
        }
        let arguments = Arguments::read(asked.arguments(body));
        for path in concerned.flat_map(|rule| &rule.paths) {
            // Two rules may name the same.
            if values.contains_key(path) {
                continue;
            }
            let value = match arguments.find_among(path, MOST_MEMBERS) {
                Found::Absent => continue,
                // Whoever writes a name twice, in two ways, is not without a trace.
                Found::Unclear => UNCLEAR.to_owned(),
                Found::Value(value) => written(value),
            };
            let fits = !was_full && room.fits(path, &value);
            let value = if fits { value } else { LEFT_OUT.to_owned() };
            values.insert(Arc::clone(path), value);
            if was_full {
                return values;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests;
