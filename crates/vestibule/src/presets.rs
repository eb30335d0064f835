//! Presets: what is known of a provider or of an MCP server, as data files beside the code, in the very keys of the
//! configuration.
//!
//! ```text
//! presets/providers/NAME.yaml   the keys of a connector                       preset: NAME
//! presets/servers/NAME.yaml     the keys of `credential` of a server          recipe: NAME
//! presets/sign-in/NAME.yaml     the keys of a provider of `sign_in`           preset: NAME
//! ```
//!
//! A file begins with a comment of what it is for; `{host}` stands for where the provider is. Whatever the operator writes
//! stands over the preset, key by key. A preset opens no way by itself: people type a token, or connect in the browser, only
//! where the operator wrote `personal_token` or `oauth`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

mod list;

use list::{PROVIDERS, SERVERS, SIGN_IN};

/// What is put in place of it.
const HOST: &str = "{host}";

/// What a preset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connector: named in `preset`.
    Provider,
    /// What is shown to a server: named in `recipe`.
    Server,
    /// A provider at which people sign in: named in `preset`.
    SignIn,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Server, Self::SignIn];

    /// The key that names one.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Provider | Self::SignIn => "preset",
            Self::Server => "recipe",
        }
    }

    /// Where in the configuration.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Provider => "connectors",
            Self::Server => "servers",
            Self::SignIn => "sign_in.providers",
        }
    }

    /// All of this kind, by name.
    pub fn presets(self) -> impl Iterator<Item = Preset> {
        let files = match self {
            Self::Provider => PROVIDERS,
            Self::Server => SERVERS,
            Self::SignIn => SIGN_IN,
        };
        files.iter().map(move |(name, text)| Preset {
            kind: self,
            name,
            text,
        })
    }
}

/// A preset.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What it is for.
    pub kind: Kind,
    /// What it is called.
    pub name: &'static str,
    text: &'static str,
}

/// Why a preset cannot be used.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum PresetError {
    /// There is none of this name.
    #[error("there is no {} called {name:?}; known are {known}", kind.key())]
    Unknown {
        /// What was looked for.
        kind: Kind,
        /// Its name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It has to be told where the provider is.
    #[error("`{0}` needs `host`: where yours is, such as git.example.com")]
    NoHost(&'static str),
    /// It is of one place.
    #[error("`{0}` is of one place; leave `host` out, or look for another in `vestibule preset list`")]
    OnePlace(&'static str),
    /// There is nothing to fill it in.
    #[error("`host` is for what `{}` names; give that, or leave it out", .0.key())]
    Nothing(Kind),
    /// The host is none.
    #[error("{0}")]
    Host(#[from] BadHost),
    /// The file itself is wrong.
    #[error("the preset `{name}` cannot be read: {why}")]
    Broken {
        /// Which.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Where a provider is: a name or address, with a port or a path where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// A text that is no host.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error(
    "{0:?} is no host; write one like git.example.com, with a port or a path where it has one, in small letters"
)]
pub struct BadHost(String);

impl FromStr for Host {
    type Err = BadHost;

    /// Nothing in it may end the text of a file that it is put into, or lead elsewhere than it looks.
    fn from_str(text: &str) -> Result<Self, BadHost> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
        let whole = format!("https://{text}/");
        let is_same = Url::parse(&whole).is_ok_and(|url| url.as_str() == whole);
        if text.chars().all(is_plain) && is_same && !text.contains("//") && !text.ends_with('/') {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadHost(text.to_owned()))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Preset {
    /// By its name.
    pub fn find(kind: Kind, name: &str) -> Result<Self, PresetError> {
        let found = kind.presets().find(|preset| preset.name == name);
        found.ok_or_else(|| PresetError::Unknown {
            kind,
            name: name.to_owned(),
            known: kind
                .presets()
                .map(|preset| preset.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// What it is for, in a line.
    pub fn about(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
    }

    /// Whether it has to be told where the provider is.
    pub fn needs_host(&self) -> bool {
        self.text.contains(HOST)
    }

    /// Whether it is of a plain HTTP API, not of an MCP server.
    pub fn is_api(&self) -> bool {
        self.kind == Kind::Server && self.text.contains("`kind: api`")
    }

    /// Its text, with the host in it if there is one.
    pub fn text(&self, host: Option<&Host>) -> String {
        match host {
            Some(host) => self.text.replace(HOST, &host.0),
            None => self.text.to_owned(),
        }
    }

    /// The keys it gives.
    fn keys(&self, host: Option<&str>) -> Result<Value, PresetError> {
        let host: Option<Host> = host.map(str::parse).transpose()?;
        match (self.needs_host(), &host) {
            (true, None) => return Err(PresetError::NoHost(self.name)),
            (false, Some(_)) => return Err(PresetError::OnePlace(self.name)),
            _ => {}
        }
        self.read(host.as_ref())
            .map_err(|why| PresetError::Broken { name: self.name, why })
    }

    /// By the very types of the configuration.
    fn read(&self, host: Option<&Host>) -> Result<Value, String> {
        let text = self.text(host);
        let read =
            match self.kind {
                Kind::Provider => {
                    serde_saphyr::from_str::<crate::config::Connector>(&text).map(serde_json::to_value)
                }
                Kind::Server => serde_saphyr::from_str::<crate::config::server::Credential>(&text)
                    .map(serde_json::to_value),
                Kind::SignIn => serde_saphyr::from_str::<crate::config::sign_in::Provider>(&text)
                    .map(serde_json::to_value),
            };
        let read = read.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }
}

/// A preset that cannot be used, and which key says so.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Misplaced {
    /// The path to the key, as `["connectors", "gitea", "preset"]`.
    pub path: Vec<String>,
    /// Why.
    pub error: PresetError,
}

/// Puts the presets that a configuration names under what it says itself.
///
/// # Errors
/// A preset that is not there, or lacks its host.
pub fn lay_under(config: &mut Value) -> Result<(), Misplaced> {
    for kind in Kind::ALL {
        let section: Vec<_> = kind.section().split('.').map(str::to_owned).collect();
        let entries = section
            .iter()
            .fold(&mut *config, |config, name| &mut config[name.as_str()]);
        for (name, entry) in entries.as_object_mut().into_iter().flatten() {
            let (mut path, mut said) = (section.clone(), entry);
            path.push(name.clone());
            if kind == Kind::Server {
                path.push("credential".to_owned());
                said = &mut said["credential"];
            }
            let Value::Object(said) = said else { continue };
            fill(said, kind).map_err(|(key, error)| {
                path.push(key.to_owned());
                Misplaced { path, error }
            })?;
        }
    }
    Ok(())
}

fn fill(said: &mut Map<String, Value>, kind: Kind) -> Result<(), (&'static str, PresetError)> {
    let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
    let (name, host) = (text(kind.key()), text("host"));
    let Some(name) = name else {
        return match host {
            Some(_) => Err(("host", PresetError::Nothing(kind))),
            None => Ok(()),
        };
    };
    let preset = Preset::find(kind, &name).map_err(|error| (kind.key(), error))?;
    let at_host = |error| {
        let key = if matches!(error, PresetError::Host(_) | PresetError::OnePlace(_)) {
            "host"
        } else {
            kind.key()
        };
        (key, error)
    };
    let Value::Object(mut keys) = preset.keys(host.as_deref()).map_err(at_host)? else {
        return Ok(());
    };
    for way in ["oauth", "personal_token"] {
        // A preset opens no way that the operator did not.
        if said.get(way).is_none_or(Value::is_null) {
            keys.remove(way);
        }
    }
    merge(said, keys);
    Ok(())
}

/// What is said stands over what is known, key by key; headers by their names, whatever the case.
fn merge(said: &mut Map<String, Value>, known: Map<String, Value>) {
    for (key, value) in known {
        match (said.get_mut(&key), value) {
            (None | Some(Value::Null), value) => {
                said.insert(key, value);
            }
            (Some(Value::Object(said)), Value::Object(mut known)) => {
                if key == "headers" {
                    known.retain(|name, _| !said.keys().any(|own| own.eq_ignore_ascii_case(name)));
                }
                merge(said, known);
            }
            // Nothing that is known to be dangerous passes because something else was added.
            (Some(Value::Array(said)), Value::Array(known)) if key == "strip" || key == "refuse_query" => {
                said.extend(known);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
