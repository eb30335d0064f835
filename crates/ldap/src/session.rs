//! One connection to a directory's server: opened with TLS, bound, searched, within a time.
//!
//! The library panics at what it cannot read (a wrong tag in an answer), so that what drives it is caught here: a server
//! that speaks nonsense is one that does not answer.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
};
use model::{ExposeSecret as _, SecretString};
use net::tls::ClientConfig;
use thiserror::Error;
use url::Url;

/// How long a server may take to be connected with.
const CONNECT: Duration = Duration::from_secs(3);
/// How long it may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The same in the search itself, in seconds.
const SEARCH: i32 = 5;

/// Result codes (RFC 4511 appendix A).
mod code {
    pub(super) const TIME_LIMIT: u32 = 3;
    pub(super) const SIZE_LIMIT: u32 = 4;
    pub(super) const REFERRAL: u32 = 10;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
    pub(super) const INSUFFICIENT_ACCESS: u32 = 50;
    pub(super) const BUSY: u32 = 51;
    pub(super) const UNAVAILABLE: u32 = 52;
    pub(super) const UNWILLING: u32 = 53;
}

/// Why a directory does not say anything.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DirectoryError {
    /// Nobody answers, or too late; it may pass.
    #[error("the directory does not answer: {0}")]
    Unreachable(String),
    /// It answers with what does not count: somebody has to change something.
    #[error("the directory's answer does not count: {0}")]
    Answer(String),
}

/// What a server says to a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Right,
    /// With its words, for the record.
    Wrong(String),
}

/// What a search found.
pub(crate) struct Found {
    pub(crate) entries: Vec<SearchEntry>,
    /// Whether there is more.
    pub(crate) is_cut: bool,
}

/// What is looked for.
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) scope: Scope,
    pub(crate) filter: &'a str,
    pub(crate) attributes: &'a [&'a str],
    pub(crate) most: usize,
}

type Driver = Pin<Box<dyn Future<Output = Result<(), LdapError>> + Send>>;

/// A connection.
pub(crate) struct Session {
    ldap: Ldap,
    driver: Option<Driver>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    pub(crate) async fn open(
        url: &Url,
        start_tls: bool,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, DirectoryError> {
        let settings = LdapConnSettings::new().set_starttls(start_tls).set_config(tls);
        let opening = LdapConnAsync::from_url_with_settings(settings, url);
        let opened = AssertUnwindSafe(tokio::time::timeout(CONNECT, opening)).catch_unwind();
        let (connection, ldap) = opened
            .await
            .map_err(|_| nonsense())?
            .map_err(|_| unreachable(format!("cannot connect to {url} in time")))?
            .map_err(|error| unreachable(format!("cannot connect to {url}: {error}")))?;
        Ok(Self {
            ldap,
            driver: Some(Box::pin(connection.drive())),
        })
    }

    /// Binds; an empty name is nobody's, with whatever password (RFC 4513 section 5.1.2), so that both are refused here.
    pub(crate) async fn bind(&mut self, dn: &str, password: &SecretString) -> Result<Bound, DirectoryError> {
        if dn.trim().is_empty() || password.expose_secret().is_empty() {
            return Ok(Bound::Wrong("empty".to_owned()));
        }
        let result = self
            .ask(async |ldap| ldap.simple_bind(dn, password.expose_secret()).await)
            .await?;
        match result.rc {
            0 => Ok(Bound::Right),
            code::INVALID_CREDENTIALS
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::CONSTRAINT
            | code::NO_SUCH_OBJECT
            | code::INSUFFICIENT_ACCESS
            | code::UNWILLING => Ok(Bound::Wrong(said(&result))),
            _ => Err(trouble(&result)),
        }
    }

    /// Becomes nobody again (RFC 4513 section 5.1.1).
    pub(crate) async fn unbind(&mut self) -> Result<(), DirectoryError> {
        let result = self.ask(async |ldap| ldap.simple_bind("", "").await).await?;
        if result.rc == 0 {
            Ok(())
        } else {
            Err(trouble(&result))
        }
    }

    /// Searches. Where the server refers elsewhere, nobody goes.
    pub(crate) async fn search(&mut self, search: &Search<'_>) -> Result<Found, DirectoryError> {
        let limit = i32::try_from(search.most.saturating_add(1)).unwrap_or(i32::MAX);
        let options = SearchOptions::new().sizelimit(limit).timelimit(SEARCH);
        let (entries, result) = self
            .ask(async |ldap| {
                let mut stream = ldap
                    .with_search_options(options)
                    .streaming_search(search.base, search.scope, search.filter, search.attributes)
                    .await?;
                let mut entries = Vec::new();
                // A server need not keep to the limit.
                while entries.len() <= search.most
                    && let Some(entry) = stream.next().await?
                {
                    // A part of the tree that is elsewhere.
                    if !entry.is_ref() && !entry.is_intermediate() {
                        entries.push(SearchEntry::construct(entry));
                    }
                }
                if entries.len() > search.most {
                    return Ok((entries, None));
                }
                Ok((entries, Some(stream.finish().await)))
            })
            .await?;
        let is_cut = match result {
            None => true,
            Some(result) if result.rc == 0 => false,
            Some(result) if result.rc == code::SIZE_LIMIT => true,
            Some(result) => return Err(trouble(&result)),
        };
        Ok(Found { entries, is_cut })
    }

    /// Asks, and drives the connection meanwhile.
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Ldap) -> Result<T, LdapError>,
    ) -> Result<T, DirectoryError> {
        let gone = || unreachable("the connection has ended");
        // Put back once there is an answer: a connection in the middle of something is no good for anything else.
        let mut driver = self.driver.take().ok_or_else(gone)?;
        let asking = async {
            tokio::select! {
                biased;
                answer = question(&mut self.ldap) => Some(answer),
                _ = &mut driver => None,
                () = tokio::time::sleep(ANSWER) => Some(Err(LdapError::EndOfStream)),
            }
        };
        let answer = AssertUnwindSafe(asking).catch_unwind().await;
        let answer = answer.map_err(|_| nonsense())?.ok_or_else(gone)?;
        let answer = answer.map_err(|error| match error {
            LdapError::EndOfStream => unreachable("no answer in time"),
            LdapError::FilterParsing => DirectoryError::Answer("a filter cannot be read".to_owned()),
            error => unreachable(error),
        })?;
        self.driver = Some(driver);
        Ok(answer)
    }
}

fn unreachable(why: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::Unreachable(plain(&why.to_string()))
}

fn nonsense() -> DirectoryError {
    DirectoryError::Answer("it is not LDAP".to_owned())
}

/// What a result is for whoever did not ask for a password to be checked.
fn trouble(result: &LdapResult) -> DirectoryError {
    match result.rc {
        code::TIME_LIMIT | code::BUSY | code::UNAVAILABLE => DirectoryError::Unreachable(said(result)),
        code::REFERRAL => {
            DirectoryError::Answer("it refers to another server, and nobody is sent there".to_owned())
        }
        _ => DirectoryError::Answer(said(result)),
    }
}

fn said(result: &LdapResult) -> String {
    plain(&result.to_string())
}

/// One line of it.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
