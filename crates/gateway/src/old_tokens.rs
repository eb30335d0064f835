//! Tokens of the time before: what callers held when each server checked its own, accepted until a day that the
//! operator names.
//!
//! A dated exception to MA-51 (accept nothing but our own tokens). It is bounded so that it stays one: the token is
//! mapped to an account, it never goes on to the server, each use is recorded and counted, and after the day it is
//! refused like any other. A token of ours, or of a trusted issuer, is never shown to the server that is asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use ipnet::IpNet;
use keys::sha256;
use model::{AccountId, ExposeSecret as _, SecretString, ServerName, Timestamp, Username, World};
use net::address::network_of;
use net::{Operators, body};
use people::Directory;
use people::limits::Limit;
use quick_cache::sync::Cache;
use serde_json::Value;
use store::StoreError;
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::{debug, warn};
use url::Url;

/// The client of every old token, as policy rules and records name it.
pub const CLIENT: &str = "legacy";

/// So long it is remembered whose a token is.
const CHECKED: Duration = Duration::from_mins(1);
/// So long it is remembered that a token is nobody's.
const REFUSED: Duration = Duration::from_mins(1);
/// Tokens that are remembered.
const CAPACITY: usize = 10_000;
/// Unknown tokens of one network about which a server is asked.
const GUESSES: u32 = 20;
const GUESSES_IN: Duration = Duration::from_mins(10);
/// Questions to one server at the same moment.
const AT_ONCE: usize = 8;
/// Bounds of what may be a token.
const SHORTEST: usize = 8;
const LONGEST: usize = 1024;
/// Bounds of a server's answer.
const LARGEST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

/// A token that the configuration knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticToken {
    /// What the configuration calls it.
    pub name: String,
    /// Whose it is.
    pub account: Username,
}

/// Asking the server whose a token is.
#[derive(Clone, Debug)]
pub struct UpstreamCheck {
    /// Where it says who somebody is.
    pub url: Url,
    /// The header that carries the token there.
    pub header: HeaderName,
    /// What stands before and after the token in it.
    pub around: (String, String),
    /// Where in the answer the name is: a JSON pointer.
    pub username: String,
    /// Whose account here a name there is.
    pub accounts: HashMap<String, Username>,
    /// Whether every other name is the account of the same name.
    pub same_names: bool,
    /// The way there.
    pub client: Operators,
}

/// Which old tokens a server accepts.
#[derive(Debug)]
pub struct Settings {
    /// Until when.
    pub until: Timestamp,
    /// Tokens that the configuration knows, by SHA-256.
    pub statics: HashMap<[u8; 32], StaticToken>,
    /// Others, which the server is asked about.
    pub check: Option<UpstreamCheck>,
    /// Schemes of `Authorization` in which they may come, beside `Bearer`; in lower case.
    pub schemes: Vec<String>,
    /// Other headers in which they may come.
    pub headers: Vec<HeaderName>,
}

/// The old tokens of one server.
#[derive(Debug)]
pub struct OldTokens {
    settings: Settings,
    known: Cache<[u8; 32], Arc<OldToken>>,
    refused: Cache<[u8; 32], Timestamp>,
    places: Semaphore,
}

/// An old token that counts.
#[derive(Clone, Debug)]
pub struct OldToken {
    /// What the configuration calls it.
    pub name: String,
    /// Whose it is.
    pub account: AccountId,
    /// Until when it may count.
    pub until: Timestamp,
    checked_at: Timestamp,
    address: IpAddr,
    token: SecretString,
}

/// How many unknown tokens came from where.
#[derive(Debug)]
pub(crate) struct Guesses(Limit<(ServerName, IpNet)>);

impl Guesses {
    /// None yet.
    pub(crate) fn new(world: World) -> Self {
        Self(Limit::new(world, GUESSES, GUESSES_IN))
    }
}

/// Whose is this token?
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) token: &'a str,
    pub(crate) server: &'a ServerName,
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
    pub(crate) directory: &'a Directory,
    pub(crate) guesses: &'a Guesses,
}

/// Why an old token does not count.
#[derive(Debug, Error)]
pub(crate) enum BadOldToken {
    /// The day has come.
    #[error("tokens of this kind are not accepted any more")]
    Over,
    /// It is nobody's, or of somebody who has no account here.
    #[error("not an access token of this server")]
    Unknown,
    /// Too many unknown ones came from there.
    #[error("too many unknown tokens")]
    TooMany(Duration),
    /// The server cannot be asked.
    #[error("the server cannot be asked whose this token is")]
    Unavailable,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OldTokens {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: Cache::new(CAPACITY),
            refused: Cache::new(CAPACITY),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether a text may be an old token: anything that is neither signed nor one of our own kinds, and whatever the
    /// configuration lists.
    pub(crate) fn fits(&self, token: &str) -> bool {
        let is_listed = self.settings.statics.contains_key(&sha256(token.as_bytes()));
        is_listed || (self.settings.check.is_some() && may_be_shown(token))
    }

    /// The old token of a request in a place where only old tokens come.
    pub(crate) fn elsewhere<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let in_scheme = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            let known = self
                .settings
                .schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme));
            known.then(|| token.trim())
        });
        let in_header = self
            .settings
            .headers
            .iter()
            .flat_map(|name| headers.get_all(name));
        in_scheme
            .chain(in_header.filter_map(|value| value.to_str().ok()).map(str::trim))
            .collect()
    }

    /// Headers that carry old tokens: none of them goes on to the server, before the day or after it.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        &self.settings.headers
    }

    /// Whose an old token is.
    pub(crate) async fn check(&self, question: Question<'_>) -> Result<Arc<OldToken>, BadOldToken> {
        let (token, now) = (question.token, question.now);
        if self.settings.until <= now {
            return Err(BadOldToken::Over);
        }
        if !(SHORTEST..=LONGEST).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadOldToken::Unknown);
        }
        let digest = sha256(token.as_bytes());
        if let Some(known) = self.known.get(&digest) {
            if now.since(known.checked_at) < CHECKED {
                return Ok(known);
            }
            self.known.remove(&digest);
        }
        // Whoever shows the same token at the same moment waits for the one question.
        self.known
            .get_or_insert_async(&digest, self.look_up(&digest, question))
            .await
    }

    /// The same for a token that counted before, while its stream is open.
    pub(crate) async fn check_again(
        &self,
        token: &OldToken,
        server: &ServerName,
        now: Timestamp,
        directory: &Directory,
        guesses: &Guesses,
    ) -> bool {
        let question = Question {
            token: token.token.expose_secret(),
            server,
            address: token.address,
            now,
            directory,
            guesses,
        };
        let outcome = self.check(question).await;
        outcome.is_ok_and(|again| again.account == token.account)
    }

    async fn look_up(&self, digest: &[u8; 32], question: Question<'_>) -> Result<Arc<OldToken>, BadOldToken> {
        let (token, now) = (question.token, question.now);
        if self.refused.get(digest).is_some_and(|until| until > now) {
            return Err(BadOldToken::Unknown);
        }
        let found = match self.settings.statics.get(digest) {
            Some(known) => Some((known.name.clone(), known.account.clone())),
            None => self.ask(question).await?,
        };
        if let Some((name, username)) = found
            && let Some(account) = question.directory.named(&username).await?
        {
            return Ok(Arc::new(OldToken {
                name,
                account,
                until: self.settings.until,
                checked_at: now,
                address: question.address,
                token: token.to_owned().into(),
            }));
        }
        self.refused.insert(*digest, now + REFUSED);
        Err(BadOldToken::Unknown)
    }

    /// What the server says. Whoever asks about many that it does not know is not heard for a while.
    async fn ask(&self, question: Question<'_>) -> Result<Option<(String, Username)>, BadOldToken> {
        let Some(check) = self
            .settings
            .check
            .as_ref()
            .filter(|_| may_be_shown(question.token))
        else {
            return Ok(None);
        };
        let source = (question.server.clone(), network_of(question.address));
        let guesses = &question.guesses.0;
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let _place = place.map_err(|_| BadOldToken::Unavailable)?;
        // Taken before it is asked, and given back for a token that the server knows: many at once are no way around it,
        // nor is hanging up.
        guesses.take(&source).map_err(BadOldToken::TooMany)?;
        let username = check.ask(question.token).await?;
        if username.is_some() {
            guesses.give_back(&source);
        }
        Ok(username.map(|username| ("upstream".to_owned(), username)))
    }
}

/// Whether a text may be shown to the server that is asked whose it is: never a signed token, which would count
/// elsewhere, and never one of ours (MA-51).
fn may_be_shown(token: &str) -> bool {
    !token.starts_with("vst_") && !token.contains('.')
}

impl UpstreamCheck {
    /// Whose account here the token's owner has; none if the server does not know it, or nobody here is theirs.
    async fn ask(&self, token: &str) -> Result<Option<Username>, BadOldToken> {
        let unavailable = |why: &dyn std::fmt::Display| {
            warn!(url = %self.url, %why, "a server cannot be asked whose an old token is");
            BadOldToken::Unavailable
        };
        let (before, after) = &self.around;
        let Ok(mut value) = HeaderValue::from_str(&format!("{before}{token}{after}")) else {
            return Ok(None);
        };
        value.set_sensitive(true);
        let mut request = Request::new(body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.url.as_str().parse().map_err(|error| unavailable(&error))?;
        let headers = request.headers_mut();
        headers.insert(self.header.clone(), value);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let call = tokio::time::timeout(PATIENCE, self.client.call(request));
        let response = call
            .await
            .map_err(|_| unavailable(&"no answer in time"))?
            .map_err(|error| unavailable(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(unavailable(&status)),
        }
        let bytes = body::read(response.into_body(), LARGEST, PATIENCE)
            .await
            .map_err(|error| unavailable(&error))?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|error| unavailable(&error))?;
        let Some(name) = answer.pointer(&self.username).and_then(Value::as_str) else {
            return Err(unavailable(&"the answer has no name where `username` points"));
        };
        let account = match self.accounts.get(name) {
            Some(account) => Some(account.clone()),
            None if self.same_names => Username::from_typed(name).ok(),
            None => None,
        };
        if account.is_none() {
            debug!(url = %self.url, name, "an old token's owner has no account here");
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(statics: &[&str], check: bool) -> OldTokens {
        let known = StaticToken {
            name: "ci".to_owned(),
            account: "ana".parse().unwrap(),
        };
        let check = check.then(|| UpstreamCheck {
            url: "http://127.0.0.1:9/user".parse().unwrap(),
            header: header::AUTHORIZATION,
            around: ("token ".to_owned(), String::new()),
            username: "/login".to_owned(),
            accounts: HashMap::new(),
            same_names: true,
            client: Operators::new(&net::Egress::default()).unwrap(),
        });
        let settings = Settings {
            until: Timestamp::NEVER,
            statics: statics
                .iter()
                .map(|token| (sha256(token.as_bytes()), known.clone()))
                .collect(),
            check,
            schemes: vec!["token".to_owned()],
            headers: vec!["private-token".parse().unwrap()],
        };
        OldTokens::new(settings)
    }

    /// MA-51: what counts elsewhere is not shown to the server.
    #[test]
    fn what_is_shown_to_a_server() {
        let service = model::OpaqueToken::from_random(model::TokenKind::Service, &[1; 32]);
        let refresh = model::OpaqueToken::from_random(model::TokenKind::Refresh, &[1; 32]);
        for token in ["eyJh.eyJh.c2ln", "a.b", service.expose(), refresh.expose()] {
            assert!(!tokens(&[], true).fits(token), "{token}");
        }
        assert!(tokens(&[], true).fits("0123456789abcdef0123456789abcdef01234567"));
        assert!(!tokens(&[], false).fits("0123456789abcdef0123456789abcdef01234567"));
        // A token that the configuration lists is compared here, whatever its shape.
        assert!(tokens(&["eyJh.eyJh.c2ln"], false).fits("eyJh.eyJh.c2ln"));
    }

    #[test]
    fn where_old_tokens_come() {
        let tokens = tokens(&[], true);
        let found = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            tokens
                .elsewhere(&headers)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&[("authorization", "Token abc")]), ["abc"]);
        assert_eq!(
            found(&[("private-token", "abc"), ("authorization", "token d")]),
            ["d", "abc"]
        );
        assert!(found(&[("authorization", "Bearer abc"), ("x-token", "abc")]).is_empty());
    }
}
