//! `vestibule preset`: what is known of providers and MCP servers, as the configuration has it.

use clap::Subcommand;
use serde_json::json;

use crate::operator::{Answer, Failure};
use crate::output::Output;
use crate::presets::{Host, Kind, Preset};

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum PresetCommand {
    /// All of them: of providers, for `preset` of a connector; of MCP servers, for `recipe` of a server's credential; and of
    /// providers at which people sign in, for `preset` there
    List,
    /// Print one as YAML to be put into the configuration and changed
    Show {
        /// Which
        name: String,
        /// Where the provider is, for one that has it in its addresses
        #[arg(long)]
        host: Option<Host>,
    },
}

impl PresetCommand {
    /// Runs it.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List => output.answer(&list()),
            Self::Show { name, host } => {
                let found = of_name(&name)?;
                let shown = found.iter().map(|preset| text(preset, host.as_ref()));
                let shown = shown.collect::<Vec<_>>().join("\n");
                if output.json {
                    let rows: Vec<_> = found.iter().map(row).collect();
                    output.print(&format!("{:#}", json!({ "presets": rows, "yaml": shown })));
                } else {
                    output.print(shown.trim_end());
                }
            }
        }
        Ok(())
    }
}

fn list() -> Answer {
    let all = Kind::ALL.into_iter().flat_map(Kind::presets);
    let rows = all.map(|preset| row(&preset)).collect();
    Answer::list(
        ["name", "section", "key", "host", "about"],
        rows,
        "there are none",
    )
}

fn row(preset: &Preset) -> serde_json::Value {
    json!({
        "name": preset.name,
        "section": preset.kind.section(),
        "key": preset.kind.key(),
        "host": preset.needs_host(),
        "about": preset.about(),
    })
}

/// A provider and a server may be called the same.
fn of_name(name: &str) -> Result<Vec<Preset>, Failure> {
    let found: Vec<_> = Kind::ALL
        .into_iter()
        .filter_map(|kind| Preset::find(kind, name).ok())
        .collect();
    if found.is_empty() {
        return Err(Failure::NotFound(format!(
            "there is no preset called {name:?}; `vestibule preset list` has all of them"
        )));
    }
    Ok(found)
}

/// As a fragment of the configuration, its comments with it.
fn text(preset: &Preset, host: Option<&Host>) -> String {
    let (head, depth) = match preset.kind {
        Kind::Provider => (format!("connectors:\n  {}:\n", preset.name), 4),
        Kind::Server if preset.is_api() => (
            format!("servers:\n  {}:\n    kind: api\n    credential:\n", preset.name),
            6,
        ),
        Kind::Server => (format!("servers:\n  {}:\n    credential:\n", preset.name), 6),
        Kind::SignIn => (format!("sign_in:\n  providers:\n    {}:\n", preset.name), 6),
    };
    let indent = " ".repeat(depth);
    let body = preset.text(host);
    let lines = body.lines().map(|line| format!("{indent}{line}\n"));
    format!("{head}{}", lines.collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Environment;
    use crate::config::file;

    /// What is shown can be put into a file: it is read, and says what the preset says.
    #[test]
    fn what_is_shown_is_a_configuration() {
        let host: Host = "a.example.com".parse().unwrap();
        for preset in Kind::ALL.into_iter().flat_map(Kind::presets) {
            let mut shown = text(&preset, Some(&host));
            if preset.kind == Kind::Server {
                shown.push_str("    upstream: http://a.example/mcp\n    allow: []\n");
            }
            let read = file::parse(
                &shown,
                "vestibule.yaml".as_ref(),
                "/etc".into(),
                &Environment::default(),
            );
            let config = read
                .unwrap_or_else(|error| panic!("{}: {error}", preset.name))
                .config;
            let is_there = match preset.kind {
                Kind::Provider => config.connectors.contains_key(preset.name),
                Kind::Server => !config.servers[preset.name].credential.headers.is_empty(),
                Kind::SignIn => config.sign_in.providers.contains_key(preset.name),
            };
            assert!(is_there && !shown.contains("{host}"), "{shown}");
        }
    }

    #[test]
    fn an_unknown_one_says_where_to_look() {
        let error = of_name("gitae").unwrap_err();
        assert!(error.to_string().contains("`vestibule preset list`"), "{error}");
        assert_eq!(of_name("slack-mcp").unwrap().len(), 2, "a provider and a server");
    }
}
