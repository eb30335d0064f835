//! How a token takes itself back: what is asked of its provider, with nothing but the token. Where that is comes from the rules
//! (`rules.yaml`), or from the entry that the token lies in, if that names a host of its company.
//!
//! A token goes nowhere that it does not belong: an entry that says something else, or nothing that can be read, is no reason to
//! ask the public API. Nothing here asks a network.

use serde::Deserialize;
use thiserror::Error;
use url::{Host, Url};

use crate::detect::{around, name_and_text};
use crate::entry::entries;
use crate::reading::Value;

mod request;

pub use request::Request;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// `POST /credentials/revoke` (docs.github.com, REST API, Revocation): without authentication at GitHub, with some at an
    /// Enterprise Server.
    Github,
    /// `DELETE /personal_access_tokens/self` (docs.gitlab.com, Personal access tokens API).
    Gitlab,
    /// `auth.revoke` (docs.slack.dev).
    Slack,
    /// The revocation endpoint of the door (RFC 7009 section 2.1), which is found from the server that the entry asks.
    Vestibule,
}

/// How tokens of a provider take themselves back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// What is asked.
    pub protocol: Protocol,
    /// The API, where an entry names no other. A door has none that is everybody's.
    #[serde(default)]
    pub api: Option<Url>,
    /// The rules of the tokens that it takes.
    pub rules: Vec<String>,
    /// What an entry names another host by: variables, and flags without their dashes.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// Why nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAsked {
    /// There is no such way, or none is known.
    #[error("no way is known for a token of this kind to take itself back")]
    NoWay,
    /// Something that was looked at and not changed holds it as well.
    #[error("it is still in {0}")]
    StillIn(String),
    /// The entry names a host, and it cannot be told what of the provider is there.
    #[error("its entry does not say where the API of its provider is")]
    Where,
    /// What it would be sent over is open to everybody on the way.
    #[error("the API that its entry names is not reached over https")]
    Insecure,
    /// A comment beside it says that it is to stay there.
    #[error("it is still in a line that a comment allows")]
    Allowed,
    /// The same token in entries that name different hosts.
    #[error("it is in entries that name different hosts")]
    Several,
    /// A door that sends what it gave out to somebody else.
    #[error("the server of its entry names a revocation endpoint on another host")]
    Elsewhere,
}

/// An API, and whether it is a company's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    url: Url,
    is_own: bool,
}

impl Revocation {
    /// The API that is meant by the values of an entry.
    pub(crate) fn api(&self, entry: &[String], values: &[Value]) -> Result<Api, NotAsked> {
        if self.protocol == Protocol::Vestibule {
            return of_door(entry, values);
        }
        let (mut named, mut others, mut is_elsewhere) = (Vec::new(), Vec::new(), false);
        for (at, value) in values.iter().enumerate() {
            if !value.path.starts_with(entry) {
                continue;
            }
            let (name, text) = named_text(value, around(at, values));
            // `-e GITHUB_HOST`, in whatever spelling, and files of variables: what is in them is not here.
            let is_file = ["envfile", "env-file", "env_file"].contains(&name.to_ascii_lowercase().as_str());
            let is_named = self.variables.contains(&name);
            let is_mentioned = || {
                self.variables
                    .iter()
                    .any(|known| value.text.contains(known.as_str()))
            };
            is_elsewhere |= is_file || !is_named && is_mentioned();
            if is_named {
                named.push(self.of_host(&text));
            } else if text.starts_with("http://") || text.starts_with("https://") {
                // What the entry goes through says nothing of where it goes.
                if !name.to_ascii_lowercase().ends_with("proxy") {
                    others.push(self.of_server(&text));
                }
            }
        }
        if named.is_empty() && is_elsewhere {
            return Err(NotAsked::Where);
        }
        let mut apis = if named.is_empty() { others } else { named }.into_iter();
        let first = apis.next().unwrap_or_else(|| self.public())?;
        for api in apis {
            if api? != first {
                return Err(NotAsked::Where);
            }
        }
        Ok(first)
    }

    fn public(&self) -> Result<Api, NotAsked> {
        let url = self.api.clone().ok_or(NotAsked::Where)?;
        Ok(Api { url, is_own: false })
    }

    /// By a host, or the address of an API, as people write it in a variable.
    fn of_host(&self, text: &str) -> Result<Api, NotAsked> {
        let text = text.trim().trim_end_matches('/');
        let url = match text.split_once("://") {
            Some(_) => Url::parse(text),
            None => Url::parse(&format!("https://{text}")),
        };
        let mut url = url.map_err(|_| NotAsked::Where)?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host_str().unwrap_or_default().to_owned();
        // A reference (`${HOST}`) is the name of no host.
        let is_name = !host.is_empty() && !host.contains(['$', '{', '}', '%', '<', '>']);
        if !is_plain || !is_name {
            return Err(NotAsked::Where);
        }
        if !is_private(&url) {
            return Err(NotAsked::Insecure);
        }
        if self.is_public(&host) {
            return self.public();
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let is_own = match self.protocol {
            // GitHub Enterprise Cloud with a host of its own: the API has one too.
            Protocol::Github if host.ends_with(".ghe.com") => {
                let tenant = host.strip_prefix("api.").unwrap_or(&host);
                url.set_host(Some(&format!("api.{tenant}")))
                    .map_err(|_| NotAsked::Where)?;
                url.set_path("");
                false
            }
            Protocol::Github if path.is_empty() || path == "/api/v3" => {
                url.set_path("/api/v3");
                true
            }
            // It may lie in a folder of its host.
            Protocol::Gitlab if !path.contains([',', ';', ':']) => {
                let folder = path.strip_suffix("/api/v4").unwrap_or(&path);
                url.set_path(&format!("{folder}/api/v4"));
                true
            }
            _ => return Err(NotAsked::Where),
        };
        Ok(Api { url, is_own })
    }

    /// By an address in the entry that may be the provider's own MCP server, or anything else.
    fn of_server(&self, text: &str) -> Result<Api, NotAsked> {
        let url = Url::parse(text).map_err(|_| NotAsked::Where)?;
        let host = url.host_str().unwrap_or_default();
        if self.is_public(host) || self.protocol == Protocol::Github && host == "api.githubcopilot.com" {
            return self.public();
        }
        // GitLab has one beside its API.
        match (self.protocol, text.trim_end_matches('/').strip_suffix("/mcp")) {
            (Protocol::Gitlab, Some(api)) if api.ends_with("/api/v4") => self.of_host(api),
            _ => Err(NotAsked::Where),
        }
    }

    /// Whether this is the provider itself.
    fn is_public(&self, host: &str) -> bool {
        let own = self.api.as_ref().and_then(Url::host_str).unwrap_or_default();
        let own = own.strip_prefix("api.").unwrap_or(own);
        let is_own = |head: &str| match self.protocol {
            // Every workspace has a name there.
            Protocol::Slack => head.is_empty() || head.ends_with('.'),
            _ => matches!(head, "" | "api." | "www."),
        };
        host.strip_suffix(own).is_some_and(is_own)
    }
}

/// The one server that an entry asks, and that its token was shown to all along.
fn of_door(entry: &[String], values: &[Value]) -> Result<Api, NotAsked> {
    let entries = entries(values);
    let found = entries.iter().find(|found| found.path == entry);
    let Some([endpoint]) = found.map(|found| found.endpoints.as_slice()) else {
        return Err(NotAsked::Where);
    };
    let url = Url::parse(endpoint).map_err(|_| NotAsked::Where)?;
    if !is_private(&url) {
        return Err(NotAsked::Insecure);
    }
    Ok(Api { url, is_own: true })
}

/// Whether nobody on the way can read what is sent there.
fn is_private(url: &Url) -> bool {
    let is_loopback = || match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_loopback()
}

/// What a value is called and what it is; an address is not taken apart at its colon.
fn named_text(value: &Value, around: &[Value]) -> (String, String) {
    if !value.text.starts_with("http") {
        let (path, text, _) = name_and_text(value, around);
        return (path.last().cloned().unwrap_or_default(), text.to_owned());
    }
    let last = value.path.last().cloned().unwrap_or_default();
    let before = around.iter().rev().find(|other| {
        other.range.end <= value.range.start && other.path.split_last().map(|(_, path)| path) == parent(value)
    });
    let flag = before.filter(|other| last.parse::<usize>().is_ok() && other.text.starts_with('-'));
    let name = flag.map_or(last, |flag| flag.text.trim_start_matches('-').to_owned());
    (name, value.text.clone())
}

fn parent(value: &Value) -> Option<&[String]> {
    value.path.split_last().map(|(_, path)| path)
}

#[cfg(test)]
mod tests;
