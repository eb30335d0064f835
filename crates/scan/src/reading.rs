//! What a file says: its values, each with its name, whatever form the file has.
//!
//! A file that is not of the form that its name promises is read line by line, so that a comma too many hides nothing.
//! Every reader takes bytes from outside: each is bounded and never panics.

use std::ops::Range;

mod json;
mod lines;
mod netrc;
mod toml;
pub(crate) mod tree;
mod yaml;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, also with comments.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// `name = value` in sections, or without: `.env`, `.npmrc`, what shells read when they start.
    Assignments,
    /// `machine`, `login` and `password`.
    Netrc,
    /// A program, a text, anything else: only what is written as a literal counts.
    Text,
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// The names that lead to it, outermost first.
    pub(crate) path: Vec<String>,
    /// What it is, without its quotes.
    pub(crate) text: String,
    /// Where it stands, without its quotes, in bytes.
    pub(crate) range: Range<usize>,
}

/// The most values of one file.
const VALUES: usize = 200_000;

/// The values of a text.
pub(crate) fn values(text: &str, form: Form) -> Vec<Value> {
    let structured = match form {
        Form::Json => json::values(text),
        Form::Toml => toml::values(text),
        Form::Yaml => tree::values(text).or_else(|| Some(yaml::values(text))),
        Form::Netrc => Some(netrc::values(text)),
        Form::Assignments => Some(lines::assignments(text)),
        Form::Text => Some(lines::literals(text)),
    };
    let mut values = structured.unwrap_or_else(|| lines::assignments(text));
    values.truncate(VALUES);
    values
}

#[cfg(test)]
mod tests;
