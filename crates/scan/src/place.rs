//! What a file is, by its name and the folders above it: how it is read, and whether it is one of a known program's.

use std::path::Path;

use crate::reading::Form;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How it is read.
    pub form: Form,
    /// The MCP client that it configures, if it does.
    pub client: Option<Client>,
    /// Whether it is looked at also when nobody named it: configuration that holds credentials.
    pub is_known: bool,
}

/// An MCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// A word for it.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
}

/// The configuration of clients: the end of the path, the same on every system; what is above it
/// (`~/.config`, `~/Library/Application Support`, `%APPDATA%`) differs.
const CLIENTS: [(&str, &str, &str); 34] = [
    ("claude-code", "Claude Code", ".claude.json"),
    ("claude-code", "Claude Code", ".claude/settings.json"),
    ("claude-code", "Claude Code", ".claude/settings.local.json"),
    ("claude-code", "Claude Code", ".mcp.json"),
    (
        "claude-desktop",
        "Claude Desktop",
        "Claude/claude_desktop_config.json",
    ),
    ("cursor", "Cursor", ".cursor/mcp.json"),
    ("vscode", "VS Code", ".vscode/mcp.json"),
    ("vscode", "VS Code", ".vscode/settings.json"),
    ("vscode", "VS Code", "Code/User/mcp.json"),
    ("vscode", "VS Code", "Code/User/settings.json"),
    ("vscode", "VS Code", "Code - Insiders/User/mcp.json"),
    ("vscode", "VS Code", "Code - Insiders/User/settings.json"),
    ("vscode", "VSCodium", "VSCodium/User/mcp.json"),
    ("codex", "Codex", ".codex/config.toml"),
    ("windsurf", "Windsurf", ".codeium/windsurf/mcp_config.json"),
    ("windsurf", "Windsurf", ".codeium/mcp_config.json"),
    ("zed", "Zed", "zed/settings.json"),
    ("zed", "Zed", "Zed/settings.json"),
    ("zed", "Zed", ".zed/settings.json"),
    ("gemini", "Gemini CLI", ".gemini/settings.json"),
    ("qwen", "Qwen Code", ".qwen/settings.json"),
    (
        "cline",
        "Cline",
        "saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    ),
    (
        "roo",
        "Roo Code",
        "rooveterinaryinc.roo-cline/settings/mcp_settings.json",
    ),
    ("roo", "Roo Code", ".roo/mcp.json"),
    ("continue", "Continue", ".continue/config.yaml"),
    ("continue", "Continue", ".continue/config.json"),
    ("goose", "Goose", "goose/config.yaml"),
    ("goose", "Goose", "goose/config/config.yaml"),
    ("amp", "Amp", "amp/settings.json"),
    ("opencode", "opencode", "opencode/opencode.json"),
    ("opencode", "opencode", "opencode/opencode.jsonc"),
    ("opencode", "opencode", "opencode.json"),
    ("kiro", "Kiro", ".kiro/settings/mcp.json"),
    ("copilot", "Copilot CLI", ".copilot/mcp-config.json"),
];

/// Files of other programs, by the end of their path.
const KNOWN: [(&str, Form); 56] = [
    (".netrc", Form::Netrc),
    ("_netrc", Form::Netrc),
    (".git-credentials", Form::Assignments),
    ("git/credentials", Form::Assignments),
    (".git/config", Form::Assignments),
    (".gitconfig", Form::Assignments),
    (".npmrc", Form::Assignments),
    (".yarnrc.yml", Form::Yaml),
    (".yarnrc", Form::Assignments),
    (".pypirc", Form::Assignments),
    ("pip/pip.conf", Form::Assignments),
    (".cargo/credentials.toml", Form::Toml),
    (".cargo/credentials", Form::Toml),
    (".cargo/config.toml", Form::Toml),
    (".gem/credentials", Form::Yaml),
    (".bundle/config", Form::Yaml),
    (".composer/auth.json", Form::Json),
    ("composer/auth.json", Form::Json),
    (".m2/settings.xml", Form::Text),
    (".gradle/gradle.properties", Form::Assignments),
    (".docker/config.json", Form::Json),
    ("containers/auth.json", Form::Json),
    (".kube/config", Form::Yaml),
    ("gh/hosts.yml", Form::Yaml),
    ("glab-cli/config.yml", Form::Yaml),
    ("tea/config.yml", Form::Yaml),
    (".jira.d/config.yml", Form::Yaml),
    (".jira/.config.yml", Form::Yaml),
    (".aws/credentials", Form::Assignments),
    (".aws/config", Form::Assignments),
    ("gcloud/application_default_credentials.json", Form::Json),
    (".terraformrc", Form::Assignments),
    (".terraform.d/credentials.tfrc.json", Form::Json),
    (".vault-token", Form::Assignments),
    (".my.cnf", Form::Assignments),
    (".s3cfg", Form::Assignments),
    ("rclone/rclone.conf", Form::Assignments),
    (".wgetrc", Form::Assignments),
    (".curlrc", Form::Assignments),
    (".pgpass", Form::Text),
    (".sentryclirc", Form::Assignments),
    (".huggingface/token", Form::Assignments),
    ("huggingface/token", Form::Assignments),
    (".bashrc", Form::Assignments),
    (".bash_profile", Form::Assignments),
    (".bash_aliases", Form::Assignments),
    (".profile", Form::Assignments),
    (".zshrc", Form::Assignments),
    (".zshenv", Form::Assignments),
    (".zprofile", Form::Assignments),
    ("fish/config.fish", Form::Assignments),
    ("environment.d/env.conf", Form::Assignments),
    ("Microsoft.PowerShell_profile.ps1", Form::Assignments),
    ("nushell/env.nu", Form::Assignments),
    (".bash_history", Form::Assignments),
    (".zsh_history", Form::Assignments),
];

/// What a file is.
pub fn kind(path: &Path) -> Kind {
    let client = CLIENTS.iter().find(|(_, _, end)| path.ends_with(end));
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let form = KNOWN
        .iter()
        .find(|(end, _)| path.ends_with(end))
        .map(|(_, form)| *form);
    let has_extension = |wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
    let is_env = name == ".env" || name.starts_with(".env.") || name == ".envrc" || has_extension("env");
    let in_folder = |folder: &str| path.parent().is_some_and(|parent| parent.ends_with(folder));
    // One file for each server.
    let is_continue = in_folder(".continue/mcpServers");
    let is_key = in_folder(".ssh") && name.starts_with("id_") && !has_extension("pub");
    let is_mcp = matches!(
        name,
        "mcp.json" | "mcp_config.json" | "mcp_settings.json" | "mcp-config.json"
    );
    let is_fish = in_folder("fish/conf.d");
    Kind {
        form: match form {
            Some(form) => form,
            None if is_env || is_fish => Form::Assignments,
            None => by_extension(path),
        },
        client: match client {
            Some((id, title, _)) => Some(Client { id, title }),
            None if is_continue => Some(Client {
                id: "continue",
                title: "Continue",
            }),
            None => None,
        },
        is_known: client.is_some() || form.is_some() || is_env || is_continue || is_key || is_mcp || is_fish,
    }
}

fn by_extension(path: &Path) -> Form {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
        "json" | "jsonc" | "json5" | "code-workspace" => Form::Json,
        "toml" => Form::Toml,
        "yaml" | "yml" => Form::Yaml,
        "env" | "ini" | "cfg" | "conf" | "properties" | "tfvars" | "fish" | "netrc" => Form::Assignments,
        _ => Form::Text,
    }
}

/// Names of folders that hold nothing that anybody wrote, or too much of it.
const SKIPPED: [&str; 21] = [
    "node_modules",
    ".cache",
    "Caches",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    "target",
    ".rustup",
    "_cacache",
    ".gradle-cache",
    "site-packages",
    "Trash",
    ".Trash",
    "DerivedData",
    "Code Cache",
    "GPUCache",
    ".mypy_cache",
    ".terraform",
    "bower_components",
    "CachedData",
];

/// Whether a folder is left out.
pub(crate) fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| SKIPPED.contains(&name)) || folder.ends_with(".cargo/registry")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nobody_writes_in_are_left_out() {
        for (folder, is_left_out) in [
            ("/home/ana/.cargo/registry", true),
            ("/srv/registry", false),
            ("/srv/shop/node_modules", true),
            ("/srv/shop/node_modules_of_mine", false),
        ] {
            assert_eq!(is_skipped(Path::new(folder)), is_left_out, "{folder}");
        }
    }

    #[test]
    fn clients_on_three_systems() {
        for (path, client) in [
            ("/home/ana/.cursor/mcp.json", "cursor"),
            (
                "/Users/ana/Library/Application Support/Claude/claude_desktop_config.json",
                "claude-desktop",
            ),
            (
                "/c/Users/ana/AppData/Roaming/Claude/claude_desktop_config.json",
                "claude-desktop",
            ),
            ("/home/ana/.config/Code/User/mcp.json", "vscode"),
            (
                "/Users/ana/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                "cline",
            ),
            (
                "/c/Users/ana/AppData/Roaming/Block/goose/config/config.yaml",
                "goose",
            ),
            ("/home/ana/x/.mcp.json", "claude-code"),
            ("/home/ana/.continue/mcpServers/git.yaml", "continue"),
        ] {
            let kind = kind(Path::new(path));
            assert_eq!(kind.client.map(|client| client.id), Some(client), "{path}");
            assert!(kind.is_known);
        }
        assert!(!kind(Path::new("/home/ana/notes.md")).is_known);
        assert_eq!(kind(Path::new("/x/.env.local")).form, Form::Assignments);
        assert!(kind(Path::new("/home/ana/.ssh/id_ed25519")).is_known);
        assert!(!kind(Path::new("/home/ana/.ssh/id_ed25519.pub")).is_known);
    }
}
