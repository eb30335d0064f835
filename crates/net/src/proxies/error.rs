//! Why there is no way through a proxy, as the person reads it in whose environment the proxy is named.

use thiserror::Error;

/// Why there is no way through a proxy. Each names the proxy, without the password that may stand in its URL.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ProxyError {
    /// The variable holds no URL.
    #[error(
        "{0} is not the address of an HTTP proxy, as http://proxy.example.com:3128; in a name or password, write @ as %40, / as %2F, # as %23"
    )]
    Unreadable(&'static str),
    /// A proxy that is spoken to in another way.
    #[error("{variable} names a proxy of the kind {kind}; this program goes through http:// ones alone")]
    Kind {
        /// Which variable.
        variable: &'static str,
        /// The scheme of its URL.
        kind: String,
    },
    /// Nobody is there.
    #[error(
        "the proxy {proxy} cannot be reached ({why}); {variable} names it, and NO_PROXY which hosts go past it"
    )]
    Unreachable {
        /// Who.
        proxy: String,
        /// Which variable says so.
        variable: &'static str,
        /// Why.
        why: String,
    },
    /// It wants to know who asks (407), and was told nothing.
    #[error(
        "the proxy {proxy} wants a name and a password (407): write them into {variable}, as http://NAME:PASSWORD@HOST:PORT"
    )]
    Nameless {
        /// Who.
        proxy: String,
        /// Which variable says so.
        variable: &'static str,
    },
    /// It does not take the name and the password that it was told (407).
    #[error("the proxy {proxy} does not take the name and the password (407) that stand in {variable}")]
    Unauthorized {
        /// Who.
        proxy: String,
        /// Which variable says so.
        variable: &'static str,
    },
    /// It does not let us through, or could not reach the destination itself.
    #[error(
        "the proxy {proxy} makes no way to {destination}; {variable} names it, and NO_PROXY which hosts go past it"
    )]
    Refused {
        /// Who.
        proxy: String,
        /// Which variable says so.
        variable: &'static str,
        /// Where to.
        destination: String,
    },
}

impl ProxyError {
    /// Whether it may go another time as it is. A name and password that were refused are not said again by themselves:
    /// companies lock accounts over that.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { .. })
    }
}
