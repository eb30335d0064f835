//! The entry of an MCP server in a client's configuration: what it is called, what it starts or asks, and where it stands.

use url::Url;

use crate::reading::Value;

/// Keys under which clients keep their servers, each by its name or in a list.
const CONTAINERS: [&str; 8] = [
    "mcpServers",
    "mcp_servers",
    "context_servers",
    "amp.mcpServers",
    "mcp.servers",
    "servers",
    "extensions",
    "mcp",
];

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its person calls it.
    pub name: String,
    /// The names that lead to it, its own at the end.
    pub path: Vec<String>,
    /// The host that it asks, if it asks one.
    pub host: Option<String>,
    /// The words of what it starts.
    pub(crate) words: String,
    /// What it asks, each address once, as [`endpoint`] writes it.
    pub(crate) endpoints: Vec<String>,
}

/// The address of a server, however it is typed: without what people add for themselves. None if it is no such address.
pub(crate) fn endpoint(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    is_web.then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// Every entry of these values.
pub(crate) fn entries(values: &[Value]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for value in values {
        let Some(length) = prefix(&value.path) else {
            continue;
        };
        let (Some(path), Some(inner)) = (value.path.get(..length), value.path.get(length..)) else {
            continue;
        };
        // The values of one entry stand together; looking for it among all of them would take for ever.
        if entries.last().is_none_or(|entry| entry.path != path) {
            entries.push(Entry {
                name: path.last().cloned().unwrap_or_default(),
                path: path.to_owned(),
                host: None,
                words: String::new(),
                endpoints: Vec::new(),
            });
        }
        let Some(entry) = entries.last_mut() else { continue };
        let key = inner.first().map(String::as_str);
        if matches!(
            key,
            Some("url" | "serverUrl" | "httpUrl" | "uri" | "endpoint" | "args")
        ) {
            let new = endpoint(&value.text).filter(|new| !entry.endpoints.contains(new));
            entry.endpoints.extend(new);
        }
        match key {
            Some("name" | "display_name") if is_number(&entry.name) => entry.name.clone_from(&value.text),
            Some("url" | "serverUrl" | "httpUrl" | "uri" | "endpoint") => {
                let host = Url::parse(&value.text).ok();
                entry.host = host.and_then(|url| url.host_str().map(str::to_owned));
            }
            Some("command" | "args" | "cmd") if value.text.len() < 200 => {
                entry.words.push_str(&value.text);
                entry.words.push(' ');
            }
            _ => {}
        }
    }
    entries
}

/// How many names lead to the entry that a value is of.
fn prefix(path: &[String]) -> Option<usize> {
    let at = path.iter().position(|name| CONTAINERS.contains(&name.as_str()))?;
    // `mcp: { servers: { … } }`
    let nested = path.get(at).is_some_and(|name| name == "mcp")
        && path
            .get(at + 1)
            .is_some_and(|name| name == "servers" || name == "mcpServers");
    let length = at + 2 + usize::from(nested);
    (path.len() > length).then_some(length)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Form, values};

    #[test]
    fn what_an_entry_asks_is_one_address_however_it_is_typed() {
        for (entry, endpoints) in [
            (
                r#"{"url": "HTTPS://a.example:443/mcp/x/?k=v#f"}"#,
                &["https://a.example/mcp/x"][..],
            ),
            (
                r#"{"args": ["mcp-remote", "https://u:p@a.example/mcp/x", "--header", "a: b"], "env": {"U": "https://b.example"}}"#,
                &["https://a.example/mcp/x"],
            ),
            (
                r#"{"url": "https://a.example/x", "args": ["https://a.example/x/", "https://a.example/y"]}"#,
                &["https://a.example/x", "https://a.example/y"],
            ),
            (r#"{"args": ["file:///x", "${URL}", "a"]}"#, &[]),
        ] {
            let text = format!(r#"{{"mcpServers": {{"x": {entry}}}}}"#);
            assert_eq!(
                entries(&values(&text, Form::Json))[0].endpoints,
                endpoints,
                "{entry}"
            );
        }
    }

    #[test]
    fn every_client_has_its_own_key() {
        for text in [
            r#"{"mcpServers": {"git": {"url": "https://git.example.com/mcp"}}}"#,
            r#"{"projects": {"/home/ana/x": {"mcpServers": {"git": {"url": "https://git.example.com/mcp"}}}}}"#,
            r#"{"mcp": {"servers": {"git": {"url": "https://git.example.com/mcp"}}}}"#,
            r#"{"mcp": {"git": {"url": "https://git.example.com/mcp"}}}"#,
            r#"{"amp.mcpServers": {"git": {"url": "https://git.example.com/mcp"}}}"#,
        ] {
            let entries = entries(&values(text, Form::Json));
            assert_eq!(entries.len(), 1, "{text}");
            assert_eq!(entries[0].name, "git");
            assert_eq!(entries[0].host.as_deref(), Some("git.example.com"));
        }
        let listed = "mcpServers:\n  - name: git\n    url: https://git.example.com/mcp\n";
        assert_eq!(entries(&values(listed, Form::Yaml))[0].name, "git");
    }
}
