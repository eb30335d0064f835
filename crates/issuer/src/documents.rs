//! Client id metadata documents: fetching, keeping, doing without (CC-37 to CC-42, DEC-9, MA-80 to MA-96).
//!
//! Order: a fresh copy of ours; the operator's own; the vendor's document; a stale copy of ours; the document
//! that is shipped.
//! One fetch per URL at a time, failures remembered for half a minute, fetches per person limited.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use audit::{Person, What};
use bytes::Bytes;
use http::{HeaderMap, header};
use keys::{PublicKeys, sha256};
use model::{AccountId, ClientId, Timestamp, World};
use net::Strangers;
use net::strangers::{FetchError, Fetched};
use people::limits::Limit;
use protocol::ClientMetadata;
use protocol::client_metadata::document::DocumentUrl;
use quick_cache::sync::Cache;
use serde_json::Value;
use store::{Client, StoreError};
use tracing::info;
use url::Url;

use crate::clients::Resolution;
use crate::known_clients::KnownClient;
use crate::server::AuthorizationServer;

/// Failures are remembered so long (DEC-9).
const FAILURE: Duration = Duration::from_secs(30);
/// Bounds of what a document's own caching headers can ask for (CC-39).
const SHORTEST: Duration = Duration::from_mins(5);
const LONGEST: Duration = Duration::from_hours(24);
/// Freshness of a document that says nothing.
const USUAL: Duration = Duration::from_hours(1);
/// A copy of ours serves so long when the vendor fails.
const STALE: Duration = Duration::from_hours(7 * 24);
/// Keys of a client, and how soon they are fetched again for an unknown `kid`.
const KEYS: Duration = Duration::from_mins(5);
const KEYS_AGAIN: Duration = Duration::from_secs(30);

/// Fetches documents that strangers name; a parameter, so that a test owns the network.
#[async_trait]
pub trait Fetch: Send + Sync + std::fmt::Debug {
    /// Fetches a JSON document.
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError>;
}

#[async_trait]
impl Fetch for Strangers {
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.fetch_json(url).await
    }
}

/// Documents and keys that were fetched lately.
#[derive(Debug)]
pub struct Documents {
    world: World,
    fetch: Arc<dyn Fetch>,
    recent: Cache<String, Arc<Recent>>,
    per_person: Limit<AccountId>,
    key_sets: Cache<String, Arc<Recent>>,
}

#[derive(Debug)]
struct Recent {
    at: Timestamp,
    outcome: Result<(HeaderMap, Bytes), FetchError>,
}

impl Documents {
    /// With this way to fetch.
    pub fn new(world: World, fetch: Arc<dyn Fetch>) -> Self {
        Self {
            fetch,
            recent: Cache::new(1000),
            per_person: Limit::new(world.clone(), 30, Duration::from_mins(10)),
            key_sets: Cache::new(1000),
            world,
        }
    }

    /// Fetches a document; whoever asks for the same at the same moment waits for the one fetch.
    async fn get(&self, cache: &Cache<String, Arc<Recent>>, url: &Url, good_for: Duration) -> Arc<Recent> {
        let key = url.to_string();
        if let Some(recent) = cache.get(&key) {
            let age = self.world.now().since(recent.at);
            let limit = if recent.outcome.is_ok() { good_for } else { FAILURE };
            if age < limit {
                return recent;
            }
            cache.remove(&key);
        }
        let fetched = cache
            .get_or_insert_async(&key, async {
                let outcome = self
                    .fetch
                    .fetch(url)
                    .await
                    .map(|fetched| (fetched.headers, fetched.body));
                Ok::<_, std::convert::Infallible>(Arc::new(Recent {
                    at: self.world.now(),
                    outcome,
                }))
            })
            .await;
        match fetched {
            Ok(recent) => recent,
        }
    }
}

impl AuthorizationServer {
    /// Resolves a document URL, given our own copy if there is one.
    pub(crate) async fn resolve_document(
        &self,
        url: &DocumentUrl,
        id: &ClientId,
        cached: Option<Client>,
        person: Option<AccountId>,
    ) -> Result<Resolution, StoreError> {
        let now = self.world.now();
        if let Some(client) = &cached
            && client.fresh_until.is_some_and(|until| until > now)
        {
            return Ok(Resolution::Known(Box::new(client.clone())));
        }
        let operators = |client: &KnownClient| client.by_operator;
        if let Some(resolution) = self.by_known_document(url, id, operators).await? {
            return Ok(resolution);
        }
        let Some(person) = person else {
            return Ok(cached.map_or(Resolution::NeedsPerson, |client| {
                Resolution::Known(Box::new(client))
            }));
        };
        if self.documents.per_person.take(&person).is_err() {
            return Ok(Resolution::Unverified(
                "too many new programs at once; try again in a few minutes".to_owned(),
            ));
        }
        match self.fetch_document(url).await {
            Ok((metadata, body, freshness)) => {
                self.store
                    .put_document(id, &metadata, &sha256(&body), now + freshness, now)
                    .await?;
                self.reread(id).await
            }
            Err(why) => self.without_document(url, id, cached, why).await,
        }
    }

    async fn fetch_document(&self, url: &DocumentUrl) -> Result<(ClientMetadata, Bytes, Duration), String> {
        let recent = self
            .documents
            .get(&self.documents.recent, url.url(), FAILURE)
            .await;
        let (headers, body) = recent.outcome.as_ref().map_err(ToString::to_string)?;
        let parsed =
            ClientMetadata::from_document(url, body, |scheme| self.known_clients().knows_scheme(scheme));
        let parsed = parsed.map_err(|error| error.to_string())?;
        for (uri, why) in &parsed.dropped {
            info!(client = %url, uri, %why, "a redirect URI of a metadata document was dropped");
        }
        Ok((parsed.metadata, body.clone(), freshness(headers)))
    }

    /// The vendor's document cannot be had: our own copy, then the shipped one, then none (CC-41, CC-42).
    async fn without_document(
        &self,
        url: &DocumentUrl,
        id: &ClientId,
        cached: Option<Client>,
        why: String,
    ) -> Result<Resolution, StoreError> {
        let now = self.world.now();
        info!(client = %url, why, "a client id metadata document could not be used");
        if let Some(client) = cached.filter(|client| now.since(client.updated_at) < STALE) {
            return Ok(Resolution::Known(Box::new(client)));
        }
        if let Some(resolution) = self.by_known_document(url, id, |_| true).await? {
            return Ok(resolution);
        }
        let what = What::ClientDocumentFailed {
            client: url.to_string(),
            reason: why.clone(),
        };
        self.recorder.record(what, Person::default());
        Ok(Resolution::Unverified(why))
    }

    /// The document in the data files, if it is one of those that are wanted.
    async fn by_known_document(
        &self,
        url: &DocumentUrl,
        id: &ClientId,
        wanted: impl Fn(&KnownClient) -> bool,
    ) -> Result<Option<Resolution>, StoreError> {
        let known = self.known_clients();
        let Some((_, document)) = known.by_document(url).filter(|(client, _)| wanted(client)) else {
            return Ok(None);
        };
        let document = document.to_string();
        let parsed = ClientMetadata::from_document(url, document.as_bytes(), |s| known.knows_scheme(s));
        let Ok(parsed) = parsed else { return Ok(None) };
        let (now, digest) = (self.world.now(), sha256(document.as_bytes()));
        self.store
            .put_document(id, &parsed.metadata, &digest, now + SHORTEST, now)
            .await?;
        self.reread(id).await.map(Some)
    }

    async fn reread(&self, id: &ClientId) -> Result<Resolution, StoreError> {
        Ok(self
            .store
            .client(id)
            .await?
            .map_or(Resolution::Unknown, |client| Resolution::Known(Box::new(client))))
    }

    /// The keys behind a client's `jwks_uri`. Fetched again for an unknown `kid`, but not more often than
    /// every half minute.
    pub(crate) async fn keys_at(&self, uri: &str, kid: Option<&str>) -> Result<PublicKeys, String> {
        let url: Url = uri.parse().map_err(|_| "jwks_uri is not a URL".to_owned())?;
        let cache = &self.documents.key_sets;
        let keys = read_keys(&*self.documents.get(cache, &url, KEYS).await)?;
        if kid.is_none_or(|kid| keys.has(kid)) {
            return Ok(keys);
        }
        read_keys(&*self.documents.get(cache, &url, KEYS_AGAIN).await)
    }
}

fn read_keys(recent: &Recent) -> Result<PublicKeys, String> {
    let (_, body) = recent.outcome.as_ref().map_err(ToString::to_string)?;
    let jwks: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(PublicKeys::from_jwks(&jwks))
}

/// How long a document stays fresh by its own headers, within bounds (CC-39, MA-87).
fn freshness(headers: &HeaderMap) -> Duration {
    let mut asked = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(|part| part.trim().to_ascii_lowercase())
        {
            match directive.split_once('=') {
                Some(("max-age" | "s-maxage", seconds)) => {
                    asked = asked.or_else(|| seconds.trim_matches('"').parse().ok().map(Duration::from_secs));
                }
                None if matches!(directive.as_str(), "no-store" | "no-cache") => asked = Some(Duration::ZERO),
                _ => {}
            }
        }
    }
    asked.unwrap_or(USUAL).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests;
