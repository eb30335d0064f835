//! What commands print: tables and sentences for people, JSON for programs.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::compose::Problems;
use crate::config::file::ConfigError;
use crate::house::OpenError;
use crate::operator::{Answer, Failure};

/// The command was not done, and has said why by itself.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not done")]
pub struct Said;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// For programs.
    pub json: bool,
}

impl Output {
    /// Prints a text to standard output. A reader that went away is no failure.
    pub fn print(self, text: &str) {
        let _ = writeln!(anstream::stdout(), "{text}");
    }

    /// Prints a command's answer.
    pub fn answer(self, answer: &Answer) {
        let text = match (self.json, answer) {
            (true, Answer::List { rows, .. }) => format!("{:#}", Value::from(rows.clone())),
            (true, Answer::Item(item) | Answer::Done { item, .. }) => format!("{item:#}"),
            (false, Answer::List { rows, empty, .. }) if rows.is_empty() => {
                let _ = writeln!(anstream::stderr(), "{empty}");
                return;
            }
            (false, Answer::List { columns, rows, .. }) => table(columns, rows),
            (false, Answer::Item(item)) => facts(item),
            (false, Answer::Done { text, .. }) => text.lines().map(printable).collect::<Vec<_>>().join("\n"),
        };
        self.print(&text);
    }

    /// Prints one row of a list by itself, while others are still to come.
    pub fn line(self, columns: &[String], row: &Value) {
        let text = if self.json {
            row.to_string()
        } else {
            let cells: Vec<_> = columns.iter().map(|column| cell(&row[column.as_str()])).collect();
            cells.join("  ")
        };
        self.print(&text);
    }

    /// Prints why a command was not done, and gives its exit code.
    pub fn failed(self, error: &anyhow::Error) -> u8 {
        let code = exit_code(error);
        if error.is::<Said>() {
            return code;
        }
        let text = sentence(error);
        if self.json {
            self.print(&format!("{:#}", json!({ "error": text, "exit_code": code })));
        } else {
            let (red, plain) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
            // Some of it may be the words of somebody else's server.
            let text = text.lines().map(printable).collect::<Vec<_>>().join("\n");
            let _ = writeln!(anstream::stderr(), "{red}error:{plain} {text}");
        }
        code
    }
}

/// An error with its causes; one that only repeats the one before is left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut parts = Vec::<String>::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if parts.last().is_none_or(|before| !before.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit_code();
    }
    let wrong_configuration = error.downcast_ref::<ConfigError>().is_some()
        || error.downcast_ref::<Problems>().is_some()
        || matches!(
            error.downcast_ref::<OpenError>(),
            Some(OpenError::Problems(_) | OpenError::MasterKey(_))
        );
    if wrong_configuration { 2 } else { 1 }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => printable(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) if values.is_empty() => "–".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A text as it may stand on a terminal. Much of what is shown was named by strangers.
pub(crate) fn printable(text: &str) -> String {
    let is_risky = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(is_risky) {
        return text.to_owned();
    }
    let shown = text.chars().map(|c| {
        if is_risky(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    });
    shown.collect::<Vec<_>>().concat()
}

fn table(columns: &[String], rows: &[Value]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table.set_header(
        columns
            .iter()
            .map(|column| column.to_uppercase().replace('_', " ")),
    );
    for row in rows {
        table.add_row(columns.iter().map(|column| cell(&row[column.as_str()])));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

fn facts(item: &Value) -> String {
    let Value::Object(members) = item else {
        return cell(item);
    };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    let line =
        |(name, value): (&String, &Value)| format!("{:width$}  {}", name.replace('_', " "), cell(value));
    members.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_people() {
        let rows = [
            json!({ "username": "ana", "administrator": true, "last_sign_in_at": null }),
            json!({ "username": "bob", "administrator": false, "last_sign_in_at": "2026-11-20T12:00:00Z" }),
        ];
        let columns = ["username", "administrator", "last_sign_in_at"].map(str::to_owned);
        insta::assert_snapshot!(table(&columns, &rows), @r"
        USERNAME  ADMINISTRATOR  LAST SIGN IN AT
        ana       yes            –
        bob       no             2026-11-20T12:00:00Z
        ");
    }

    #[test]
    fn what_strangers_named_does_not_steer_the_terminal() {
        let item = json!({ "name": "a\u{1b}[2Jb\u{202e}c\nd" });
        assert_eq!(facts(&item), "name  a\\u{1b}[2Jb\\u{202e}c\\nd");
    }

    #[test]
    fn facts_for_people() {
        let item = json!({ "username": "ana", "groups": ["a", "b"], "created_at": "today" });
        insta::assert_snapshot!(facts(&item), @r"
        username    ana
        groups      a, b
        created at  today
        ");
    }
}
