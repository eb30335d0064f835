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
    /// Its client id metadata documents, used when the vendor's own cannot be fetched. `{id}` stands for one
    /// path segment that the vendor draws, the same wherever it occurs.
    #[serde(default)]
    documents: Vec<Value>,
    /// Addresses of the person's own machine that it returns to although its document does not list them
    /// (CC-45).
    #[serde(default)]
    also_returns_to: Vec<RedirectUri>,
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
    /// Whether its assertions name the token endpoint instead of the issuer as audience: the one exemption
    /// from DEC-6 (OS-130).
    #[serde(default)]
    assertions_name_token_endpoint: bool,
    /// Whether it asks for more by itself when it is told which scope it lacks (CC-76).
    #[serde(default)]
    pub steps_up: bool,
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

    /// The program whose document this URL is, and the document as we know it. One that is written out goes
    /// before a pattern, whoever's it is.
    pub fn by_document(&self, url: &DocumentUrl) -> Option<(&Arc<KnownClient>, Value)> {
        let found = || {
            self.0
                .iter()
                .flat_map(|client| client.documents.iter().map(move |document| (client, document)))
                .filter_map(|(client, document)| {
                    let pattern = document.get("client_id")?.as_str()?;
                    Some((client, document, drawn(pattern, url.as_str())?))
                })
        };
        let written_out = found().find(|(_, _, id)| id.is_empty());
        let (client, document, id) = written_out.or_else(|| found().next())?;
        Some((client, filled(document, id)))
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
        let targets: Vec<_> = uris.iter().map(RedirectUri::target).collect();
        self.0.iter().find(|client| {
            targets
                .iter()
                .any(|target| client.redirect_hosts.contains(target))
                || uris
                    .iter()
                    .any(|uri| client.redirect_uris.iter().any(|known| is_its(known, uri)))
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
    /// Addresses of the person's machine that a document of its should list.
    pub fn also_returns_to(&self) -> impl Iterator<Item = &RedirectUri> {
        self.also_returns_to
            .iter()
            .filter(|uri| uri.kind() == Kind::Loopback)
    }

    /// Every redirect URI that is known of it.
    fn known_redirects(&self) -> Vec<RedirectUri> {
        let listed = self
            .documents
            .iter()
            .filter_map(|document| document.get("redirect_uris")?.as_array());
        let documented = listed.flatten().filter_map(Value::as_str);
        let documented = documented.filter_map(|text| RedirectUri::parse(text, |_| true).ok());
        self.redirect_uris.iter().cloned().chain(documented).collect()
    }

    /// Query keys that its redirect URIs may have or lack.
    pub fn query_keys(&self) -> &[String] {
        &self.query_keys
    }

    /// Whether an assertion of its may name the token endpoint as audience.
    pub fn may_name_token_endpoint(&self) -> bool {
        self.assertions_name_token_endpoint
    }

    /// How long its access tokens live.
    pub fn access_token(&self) -> Option<Duration> {
        self.access_token_hours
            .map(|hours| Duration::from_hours(hours.into()))
    }
}

/// Where the vendor's drawn segment goes.
const DRAWN: &str = "{id}";

/// What stands for `{id}` of a pattern in a URL; nothing stands for it where the pattern has none.
fn drawn<'a>(pattern: &str, url: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once(DRAWN) else {
        return (pattern == url).then_some("");
    };
    let id = url.strip_prefix(before)?.strip_suffix(after)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = (1..=64).contains(&id.len()) && id.bytes().all(plain);
    fits.then_some(id)
}

fn filled(document: &Value, id: &str) -> Value {
    match document {
        Value::String(text) => text.replace(DRAWN, id).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, id)).collect(),
        Value::Object(members) => {
            let filled = |(name, value): (&String, &Value)| (name.clone(), filled(value, id));
            Value::Object(members.iter().map(filled).collect())
        }
        other => other.clone(),
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
            for document in &client.documents {
                let id = document["client_id"]
                    .as_str()
                    .unwrap()
                    .replace("{id}", "Dyp26_-u2iQg");
                let url = DocumentUrl::parse(&id).unwrap();
                let (found, document) = known.by_document(&url).unwrap();
                let text = document.to_string();
                ClientMetadata::from_document(&url, text.as_bytes(), |s| known.knows_scheme(s)).unwrap();
                assert_eq!(found.name, client.name);
                assert!(!text.contains(['{', '}']) || !text.contains("{id}"), "{text}");
                documents += 1;
            }
        }
        assert!(documents >= 12);
    }

    #[test]
    fn cc_41_documents_that_a_vendor_draws_for_each_server() {
        let known = KnownClients::load(None).unwrap();
        let redirects = |url: &str| {
            let url = DocumentUrl::parse(url).unwrap();
            let (client, document) = known.by_document(&url)?;
            let first = document["redirect_uris"][0].as_str()?.to_owned();
            Some((client.name.clone(), first))
        };
        for (url, name, redirect) in [
            (
                "https://chatgpt.com/oauth/client.json",
                "ChatGPT",
                "https://chatgpt.com/connector_platform_oauth_redirect",
            ),
            (
                "https://chatgpt.com/oauth/Dyp26IIu2iQg/client.json",
                "ChatGPT",
                "https://chatgpt.com/connector/oauth/Dyp26IIu2iQg",
            ),
            (
                "https://chatgpt.com/oauth/codex/client.json",
                "Codex",
                "http://127.0.0.1/callback",
            ),
            (
                "https://chatgpt.com/oauth/codex/BKj9umzr4ef_/client.json",
                "Codex",
                "http://127.0.0.1/callback/BKj9umzr4ef_",
            ),
        ] {
            let found = redirects(url).unwrap();
            assert_eq!((found.0.as_str(), found.1.as_str()), (name, redirect), "{url}");
        }
        for other in [
            "https://chatgpt.com/oauth/a/b/client.json",
            "https://chatgpt.com/oauth/codex/a/b/client.json",
            "https://chatgpt.com/oauth//client.json",
            "https://chatgpt.com/oauth/a%2fb/client.json",
            "https://chatgpt.com/oauth/x/client.json/",
            "https://chatgpt.com.evil.example/oauth/x/client.json",
        ] {
            assert_eq!(redirects(other), None, "{other}");
        }
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
