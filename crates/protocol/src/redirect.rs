//! Redirect URIs: what may be registered, and when a requested one is a registered one.
//!
//! One function reads a URI wherever it comes from (registration, metadata document, configuration,
//! authorize, token), so what registration accepts, authorize accepts (CC-46). Matching is by simple
//! string comparison (OS-19) with three exceptions and no more: the port and the name of this machine on
//! loopback (DEC-8), an empty path (CC-44), and query keys listed for one known client (CC-45).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use url::{Host, Url};

const LONGEST: usize = 2048;

/// Schemes that run code or read files where they are opened; never a redirect target (OS-21).
const DANGEROUS: [&str; 16] = [
    "javascript",
    "data",
    "file",
    "blob",
    "vbscript",
    "about",
    "view-source",
    "filesystem",
    "intent",
    "content",
    "chrome",
    "jar",
    "ws",
    "wss",
    "ftp",
    "mailto",
];

/// An absolute URI without fragment and user info, of a kind that a browser may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct RedirectUri {
    text: String,
    kind: Kind,
    /// Where path and query begin in `text`.
    path_at: usize,
}

/// The three kinds of target, which are treated differently on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An https URL: its host vouches for it.
    Https,
    /// A program listening on the person's own machine (RFC 8252 section 7.3).
    Loopback,
    /// A private-use scheme that some installed program answers to (RFC 8252 section 7.1).
    PrivateScheme,
}

/// Why a URI cannot be a redirect target. The text names the rule; the caller names the URI.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum RedirectError {
    /// Longer than any client sends.
    #[error("longer than {LONGEST} characters")]
    TooLong,
    /// A blank, control character, backslash or non-ASCII character: parsers disagree about these.
    #[error("has a character that must be percent-encoded")]
    Character,
    /// Not an absolute URI.
    #[error("is not an absolute URI")]
    NotAbsolute,
    /// Has a `#`.
    #[error("has a fragment")]
    Fragment,
    /// Has a user name or password.
    #[error("has user info")]
    UserInfo,
    /// The host is written in a way that parsers read differently.
    #[error("has an unusual spelling of its host")]
    Host,
    /// Plain http to another machine.
    #[error("uses http to a host that is not this machine")]
    PlainHttp,
    /// A scheme that is never allowed.
    #[error("uses a scheme that is never allowed")]
    DangerousScheme,
    /// A private-use scheme that is neither reverse-domain nor known.
    #[error("uses a scheme that is neither known nor reverse-domain")]
    UnknownScheme,
}

impl RedirectUri {
    /// Reads a redirect URI. `known_scheme` says which private-use schemes without a dot are known.
    pub fn parse(text: &str, known_scheme: impl Fn(&str) -> bool) -> Result<Self, RedirectError> {
        if text.len() > LONGEST {
            return Err(RedirectError::TooLong);
        }
        if text.contains('#') {
            return Err(RedirectError::Fragment);
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'))
        {
            return Err(RedirectError::Character);
        }
        let url = Url::parse(text).map_err(|_| RedirectError::NotAbsolute)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectError::UserInfo);
        }
        let (scheme, rest) = text.split_once(':').ok_or(RedirectError::NotAbsolute)?;
        // The URL library leaves an empty user info out.
        if rest
            .strip_prefix("//")
            .is_some_and(|rest| authority(rest).contains('@'))
        {
            return Err(RedirectError::UserInfo);
        }
        match url.scheme() {
            "https" | "http" => Self::web(text, scheme.len() + 1, rest, &url),
            scheme if DANGEROUS.contains(&scheme) => Err(RedirectError::DangerousScheme),
            scheme if scheme.contains('.') || known_scheme(scheme) => Ok(Self {
                text: text.to_owned(),
                kind: Kind::PrivateScheme,
                path_at: 0,
            }),
            _ => Err(RedirectError::UnknownScheme),
        }
    }

    fn web(text: &str, after_scheme: usize, rest: &str, url: &Url) -> Result<Self, RedirectError> {
        // The URL library repairs `https:/host`, `https:host`, `127.1` and `[::0001]`; a client's own
        // library may not. Only what both read the same is taken.
        let authority = authority(rest.strip_prefix("//").ok_or(RedirectError::NotAbsolute)?);
        let host = match authority.rfind(']') {
            Some(end) => &authority[..=end],
            None => authority.split(':').next().unwrap_or_default(),
        };
        if !url
            .host_str()
            .is_some_and(|parsed| parsed.eq_ignore_ascii_case(host))
            || host.ends_with('.')
            // A wildcard would match nothing but itself; whoever registers one expects more.
            || host.contains('*')
        {
            return Err(RedirectError::Host);
        }
        let kind = match (url.scheme(), url.host()) {
            ("https", _) => Kind::Https,
            (_, Some(Host::Domain("localhost"))) => Kind::Loopback,
            (_, Some(Host::Ipv4(address))) if address.is_loopback() => Kind::Loopback,
            (_, Some(Host::Ipv6(address))) if address.is_loopback() => Kind::Loopback,
            _ => return Err(RedirectError::PlainHttp),
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
            path_at: after_scheme + 2 + authority.len(),
        })
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Which kind of target it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The host, or the scheme of a private-use URI: what a person is shown as the target (MA-92).
    pub fn target(&self) -> String {
        match Url::parse(&self.text) {
            Ok(url) if self.kind != Kind::PrivateScheme => url.host_str().unwrap_or_default().to_owned(),
            Ok(url) => format!("{}:", url.scheme()),
            Err(_) => String::new(),
        }
    }

    /// Scheme, host and port of a web target, for `Content-Security-Policy` and for comparing sites.
    pub fn origin(&self) -> Option<crate::Origin> {
        Url::parse(&self.text).ok().as_ref().and_then(crate::Origin::of)
    }

    /// Whether a request that names `requested` means this registered URI.
    ///
    /// `free_keys` are query keys that one known client adds or leaves out (CC-45).
    pub fn matches(&self, requested: &Self, rules: &MatchRules<'_>) -> bool {
        if self.kind != requested.kind {
            return false;
        }
        match self.kind {
            Kind::PrivateScheme => same_query(&self.text, &requested.text, rules.free_keys),
            Kind::Https => {
                self.authority().eq_ignore_ascii_case(requested.authority())
                    && self.scheme_is_same(requested)
                    && same_path(self.path_and_query(), requested.path_and_query(), rules.free_keys)
            }
            Kind::Loopback => {
                (!rules.strict_loopback || self.loopback_host() == requested.loopback_host())
                    && self.scheme_is_same(requested)
                    && same_path(self.path_and_query(), requested.path_and_query(), rules.free_keys)
            }
        }
    }

    /// The URI with parameters added to its query, which is kept (OS-21).
    pub fn with_params<'a>(&self, params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let glue = match self.text.find('?') {
            None => "?",
            Some(at) if at + 1 == self.text.len() || self.text.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{}{glue}{}", self.text, crate::params::encode(params))
    }

    /// The URI in the form by which identical registrations are recognised: loopback without its port
    /// (CC-34).
    pub fn without_loopback_port(&self) -> String {
        match self.kind {
            Kind::Loopback => format!("http://{}{}", self.loopback_host(), self.path_and_query()),
            Kind::Https | Kind::PrivateScheme => self.text.clone(),
        }
    }

    fn authority(&self) -> &str {
        let start = self.text.find("//").map_or(0, |at| at + 2);
        &self.text[start..self.path_at]
    }

    fn loopback_host(&self) -> &str {
        let authority = self.authority();
        match authority.rfind(']') {
            Some(end) => &authority[..=end],
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    fn scheme_is_same(&self, other: &Self) -> bool {
        let scheme = |uri: &Self| {
            uri.text
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        scheme(self) == scheme(other)
    }

    fn path_and_query(&self) -> &str {
        &self.text[self.path_at..]
    }
}

/// How a requested URI is compared with a registered one.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatchRules<'a> {
    /// Keep `localhost`, 127.0.0.1 and `[::1]` apart (DEC-8).
    pub strict_loopback: bool,
    /// Query keys that may be there or not (CC-45).
    pub free_keys: &'a [String],
}

/// What stands between `//` and the path or query.
fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
}

fn same_path(registered: &str, requested: &str, free_keys: &[String]) -> bool {
    let split = |text: &str| -> (String, String) {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        (
            if path.is_empty() { "/" } else { path }.to_owned(),
            query.to_owned(),
        )
    };
    let ((path_a, query_a), (path_b, query_b)) = (split(registered), split(requested));
    path_a == path_b && same_query(&format!("?{query_a}"), &format!("?{query_b}"), free_keys)
}

fn same_query(registered: &str, requested: &str, free_keys: &[String]) -> bool {
    if registered == requested {
        return true;
    }
    if free_keys.is_empty() {
        return false;
    }
    let bare = |text: &str| -> (String, Vec<String>) {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let kept = query.split('&').filter(|pair| {
            !pair.is_empty()
                && !free_keys
                    .iter()
                    .any(|key| pair.split('=').next() == Some(key.as_str()))
        });
        (path.to_owned(), kept.map(str::to_owned).collect())
    };
    bare(registered) == bare(requested)
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

/// From our own database, where only URIs that were accepted stand.
impl<'de> Deserialize<'de> for RedirectUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text, |_| true).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
