//! `vestibule bridge install` and `uninstall`: the entry of a bridge in the file of an MCP client.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use client::known_clients::{ClientFile, Entry, Folders, Form, KnownClient};
use serde_json::{Map, Value, json};
use url::Url;

use super::profile;
use crate::operator::{Answer, Failure};
use crate::output::Output;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Installing {
    /// Write the entry of a bridge into the configuration of an MCP client
    Install(Install),
    /// Take it out again
    Uninstall(Uninstall),
}

/// Which file.
#[derive(Debug, Args)]
struct Where {
    /// The client: claude-desktop, claude-code, cursor, vscode, codex, windsurf or zed
    #[arg(value_parser = client)]
    client: KnownClient,
    /// Another file of that client, of a project for instance
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `vestibule bridge install CLIENT URL`.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    place: Where,
    /// The server's URL
    url: String,
    /// What the server is called there; the last word of its URL if not given
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Print the entry and change nothing
    #[arg(long)]
    print: bool,
    /// In the place of an entry of that name that is no bridge to this server
    #[arg(long)]
    replace: bool,
    /// Whose sign-ins the bridge uses
    #[arg(long, env = "VESTIBULE_PROFILE", default_value = "default", value_parser = profile)]
    profile: String,
}

/// `vestibule bridge uninstall CLIENT NAME`.
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    place: Where,
    /// What the server is called there, or its URL
    server: String,
}

impl Installing {
    /// Does it.
    ///
    /// # Errors
    /// The file is left as it was.
    pub(super) fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Install(install) => install.run(output),
            Self::Uninstall(uninstall) => uninstall.run(output),
        }
    }
}

impl Where {
    fn open(&self) -> anyhow::Result<ClientFile> {
        let path = match &self.file {
            Some(file) => file.clone(),
            None => self.client.path(&Folders::of_this_person()?),
        };
        Ok(ClientFile::open(self.client, &path)?)
    }
}

impl Install {
    fn run(self, output: Output) -> anyhow::Result<()> {
        let client = self.place.client;
        let url = client::server_url(&self.url).map_err(|error| Failure::Usage(error.to_string()))?;
        let name = self.name.clone().unwrap_or_else(|| name_of(&url));
        let entry = self.entry(&name, &url)?;
        if self.print {
            output.print(&printed(client, &entry)?);
            return Ok(());
        }
        let mut file = self.place.open()?;
        let before = file.entry(&name)?;
        if before.as_ref() == Some(&entry) {
            return Err(
                Failure::Conflict(format!("{} has this bridge already, as {name}", client.title())).into(),
            );
        }
        let is_same = |before: &Entry| before.is_bridge() && before.arguments().get(1) == Some(&url.as_str());
        if before.is_some_and(|before| !is_same(&before)) && !self.replace {
            let text = format!(
                "{} has another server called {name}: give this one another --name, or say --replace",
                client.title()
            );
            return Err(Failure::Conflict(text).into());
        }
        file.set(&entry)?;
        let backup = file.save()?;
        answer(output, (client, &name), &file, backup.as_deref(), "is in");
        Ok(())
    }

    /// The program by its whole path: clients of the desktop know no other.
    fn entry(&self, name: &str, url: &Url) -> anyhow::Result<Entry> {
        let mut arguments = vec!["bridge".to_owned(), url.to_string()];
        if self.profile != "default" {
            arguments.extend(["--profile".to_owned(), self.profile.clone()]);
        }
        Ok(self
            .place
            .client
            .stdio(name, &std::env::current_exe()?, &arguments))
    }
}

impl Uninstall {
    fn run(self, output: Output) -> anyhow::Result<()> {
        let client = self.place.client;
        let mut file = self.place.open()?;
        let url = client::server_url(&self.server).ok();
        let is_meant = |entry: &Entry| match &url {
            Some(url) => entry.arguments().get(1) == Some(&url.as_str()),
            None => entry.name == self.server,
        };
        let mut entries = file.entries()?.into_iter().filter(Entry::is_bridge);
        let Some(entry) = entries.find(is_meant) else {
            return Err(
                Failure::NotFound(format!("{} has no bridge to {}", client.title(), self.server)).into(),
            );
        };
        file.remove(&entry.name)?;
        let backup = file.save()?;
        answer(
            output,
            (client, &entry.name),
            &file,
            backup.as_deref(),
            "is gone from",
        );
        Ok(())
    }
}

fn answer(
    output: Output,
    (client, name): (KnownClient, &str),
    file: &ClientFile,
    backup: Option<&Path>,
    what: &str,
) {
    let path = file.path();
    let mut text = format!(
        "{name} {what} {}. Restart {} for it to count.",
        path.display(),
        client.title()
    );
    if let Some(backup) = backup {
        let _ = write!(text, "\nWhat was there before is in {}.", backup.display());
    }
    let item = json!({ "client": client.as_str(), "name": name, "file": path, "before": backup });
    output.answer(&Answer::Done { text, item });
}

/// The entry by itself, as it stands in the client's file.
fn printed(client: KnownClient, entry: &Entry) -> anyhow::Result<String> {
    if client.form() == Form::Toml {
        let mut file = ClientFile::empty(client);
        file.set(entry)?;
        return Ok(file.text().trim_end().to_owned());
    }
    let servers = Map::from_iter([(entry.name.clone(), entry.value.clone())]);
    Ok(format!(
        "{:#}",
        Value::from_iter([(client.member(), Value::Object(servers))])
    ))
}

fn client(text: &str) -> Result<KnownClient, String> {
    KnownClient::parse(text).ok_or_else(|| {
        let known: Vec<_> = KnownClient::ALL.iter().map(|client| client.as_str()).collect();
        format!("known are {}", known.join(", "))
    })
}

/// Names that every client takes.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, - and _ alone".to_owned())
    }
}

/// The last word of a URL that says something.
fn name_of(url: &Url) -> String {
    let words: Vec<_> = url.path_segments().into_iter().flatten().collect();
    let word = words
        .into_iter()
        .rev()
        .find(|word| !word.is_empty() && !["mcp", "sse"].contains(word));
    let text = word.unwrap_or(url.host_str().unwrap_or("server"));
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };
    text.chars().map(plain).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_the_last_word_of_its_url() {
        for (url, expected) in [
            ("https://gw.test/mcp/gitea", "gitea"),
            ("https://mcp.example.com/mcp", "mcp-example-com"),
            ("https://gw.test/a%20b/sse", "a-20b"),
            ("http://127.0.0.1:8000", "127-0-0-1"),
        ] {
            assert_eq!(name_of(&Url::parse(url).unwrap()), expected);
        }
    }
}
