//! The record for other tools: JSON lines, CSV, OCSF. Read back in time, latest first. It proves nothing; that is what
//! [`export`](crate::export) is for.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use store::{Store, StoreError};

use crate::reading::{Entry, Filter, Search, row};

/// What the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// One OCSF event a line, as JSON.
    Ocsf,
}

/// Names that stand beside ids.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of accounts.
    pub accounts: HashMap<String, String>,
    /// Of clients.
    pub clients: HashMap<String, String>,
}

impl Names {
    /// An event as an object, with names beside the ids and the time as people read it.
    pub fn row(&self, entry: &Entry) -> Map<String, Value> {
        let mut row = row(entry);
        row.insert("at".to_owned(), Value::from(entry.at.to_string()));
        name(&mut row, "account", "user", &self.accounts);
        // What it was called then outweighs what it is called now.
        if !row.contains_key("client_vouched_by") {
            name(&mut row, "client", "client_name", &self.clients);
        }
        let username = row.get("username").cloned();
        row.entry("user").or_insert(username.unwrap_or(Value::Null));
        row
    }
}

/// Adds the readable name beside an id.
fn name(row: &mut Map<String, Value>, member: &str, readable: &str, names: &HashMap<String, String>) {
    let found = row
        .get(member)
        .and_then(Value::as_str)
        .and_then(|id| names.get(id).cloned());
    if let Some(found) = found {
        row.insert(readable.to_owned(), Value::from(found));
    }
}

/// Events on their way out, piece by piece.
#[derive(Debug)]
pub struct Readable {
    search: Search,
    form: Form,
    names: Names,
    version: &'static str,
    has_begun: bool,
}

impl Readable {
    /// Of the events that fit.
    pub fn new(filter: Filter, form: Form, names: Names, version: &'static str) -> Self {
        Self {
            search: Search::new(filter),
            form,
            names,
            version,
            has_begun: false,
        }
    }

    /// The next lines; `None` after the last.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<String>, StoreError> {
        let mut text = String::new();
        if !self.has_begun && self.form == Form::Csv {
            text = csv(COLUMNS.iter().map(|column| (*column).to_owned()));
        }
        let begins = !self.has_begun;
        self.has_begun = true;
        let Some(entries) = self.search.next(store).await? else {
            return Ok((begins && !text.is_empty()).then_some(text));
        };
        for entry in &entries {
            let row = self.names.row(entry);
            let line = match self.form {
                Form::Csv => csv(columns(&row)),
                Form::Jsonl => Value::Object(row).to_string() + "\n",
                Form::Ocsf => crate::ocsf::event(entry, &row, self.version).to_string() + "\n",
            };
            text.push_str(&line);
        }
        Ok(Some(text))
    }
}

/// The columns of CSV; what else an event says is in the last, as JSON. New ones go right before it: readers may count.
const COLUMNS: [&str; 20] = [
    "at",
    "id",
    "event",
    "user",
    "account",
    "client",
    "client_name",
    "agent",
    "server",
    "method",
    "target",
    "outcome",
    "status",
    "reason",
    "rule",
    "address",
    "user_agent",
    "client_vouched_by",
    "chosen_arguments",
    "details",
];

fn columns(row: &Map<String, Value>) -> impl Iterator<Item = String> {
    let mut values: Vec<_> = COLUMNS[..COLUMNS.len() - 1]
        .iter()
        .map(|column| match row.get(*column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
        .collect();
    let rest: Map<_, _> = row
        .iter()
        .filter(|(member, _)| !COLUMNS.contains(&member.as_str()) && *member != "username")
        .map(|(member, value)| (member.clone(), value.clone()))
        .collect();
    values.push(json!(rest).to_string());
    values.into_iter()
}

/// What a spreadsheet begins a formula with; the wide ones it takes for the others.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
/// Behind these a spreadsheet of some country sees another field.
const SEPARATORS: [char; 5] = [',', ';', '\t', '\r', '\n'];

/// One line (RFC 4180). Much of it was named by strangers: what a spreadsheet would take for a formula gets an
/// apostrophe before it.
fn csv(values: impl Iterator<Item = String>) -> String {
    let line: Vec<_> = values.map(|value| field(&value)).collect();
    format!("{}\r\n", line.join(","))
}

fn field(value: &str) -> String {
    let mut guarded = String::with_capacity(value.len());
    let mut begins = true;
    for c in value.chars() {
        if begins && FORMULA.contains(&c) {
            guarded.push('\'');
        }
        begins = SEPARATORS.contains(&c);
        guarded.push(c);
    }
    let is_plain = !guarded.contains([',', '"', '\r', '\n']) && guarded.trim_matches(' ') == guarded;
    if is_plain {
        guarded
    } else {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_where_they_were() {
        let before = "at,id,event,user,account,client,client_name,agent,server,method,target,outcome,status,reason,rule,\
            address,user_agent";
        let now = COLUMNS.join(",");
        assert_eq!(
            now.strip_prefix(before),
            Some(",client_vouched_by,chosen_arguments,details")
        );
    }

    #[test]
    fn a_line_of_csv_is_no_formula_and_keeps_its_fields_apart() {
        let values = ["a,b", "say \"hi\"", "=1+2", "two\nlines", "@x", "plain"].map(str::to_owned);
        assert_eq!(
            csv(values.into_iter()),
            "\"a,b\",\"say \"\"hi\"\"\",'=1+2,\"two\nlines\",'@x,plain\r\n"
        );
        // To a spreadsheet that separates with semicolons, or to one that ends a field at a line break.
        let values = ["x;=1+2", "x\n=1+2", "1;2", "－1"].map(str::to_owned);
        assert_eq!(csv(values.into_iter()), "x;'=1+2,\"x\n'=1+2\",1;2,'－1\r\n");
    }
}
