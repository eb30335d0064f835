//! An issuer's keys: fetched when they are first needed, kept, fetched again when a token names one that is not there.
//!
//! An outage of the issuer must not turn good tokens away: known keys go on counting for a bounded time, and of a key
//! that is not known nobody says that it is wrong before the issuer was asked (OS-123).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use keys::PublicKeys;
use keys::jwk::SignatureError;
use model::Timestamp;
use net::Operators;
use protocol::jwt::Compact;
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::{info, warn};
use url::Url;

use crate::discovery::{self, FetchError};

/// So long keys are taken without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// Never asked more often than this, whatever tokens name.
const AGAIN: Duration = Duration::from_secs(10);
/// So long at most one waits for somebody else's question.
const PATIENCE: Duration = Duration::from_mins(1);
/// A token is older than the keys if it was made so long before they were asked for, whatever the issuer's clock says.
const OLDER: Duration = Duration::from_mins(1);

/// A signature that does not count, or of which nobody can say.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum KeyTrouble {
    /// It is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The key is not known and the issuer cannot be asked.
    #[error("the issuer's keys cannot be had")]
    Unavailable,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From here.
    At(Url),
    /// From where this issuer's metadata says.
    Of(String),
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    source: Source,
    client: Operators,
    keep: Duration,
    current: Arc<ArcSwapOption<Fetched>>,
    asked: Mutex<Option<Asked>>,
}

#[derive(Debug)]
struct Fetched {
    keys: PublicKeys,
    at: Timestamp,
}

/// When the issuer was last asked, and whether it answers. That goes on by itself, so nobody who hangs up in the middle
/// keeps others from an answer.
#[derive(Clone, Debug)]
struct Asked {
    at: Timestamp,
    answered: Shared<BoxFuture<'static, bool>>,
}

/// What the issuer says, as far as it may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Its keys of this moment.
    Now,
    /// It was asked a moment ago, and is not asked again so soon; it may have a new key since then.
    Lately,
    /// Nothing.
    None,
}

impl KeySet {
    /// Nothing is fetched yet. Keys that cannot be fetched again count for `keep`.
    pub fn new(source: Source, client: Operators, keep: Duration) -> Self {
        Self {
            source,
            client,
            keep,
            current: Arc::default(),
            asked: Mutex::new(None),
        }
    }

    /// Checks the signature of a token that says that it was made at that time.
    pub async fn verify(
        &self,
        token: &Compact<'_>,
        allowed: &[&str],
        made_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), KeyTrouble> {
        let known = self.current.load_full();
        if let Some(known) = known.as_ref().filter(|known| now.since(known.at) < FRESH)
            && let Some(verdict) = judge(&known.keys, token, allowed)
        {
            return Ok(verdict?);
        }
        let answer = self.refresh(known.as_ref().map(|known| known.at), now).await;
        let current = self.current.load_full();
        let current = current.filter(|current| now.since(current.at) < self.keep);
        let verdict = current.and_then(|current| match answer {
            Answer::Now => Some(current.keys.verify(token, allowed)),
            // What it was made with would be among them.
            Answer::Lately if made_at + OLDER <= current.at => Some(current.keys.verify(token, allowed)),
            Answer::Lately | Answer::None => judge(&current.keys, token, allowed),
        });
        Ok(verdict.ok_or(KeyTrouble::Unavailable)??)
    }

    /// Fetches the keys, unless somebody else did meanwhile or is about to.
    async fn refresh(&self, seen: Option<Timestamp>, now: Timestamp) -> Answer {
        let (asked, is_first) = self.ask(seen, now).await;
        match asked.answered.await {
            true if is_first => Answer::Now,
            true => Answer::Lately,
            false => Answer::None,
        }
    }

    /// The last time that the issuer was asked, which is now if it may be asked again; and whether it is now.
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends by itself within the client's times, and nobody needs its end when closing"
    )]
    async fn ask(&self, seen: Option<Timestamp>, now: Timestamp) -> (Asked, bool) {
        let mut last = self.asked.lock().await;
        if let Some(asked) = &*last {
            let is_new = || seen.is_none_or(|seen| asked.at > seen);
            let counts = match asked.answered.peek() {
                Some(answered) => *answered && is_new(),
                None => now.since(asked.at) < PATIENCE,
            };
            if counts || now.since(asked.at) < AGAIN {
                return (asked.clone(), false);
            }
        }
        let (source, client) = (self.source.clone(), self.client.clone());
        let current = Arc::clone(&self.current);
        let answered = async move {
            match fetch(&source, &client).await {
                Ok(keys) => {
                    info!(?source, ?keys, "keys of an issuer fetched");
                    current.store(Some(Arc::new(Fetched { keys, at: now })));
                    true
                }
                Err(error) => {
                    warn!(%error, ?source, "keys of an issuer cannot be fetched");
                    false
                }
            }
        };
        let asked = Asked {
            at: now,
            answered: answered.boxed().shared(),
        };
        *last = Some(asked.clone());
        // Its clock runs, whoever hangs up.
        tokio::spawn(asked.answered.clone());
        (asked, true)
    }
}

async fn fetch(source: &Source, client: &Operators) -> Result<PublicKeys, FetchError> {
    let url = match source {
        Source::At(url) => url.clone(),
        Source::Of(issuer) => discovery::key_set(client, issuer).await?,
    };
    let keys = PublicKeys::from_jwks(&discovery::fetch(client, &url).await?);
    if keys.is_empty() {
        // A set without a key that we could use is a fault of the issuer, not of every token.
        return Err(FetchError::Json(url.to_string()));
    }
    Ok(keys)
}

/// The verdict on a signature, if these keys allow one. Of a key that is not among them they say nothing, and neither
/// if the token does not name its key: it may be the next one.
fn judge(keys: &PublicKeys, token: &Compact<'_>, allowed: &[&str]) -> Option<Result<(), SignatureError>> {
    match keys.verify(token, allowed) {
        Err(SignatureError::UnknownKey) => None,
        Err(SignatureError::Wrong) if token.header.kid.is_none() => None,
        verdict => Some(verdict),
    }
}

#[cfg(test)]
mod tests;
