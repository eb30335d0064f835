//! Web origins: the public one under which everything is published, and its aliases.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

/// Scheme, host and port, in the one canonical spelling: lower case, no default port, no final slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    text: String,
    authority_at: usize,
    loopback: bool,
}

/// Why a text is no origin.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum OriginError {
    /// Not an absolute URL.
    #[error("{0:?} is not an absolute URL")]
    NotAUrl(String),
    /// Neither http nor https.
    #[error("{0:?} must begin with https:// (or http:// on loopback)")]
    Scheme(String),
    /// A path, query, fragment or user name.
    #[error("{0:?} must be scheme, host and port alone, without a path")]
    NotBare(String),
}

impl Origin {
    /// The origin of a URL, whatever its path.
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let text = url.origin().ascii_serialization();
        let loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        Some(Self {
            authority_at: url.scheme().len() + 3,
            text,
            loopback,
        })
    }

    /// As text, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.text[self.authority_at..]
    }

    /// Host without port, IPv6 in brackets.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// This origin under the other two names of this machine; empty unless it is loopback.
    fn loopback_spellings(&self) -> Vec<Self> {
        if !self.loopback {
            return Vec::new();
        }
        let Ok(mut url) = Url::parse(&self.text) else {
            return Vec::new();
        };
        let mut spellings = Vec::new();
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            if url.set_host(Some(host)).is_ok() {
                spellings.extend(Self::of(&url).filter(|other| other != self));
            }
        }
        spellings
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::NotAUrl(text.to_owned()))?;
        let origin = Self::of(&url).ok_or_else(|| OriginError::Scheme(text.to_owned()))?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if bare {
            Ok(origin)
        } else {
            Err(OriginError::NotBare(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;
    fn try_from(text: String) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The public origin and the other names under which requests may come.
#[derive(Clone, Debug)]
pub struct Origins {
    public: Origin,
    aliases: Vec<Origin>,
}

impl Origins {
    /// From the configured public origin and further names. A loopback origin is known under all three
    /// names of this machine.
    pub fn new(public: Origin, mut aliases: Vec<Origin>) -> Self {
        aliases.extend(public.loopback_spellings());
        Self { public, aliases }
    }

    /// The one that metadata and tokens name.
    pub fn public(&self) -> &Origin {
        &self.public
    }

    /// Finds the origin whose `Host` header this is; ASCII case does not matter (RFC 9110 section 4.2.3).
    pub fn by_authority(&self, authority: &str) -> Option<&Origin> {
        let bare = authority
            .strip_suffix(if self.public.is_https() { ":443" } else { ":80" })
            .unwrap_or(authority);
        self.iter()
            .find(|origin| origin.authority().eq_ignore_ascii_case(bare))
    }

    /// Whether this is one of them.
    pub fn contains(&self, origin: &Origin) -> bool {
        self.iter().any(|own| own == origin)
    }

    fn iter(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.public).chain(&self.aliases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        assert_eq!(
            "HTTPS://MCP.Example.com:443/".parse::<Origin>().unwrap().as_str(),
            "https://mcp.example.com"
        );
        assert_eq!("http://[::1]:80".parse::<Origin>().unwrap().authority(), "[::1]");
        for bad in [
            "mcp.example.com",
            "ftp://x",
            "https://x/mcp",
            "https://u@x",
            "https://x/?q",
            "https://x/#f",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_loopback_origin_answers_to_all_names_of_this_machine() {
        let origins = Origins::new("http://127.0.0.1:8080".parse().unwrap(), vec![]);
        for name in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(origins.by_authority(name).is_some(), "{name}");
        }
        for name in [
            "127.0.0.1",
            "localhost:8081",
            "evil.example.com",
            "localhost.:8080",
            "127.0.0.2:8080",
        ] {
            assert!(origins.by_authority(name).is_none(), "{name}");
        }
    }

    #[test]
    fn an_explicit_default_port_is_the_same_authority() {
        let origins = Origins::new("https://mcp.example.com".parse().unwrap(), vec![]);
        assert!(origins.by_authority("MCP.example.com:443").is_some());
        assert!(origins.by_authority("mcp.example.com:80").is_none());
    }
}
