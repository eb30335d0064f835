//! Programs that use MCP servers, and the files in which each of them keeps which ones (client-compatibility section 2.6).
//!
//! [`KnownClient`] says where the file is and what an entry in it looks like; [`ClientFile`] reads entries and changes one
//! at a time, and leaves everything else in the file as somebody wrote it: comments, order, blanks. What was there before
//! stays beside it. Entries may hold credentials, so they do not print.

use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy as _, choose_base_strategy};
use serde_json::{Map, Value, json};

mod file;
mod json_text;
mod toml_text;

pub use file::{ClientFile, ClientFileError};

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownClient {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code, for all projects of the person.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code, for all folders of the person.
    VsCode,
    /// Codex.
    Codex,
    /// Windsurf.
    Windsurf,
    /// Zed.
    Zed,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, in which some allow comments.
    Json,
    /// TOML.
    Toml,
}

/// The folders that files are in.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The person's own.
    pub home: PathBuf,
    /// Where programs of the desktop keep their settings: `~/.config`, on macOS `~/Library/Application Support`.
    pub applications: PathBuf,
    /// Where programs of the terminal do: `~/.config` on either.
    pub config: PathBuf,
}

/// A server as a client has it.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// What it is called there.
    pub name: String,
    /// What stands there.
    pub value: Value,
}

impl KnownClient {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Cursor,
        Self::VsCode,
        Self::Codex,
        Self::Windsurf,
        Self::Zed,
    ];

    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
            Self::Windsurf => "windsurf",
            Self::Zed => "zed",
        }
    }

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Codex => "Codex",
            Self::Windsurf => "Windsurf",
            Self::Zed => "Zed",
        }
    }

    /// The one that is typed so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.as_str() == text)
    }

    /// Where its file is, whether or not there is one.
    pub fn path(self, folders: &Folders) -> PathBuf {
        let Folders {
            home,
            applications,
            config,
        } = folders;
        match self {
            Self::ClaudeDesktop => applications.join("Claude/claude_desktop_config.json"),
            Self::ClaudeCode => home.join(".claude.json"),
            Self::Cursor => home.join(".cursor/mcp.json"),
            Self::VsCode => applications.join("Code/User/mcp.json"),
            Self::Codex => home.join(".codex/config.toml"),
            Self::Windsurf => home.join(".codeium/windsurf/mcp_config.json"),
            Self::Zed => config.join("zed/settings.json"),
        }
    }

    /// How its file is written.
    pub const fn form(self) -> Form {
        match self {
            Self::Codex => Form::Toml,
            _ => Form::Json,
        }
    }

    /// The member of the file that holds the servers, each under its name.
    pub const fn member(self) -> &'static str {
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor | Self::Windsurf => "mcpServers",
            Self::VsCode => "servers",
            Self::Codex => "mcp_servers",
            Self::Zed => "context_servers",
        }
    }

    /// An entry for a server that is a program to start.
    pub fn stdio(self, name: &str, command: &Path, arguments: &[String]) -> Entry {
        let mut members = Map::new();
        if matches!(self, Self::ClaudeCode | Self::VsCode) {
            members.insert("type".to_owned(), json!("stdio"));
        }
        if matches!(self, Self::Zed) {
            // Versions that tell extensions from other programs by it are still in use.
            members.insert("source".to_owned(), json!("custom"));
        }
        members.insert("command".to_owned(), json!(command.to_string_lossy()));
        members.insert("args".to_owned(), json!(arguments));
        Entry {
            name: name.to_owned(),
            value: Value::Object(members),
        }
    }
}

impl Folders {
    /// This person's.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn of_this_person() -> Result<Self, ClientFileError> {
        let home = etcetera::home_dir().map_err(|_| ClientFileError::NoHome)?;
        let config = match choose_base_strategy() {
            Ok(strategy) => strategy.config_dir(),
            Err(_) => home.join(".config"),
        };
        let applications = if cfg!(target_os = "macos") {
            home.join("Library/Application Support")
        } else {
            config.clone()
        };
        Ok(Self {
            home,
            applications,
            config,
        })
    }
}

impl Entry {
    /// The program that is started, if it is one.
    pub fn command(&self) -> Option<&str> {
        self.value["command"].as_str()
    }

    /// What it is given.
    pub fn arguments(&self) -> Vec<&str> {
        let arguments = self.value["args"].as_array();
        arguments
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Its address, if it is no program. Each client has another word for it.
    pub fn url(&self) -> Option<&str> {
        let mut members = ["url", "serverUrl", "httpUrl"].into_iter();
        members.find_map(|member| self.value[member].as_str())
    }

    /// Whether it is a bridge of this program.
    pub fn is_bridge(&self) -> bool {
        let program = self.command().map(Path::new).and_then(Path::file_stem);
        program.is_some_and(|name| name == "vestibule") && self.arguments().first() == Some(&"bridge")
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_do_not_print_what_is_in_them() {
        let value = json!({ "command": "x", "env": { "TOKEN": "hush" } });
        let entry = Entry {
            name: "a".to_owned(),
            value,
        };
        assert_eq!(format!("{entry:?}"), "Entry(a)");
    }

    #[test]
    fn a_bridge_is_known_wherever_the_program_is() {
        for client in KnownClient::ALL {
            assert_eq!(KnownClient::parse(client.as_str()), Some(client));
            let entry = client.stdio(
                "a",
                Path::new("/opt/bin/vestibule"),
                &["bridge".to_owned(), "b".to_owned()],
            );
            assert!(entry.is_bridge());
            let other = client.stdio("a", Path::new("/opt/bin/other"), &["bridge".to_owned()]);
            assert!(!other.is_bridge());
        }
    }
}
