//! Known clients: what is known of real programs and cannot be asked of them.
//!
//! A data file, because clients change monthly (CC-41): documents of vendors whose URL cannot be fetched
//! from a data centre, private-use schemes, query keys that are added or left out, how long access tokens
//! of a client that never refreshes live, and how a person resets it. An operator's file replaces entries
//! of the same name and adds others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::RedirectUri;
use protocol::client_metadata::document::DocumentUrl;
use protocol::redirect::{Kind, MatchRules};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// The file that is shipped.
const SHIPPED: &str = include_str!("../data/known-clients.json");

/// A file that cannot be read.
#[derive(Debug, Error)]
#[error("the known-clients file cannot be read: {0}")]
pub struct KnownClientsError(#[from] serde_json::Error);

/// All known clients.
#[derive(Clone, Debug)]
pub struct KnownClients(Vec<Arc<KnownClient>>);

/// One program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownClient {
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub publisher: String,
    /// Its client id metadata document, used when the vendor's own cannot be fetched.
    #[serde(default)]
    pub document: Option<Value>,
    /// Its documents are under this URL.
    #[serde(default)]
    document_prefix: Option<String>,
    /// Redirect URIs by which a registration of it is recognised; on this machine, port and all.
    #[serde(default)]
    redirect_uris: Vec<RedirectUri>,
    /// What it calls itself when it registers.
    #[serde(default)]
    client_names: Vec<String>,
    /// Hosts of its redirect URIs.
    #[serde(default)]
    redirect_hosts: Vec<String>,
    /// Private-use schemes that it answers to.
    #[serde(default)]
    schemes: Vec<String>,
    /// Query keys that it adds or leaves out (CC-45).
    #[serde(default)]
    query_keys: Vec<String>,
    /// How long its access tokens live, if it does not refresh (CC-85).
    #[serde(default)]
    access_token_hours: Option<u32>,
    /// Parts of what it calls itself in `User-Agent`, in lower case.
    #[serde(default)]
    user_agents: Vec<String>,
    /// How a person makes it forget what it knows, by language (CC-55).
    #[serde(default)]
    pub reset: BTreeMap<String, String>,
    /// Whether an operator's file says so; then its document is not asked for elsewhere (CC-41).
    #[serde(skip)]
    pub by_operator: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clients: Vec<KnownClient>,
}

impl KnownClients {
    /// The shipped ones, with an operator's file over them.
    pub fn load(operators: Option<&str>) -> Result<Self, KnownClientsError> {
        let mut clients = serde_json::from_str::<File>(SHIPPED)?.clients;
        if let Some(text) = operators {
            for mut client in serde_json::from_str::<File>(text)?.clients {
                client.by_operator = true;
                clients.retain(|known| known.name != client.name);
                clients.push(client);
            }
        }
        Ok(Self(clients.into_iter().map(Arc::new).collect()))
    }

    /// Whether a private-use scheme without a dot is known (CC-46).
    pub fn knows_scheme(&self, scheme: &str) -> bool {
        self.0
            .iter()
            .any(|client| client.schemes.iter().any(|known| known == scheme))
    }

    /// The program whose document this URL is.
    pub fn by_document(&self, url: &DocumentUrl) -> Option<&Arc<KnownClient>> {
        let is_it = |client: &&Arc<KnownClient>| client.document_id() == Some(url.as_str());
        let is_below = |client: &&Arc<KnownClient>| {
            client
                .document_prefix
                .as_deref()
                .is_some_and(|prefix| url.as_str().starts_with(prefix))
        };
        self.0.iter().find(is_it).or_else(|| self.0.iter().find(is_below))
    }

    /// The program that registers these redirect URIs. Nobody vouches for that: it is a guess, good for how
    /// long a token lives and for query keys, never for trust. A port of this machine belongs to it: many
    /// programs use the same path.
    pub fn by_redirects(&self, uris: &[RedirectUri]) -> Option<&Arc<KnownClient>> {
        let free_keys = ["state".to_owned(), "server_id".to_owned()];
        let rules = MatchRules {
            strict_loopback: true,
            free_keys: &free_keys,
        };
        let is_its = |known: &RedirectUri, uri: &RedirectUri| match known.kind() {
            Kind::Loopback => known == uri,
            Kind::Https | Kind::PrivateScheme => known.matches(uri, &rules),
        };
        self.0.iter().find(|client| {
            uris.iter().any(|uri| {
                client.redirect_hosts.contains(&uri.target())
                    || client.redirect_uris.iter().any(|known| is_its(known, uri))
            })
        })
    }

    /// The program that registers under this name; as good a guess.
    pub fn by_name(&self, name: &str) -> Option<&Arc<KnownClient>> {
        self.0.iter().find(|client| {
            client
                .client_names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// The programs that may have sent somebody here, for help texts: those that return to this very address;
    /// else the one that the request comes from by its own word; else all that return to such an address.
    pub fn suspects(&self, redirect: Option<&RedirectUri>, user_agent: &str) -> Vec<&Arc<KnownClient>> {
        let returns_to = |fits: &dyn Fn(&RedirectUri) -> bool| -> Vec<&Arc<KnownClient>> {
            self.0
                .iter()
                .filter(|client| client.known_redirects().iter().any(fits))
                .collect()
        };
        let exact = match redirect {
            Some(uri) => match self.by_redirects(std::slice::from_ref(uri)) {
                Some(client) => vec![client],
                None => returns_to(&|known| known == uri),
            },
            None => Vec::new(),
        };
        if !exact.is_empty() {
            return exact;
        }
        let user_agent = user_agent.to_lowercase();
        let speaks = |client: &&Arc<KnownClient>| {
            client
                .user_agents
                .iter()
                .any(|part| user_agent.contains(part.as_str()))
        };
        if let Some(client) = self.0.iter().find(speaks) {
            return vec![client];
        }
        let rules = MatchRules {
            strict_loopback: true,
            free_keys: &[],
        };
        redirect.map_or_else(Vec::new, |uri| returns_to(&|known| known.matches(uri, &rules)))
    }
}

impl KnownClient {
    /// The `client_id` of its document.
    pub fn document_id(&self) -> Option<&str> {
        self.document.as_ref()?.get("client_id")?.as_str()
    }

    /// Every redirect URI that is known of it.
    fn known_redirects(&self) -> Vec<RedirectUri> {
        let listed = self
            .document
            .as_ref()
            .and_then(|document| document.get("redirect_uris")?.as_array());
        let documented = listed.into_iter().flatten().filter_map(Value::as_str);
        let documented = documented.filter_map(|text| RedirectUri::parse(text, |_| true).ok());
        self.redirect_uris.iter().cloned().chain(documented).collect()
    }

    /// Query keys that its redirect URIs may have or lack.
    pub fn query_keys(&self) -> &[String] {
        &self.query_keys
    }

    /// How long its access tokens live.
    pub fn access_token(&self) -> Option<Duration> {
        self.access_token_hours
            .map(|hours| Duration::from_hours(hours.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ClientMetadata;

    #[test]
    fn every_shipped_document_is_one_that_would_be_accepted() {
        let known = KnownClients::load(None).unwrap();
        let mut documents = 0;
        for client in &known.0 {
            for language in ["en", "zh-Hant"] {
                assert!(
                    client.reset.contains_key(language),
                    "{} has no reset text in {language}",
                    client.name
                );
            }
            let (Some(document), Some(id)) = (&client.document, client.document_id()) else {
                continue;
            };
            let url = DocumentUrl::parse(id).unwrap();
            ClientMetadata::from_document(&url, document.to_string().as_bytes(), |s| known.knows_scheme(s))
                .unwrap();
            assert_eq!(known.by_document(&url).unwrap().name, client.name);
            documents += 1;
        }
        assert!(documents >= 8);
    }

    #[test]
    fn an_operators_file_replaces_by_name() {
        let text = r#"{"clients": [{"name": "Cursor", "publisher": "Us", "schemes": ["ours"]}]}"#;
        let known = KnownClients::load(Some(text)).unwrap();
        assert!(known.knows_scheme("ours") && !known.knows_scheme("cursor") && known.knows_scheme("warp"));
        assert!(KnownClients::load(Some(r#"{"clients": [{"nmae": "x"}]}"#)).is_err());
    }

    #[test]
    fn recognises_registrations() {
        let known = KnownClients::load(None).unwrap();
        let name = |uri: &str| {
            let uri = RedirectUri::parse(uri, |_| true).unwrap();
            known.by_redirects(&[uri]).map(|client| client.name.clone())
        };
        assert_eq!(
            name("cursor://anysphere.cursor-mcp/oauth/callback").as_deref(),
            Some("Cursor")
        );
        assert_eq!(
            name("http://localhost:6274/oauth/callback").as_deref(),
            Some("MCP Inspector")
        );
        assert_eq!(
            name("http://localhost:9999/oauth/callback"),
            None,
            "many use that path"
        );
        assert_eq!(
            name("https://chatgpt.com/connector/oauth/abc").as_deref(),
            Some("ChatGPT")
        );
        assert_eq!(name("https://unknown.example/cb"), None);
        assert_eq!(known.by_name("codex").unwrap().name, "Codex");
    }

    #[test]
    fn cc_55_the_programs_that_may_have_sent_somebody_here() {
        let known = KnownClients::load(None).unwrap();
        let names = |uri: &str, user_agent: &str| -> Vec<String> {
            let uri = RedirectUri::parse(uri, |_| true).unwrap();
            let suspects = known.suspects(Some(&uri), user_agent);
            suspects.iter().map(|client| client.name.clone()).collect()
        };
        let browser = "Mozilla/5.0 (X11; Linux x86_64)";
        assert_eq!(names("http://127.0.0.1:33418/", browser), ["Visual Studio Code"]);
        assert_eq!(
            names("http://localhost:3335/oauth/callback", browser),
            ["mcp-remote"]
        );
        let several = names("http://localhost:24096/oauth/callback", browser);
        assert!(several.contains(&"mcp-remote".to_owned()) && several.contains(&"MCP Inspector".to_owned()));
        assert_eq!(
            names("http://localhost:51712/callback", "claude-code/2.1 (cli)"),
            ["Claude Code"]
        );
        assert_eq!(
            names("http://127.0.0.1:51712/callback", "codex_cli_rs/0.144.0"),
            ["Codex"]
        );
        let several = names("http://localhost:51712/callback", browser);
        assert!(several.contains(&"Claude Code".to_owned()) && !several.contains(&"Goose".to_owned()));
        assert!(names("https://unknown.example/cb", browser).is_empty());
    }
}
