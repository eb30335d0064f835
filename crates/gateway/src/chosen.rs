//! Which arguments of a call join its record.
//!
//! The rules stand with the server that they are about, so a call to one without rules pays nothing.

use std::sync::Arc;

use audit::Chosen;
use audit::chosen::{UNCLEAR, Values, written};
use bytes::Bytes;
use policy::{Act, Arguments, Found};

use crate::message::{Element, Read};
use crate::pattern::fits;

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
    let mut messages = read
        .elements
        .iter()
        .map(|element| of_message(rules, element, &read.bytes));
    if !read.is_batch {
        return messages.next().map_or(Chosen::Nothing, Chosen::Message);
    }
    let batch = Chosen::Batch(messages.collect());
    if batch.is_empty() { Chosen::Nothing } else { batch }
}

fn of_message(rules: &[KeptArguments], element: &Element, body: &Bytes) -> Values {
    let mut values = Values::new();
    for asked in &element.asked {
        let Act::CallTool(tool) = asked.act() else {
            continue;
        };
        let mut concerned = rules.iter().filter(|rule| rule.is_about(tool)).peekable();
        if concerned.peek().is_none() {
            continue;
        }
        let text = asked.arguments.clone().and_then(|span| body.get(span));
        let arguments = Arguments::read(text.and_then(|text| std::str::from_utf8(text).ok()));
        for path in concerned.flat_map(|rule| &rule.paths) {
            let value = match arguments.find(path) {
                Found::Absent => continue,
                // Whoever writes a name twice, in two ways, is not without a trace.
                Found::Unclear => UNCLEAR.to_owned(),
                Found::Value(value) => written(value),
            };
            values.insert(Arc::clone(path), value);
        }
    }
    values
}

#[cfg(test)]
mod tests;
