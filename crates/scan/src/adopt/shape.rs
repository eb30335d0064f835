//! How each client writes a server that is reached over HTTP, without any credential: the client signs in by itself.

use crate::place::Client;
use crate::reading::Form;

/// A value of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Text(String),
    Texts(Vec<String>),
}

impl Field {
    /// The texts in it.
    pub(super) fn texts(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::Texts(texts) => texts,
        }
    }
}

/// What of an entry stays: what its person decided about it, and nothing that says where it leads or what it is shown.
const KEPT: [&str; 16] = [
    "name",
    "description",
    "display_name",
    "disabled",
    "enabled",
    "autoApprove",
    "alwaysAllow",
    "disabledTools",
    "includeTools",
    "excludeTools",
    "trust",
    "timeout",
    "tool_timeout_sec",
    "startup_timeout_sec",
    "available_tools",
    "connectionTimeout",
];

/// Whether a key of an entry stays.
pub(super) fn is_kept(key: &str) -> bool {
    KEPT.contains(&key)
}

/// The fields of an entry for this endpoint in a file of this form.
pub(super) fn fields(client: Client, form: Form, url: &str) -> Vec<(&'static str, Field)> {
    let text = |text: &str| Field::Text(text.to_owned());
    let url_as = |key| vec![(key, text(url))];
    let typed = |kind| vec![("type", text(kind)), ("url", text(url))];
    match client.id {
        "claude-code" | "vscode" | "copilot" => typed("http"),
        "cline" => typed("streamableHttp"),
        "roo" => typed("streamable-http"),
        "opencode" => typed("remote"),
        // Its files in JSON are those of other clients, and know another word for it or none.
        "continue" if form == Form::Yaml => typed("streamable-http"),
        "goose" => vec![("type", text("streamable_http")), ("uri", text(url))],
        "windsurf" => url_as("serverUrl"),
        "gemini" | "qwen" => url_as("httpUrl"),
        // Its file knows programs alone.
        "claude-desktop" => vec![
            ("command", text("vestibule")),
            ("args", Field::Texts(["bridge", url].map(str::to_owned).to_vec())),
        ],
        _ => url_as("url"),
    }
}
