//! `vestibule reference`: the pages of `docs/` that are made from the code. Not shown in the help; run by
//! `cargo xtask docs`.

use std::fmt::Write as _;

use clap::{Command, Subcommand};
use serde_json::Value;

/// A page.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Reference {
    /// docs/configuration.md
    Configuration,
    /// docs/commands.md
    Commands,
    /// docs/scan-rules.md
    ScanRules,
}

impl Reference {
    /// The page's text.
    pub fn text(self, program: &mut Command) -> String {
        match self {
            Self::Configuration => configuration(&crate::config::schema()),
            Self::Commands => commands(program),
            // Those that are built in are read by a test.
            Self::ScanRules => scan::Rules::built_in()
                .as_ref()
                .map(crate::commands::scan::rules_page)
                .unwrap_or_default(),
        }
    }
}

const CONFIGURATION: &str = "\
# Configuration reference

<!-- Made from the code by `cargo xtask docs`. -->

One file, `vestibule.yaml`; `vestibule init` writes one to begin with, `vestibule check` says what is wrong with
it, and `vestibule schema` prints its JSON Schema for your editor. A key that does not exist is an error that
names the nearest one that does, with line and column.

- Spans of time are written `90s`, `15m`, `12h`, `30d`; sizes `512KiB`, `4MiB`.
- A relative path starts at the folder of the configuration file.
- Every single value that is not below a name of your own can come from the environment: `VESTIBULE_LISTEN` sets
  `listen`, `VESTIBULE_DATABASE__URL` sets `database.url`. The environment counts more than the file.
- The file, and every file that it names, is read again when it changes and on SIGHUP. If what is there is wrong,
  the configuration before stays and the log says why. Keys that need a restart are named in the log.
";

fn configuration(schema: &Value) -> String {
    let mut page = CONFIGURATION.to_owned();
    section(&mut page, schema, schema, "");
    page
}

/// The keys of one object, and below it those of the objects in it.
fn section(page: &mut String, root: &Value, object: &Value, path: &str) {
    let title = if path.is_empty() { "Top level" } else { path };
    let _ = writeln!(page, "\n## {}\n", code_unless(title, path.is_empty()));
    if let Some(text) = object["description"].as_str().filter(|_| !path.is_empty()) {
        let _ = writeln!(page, "{}\n", flowing(text));
    }
    page.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut below = Vec::new();
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let (kind, inner) = kind(root, property);
        let default = match &property["default"] {
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            _ if inner.is_some() => String::new(),
            Value::Null => String::new(),
            Value::Array(list) if list.is_empty() => String::new(),
            value => format!("`{}`", plain(value)),
        };
        let text = property["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "| `{name}` | {kind} | {default} | {} |", flowing(text));
        below.extend(inner.map(|(inner, suffix)| (format!("{key}{suffix}"), inner)));
    }
    for (path, inner) in below {
        section(page, root, inner, &path);
    }
}

fn code_unless(text: &str, plain: bool) -> String {
    if plain {
        text.to_owned()
    } else {
        format!("`{text}`")
    }
}

/// What a value looks like, and the object that it is or holds, with what is added to its path.
fn kind<'a>(root: &'a Value, property: &'a Value) -> (String, Option<(&'a Value, &'static str)>) {
    let schema = resolved(root, property);
    if let Some(choices) = choices(schema) {
        return (choices, None);
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kinds {
        Some("object") => match schema
            .get("additionalProperties")
            .filter(|values| values.is_object())
        {
            Some(values) => match kind(root, values) {
                (_, Some((inner, _))) => ("sections by name".to_owned(), Some((inner, ".NAME"))),
                (text, None) => (format!("{text} by name"), None),
            },
            None => ("section".to_owned(), Some((schema, ""))),
        },
        Some("array") => match kind(root, &schema["items"]) {
            (_, Some((inner, _))) => ("list of sections".to_owned(), Some((inner, "[]"))),
            (text, None) => (format!("list of {text}"), None),
        },
        Some("integer") => ("number".to_owned(), None),
        Some("boolean") => ("`true` or `false`".to_owned(), None),
        _ if schema["pattern"]
            .as_str()
            .is_some_and(|pattern| pattern.contains("MiB")) =>
        {
            ("size".to_owned(), None)
        }
        _ if schema["pattern"].is_string() => ("span".to_owned(), None),
        _ => ("text".to_owned(), None),
    }
}

fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let schema = property["anyOf"].get(0).unwrap_or(property);
    match schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// The words that an enumeration has.
fn choices(schema: &Value) -> Option<String> {
    let listed = schema["enum"].as_array().cloned();
    let described = schema["oneOf"]
        .as_array()
        .map(|all| all.iter().map(|one| one["const"].clone()).collect());
    let words: Vec<String> = listed
        .or(described)?
        .iter()
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .collect();
    Some(words.join(", "))
}

/// As it would stand in the file.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn flowing(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

const COMMANDS: &str = "\
# Commands

<!-- Made from the code by `cargo xtask docs`. -->

Every command takes `--config FILE` (`vestibule.yaml` if not given, or what `VESTIBULE_CONFIG` names) and
`--json`. While a server runs, commands go to it through `control.sock` in its data directory; without one they
open the database themselves.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | not done; of `scan`, that something was found |
| 2 | wrong usage or configuration |
| 3 | there is no such thing |
| 4 | it is so already |
";

fn commands(program: &mut Command) -> String {
    program.build();
    let mut page = COMMANDS.to_owned();
    for command in program.get_subcommands() {
        describe(&mut page, "vestibule", command);
    }
    page
}

fn describe(page: &mut String, before: &str, command: &Command) {
    let name = format!("{before} {}", command.get_name());
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "\n## `{name}`\n\n{about}.");
        for inner in command.get_subcommands() {
            describe(page, &name, inner);
        }
        return;
    }
    let level = if before.contains(' ') { "###" } else { "##" };
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page, "\n{level} `{name}`\n\n{}.", about.trim_end_matches('.'));
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|argument| {
            !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str())
        })
        .collect();
    if arguments.is_empty() {
        return;
    }
    page.push_str("\n| argument | meaning |\n| --- | --- |\n");
    for argument in arguments {
        let mut shown = argument.to_string();
        if argument.get_long().is_some() && !argument.is_required_set() {
            shown = format!("[{shown}]");
        }
        let mut help = argument
            .get_help()
            .map(|help| flowing(&help.to_string()))
            .unwrap_or_default();
        let defaults = argument.get_default_values();
        if defaults.iter().any(|value| !value.is_empty()) && argument.get_action().takes_values() {
            let values: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
            let _ = write!(help, " (`{}` if not given)", values.join(", "));
        }
        let _ = writeln!(page, "| `{shown}` | {help} |");
    }
}
