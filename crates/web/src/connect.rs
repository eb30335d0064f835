//! The lines that a person copies to add a server to their client.

use data_encoding::BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// How to add a server to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The client.
    pub client: &'static str,
    /// What to copy.
    pub text: String,
    /// Where it goes: a file, or nothing for a command.
    pub file: Option<&'static str>,
    /// A link that does the same in one click.
    pub link: Option<String>,
}

/// The lines for a server at `url`.
pub fn lines(name: &str, url: &str) -> Vec<Line> {
    let command = |client, text: String| Line {
        client,
        text,
        file: None,
        link: None,
    };
    // A plain HTTP API (DEC-21): no MCP client has a use for it.
    if url.ends_with(&format!("/api/{name}")) {
        return vec![
            command("Vestibule", format!("vestibule login {url}")),
            command(
                "curl",
                format!("vestibule exec {name} --header -- curl -H @{{}} {url}/"),
            ),
            command(
                "git",
                format!("git config --global credential.{url}.helper '!vestibule git-credential'"),
            ),
        ];
    }
    let vscode = json!({ "name": name, "type": "http", "url": url }).to_string();
    let cursor = json!({ "mcpServers": { name: { "url": url } } });
    let cursor_config = BASE64.encode(json!({ "url": url }).to_string().as_bytes());
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    vec![
        command(
            "Claude Code",
            format!("claude mcp add --transport http {name} {url}"),
        ),
        Line {
            link: Some(format!("vscode:mcp/install?{}", escape(&vscode))),
            ..command("VS Code", format!("code --add-mcp '{vscode}'"))
        },
        Line {
            client: "Cursor",
            text: serde_json::to_string_pretty(&cursor).unwrap_or_default(),
            file: Some("~/.cursor/mcp.json"),
            link: Some(format!(
                "cursor://anysphere.cursor-deeplink/mcp/install?name={}&config={}",
                escape(name),
                escape(&cursor_config)
            )),
        },
        command("Codex", format!("codex mcp add {name} --url {url}")),
        command(
            "MCP Inspector",
            format!("npx @modelcontextprotocol/inspector --transport http --server-url {url}"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_the_url() {
        let lines = lines("gitea", "https://gw.test/mcp/gitea");
        assert_eq!(lines.len(), 5);
        assert!(
            lines
                .iter()
                .all(|line| line.text.contains("https://gw.test/mcp/gitea"))
        );
        let of_api = super::lines("gitea", "https://gw.test/api/gitea");
        assert_eq!(of_api.len(), 3);
        assert!(
            of_api
                .iter()
                .all(|line| line.text.contains("https://gw.test/api/gitea"))
        );
        assert_eq!(
            lines[0].text,
            "claude mcp add --transport http gitea https://gw.test/mcp/gitea"
        );
    }
}
