//! The signing keys: made on first start, sealed at rest, several at once, rotated with overlap (OS-123).
//!
//! A new key is published before it signs, for as long as others may keep our key set in a cache; the one
//! before stays published until the last token it signed has run out. Nothing restarts: a change of keys
//! reaches every replica by the change log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use keys::seal::OpenError;
use keys::signing::KeyError;
use keys::{Algorithm, PublicKeys, Purpose, Sealed, Sealer, SigningKey};
use model::{ExposeSecret as _, Timestamp, World};
use serde_json::{Value, json};
use store::{SigningKeyRecord, Store, StoreError};
use thiserror::Error;

use crate::settings::LONGEST_ACCESS;

/// How long others may keep our key set in a cache.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_mins(5);
/// How long a new key is published before it signs.
const PUBLISH_BEFORE: Duration = Duration::from_mins(10);
/// How long a key is published after the next one signs.
const PUBLISH_AFTER: Duration = Duration::from_hours(1).saturating_add(LONGEST_ACCESS);

/// Keys that cannot be used.
#[derive(Debug, Error)]
pub enum KeyRingError {
    /// A sealed key does not open; the master key is not the one it was sealed under.
    #[error("signing key {kid}: {source}")]
    Sealed {
        /// Which key.
        kid: String,
        /// Why.
        source: OpenError,
    },
    /// A key cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key of this algorithm signs.
    #[error("no {} key signs at this moment", .0.as_str())]
    None(Algorithm),
}

/// The signing keys of this deployment.
#[derive(Debug)]
pub struct KeyRing {
    world: World,
    store: Arc<dyn Store>,
    sealer: Sealer,
    current: ArcSwap<Keys>,
}

/// What is known of all keys at one moment.
#[derive(Debug)]
struct Keys {
    signers: HashMap<Algorithm, Vec<(Timestamp, Arc<SigningKey>)>>,
    public: Arc<PublicKeys>,
    key_set: Arc<str>,
}

/// A key as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The key.
    pub record: SigningKeyRecord,
    /// Whether it signs now.
    pub signs: bool,
}

impl KeyRing {
    /// Opens all keys; makes one of each algorithm where there is none.
    pub async fn open(
        world: World,
        store: Arc<dyn Store>,
        sealer: Sealer,
    ) -> Result<Arc<Self>, KeyRingError> {
        let keys = read(&store, &sealer).await?;
        let ring = Self {
            world,
            store,
            sealer,
            current: ArcSwap::from_pointee(keys),
        };
        for algorithm in Algorithm::ALL {
            if !ring.current.load().signers.contains_key(&algorithm) {
                ring.add(algorithm, None, ring.world.now()).await?;
            }
        }
        ring.reload().await?;
        Ok(Arc::new(ring))
    }

    /// Reads all keys again, after the change log said that they changed.
    pub async fn reload(&self) -> Result<(), KeyRingError> {
        self.current
            .store(Arc::new(read(&self.store, &self.sealer).await?));
        Ok(())
    }

    /// Makes a new key of this algorithm. It signs as soon as everybody can know it. `None` if another
    /// replica has just made one.
    pub async fn rotate(&self, algorithm: Algorithm) -> Result<Option<String>, KeyRingError> {
        let newest = self.newest(algorithm).await?;
        let made = self.add(
            algorithm,
            newest.as_ref().map(|key| key.kid.as_str()),
            self.world.now() + PUBLISH_BEFORE,
        );
        let made = made.await?;
        self.reload().await?;
        Ok(made)
    }

    /// Makes a new key of every algorithm whose newest is older than `age`. Gives their names.
    pub async fn rotate_older_than(&self, age: Duration) -> Result<Vec<(String, Algorithm)>, KeyRingError> {
        let mut made = Vec::new();
        for algorithm in Algorithm::ALL {
            let newest = self.newest(algorithm).await?;
            if newest.is_some_and(|key| self.world.now().since(key.created_at) >= age) {
                made.extend(self.rotate(algorithm).await?.map(|kid| (kid, algorithm)));
            }
        }
        Ok(made)
    }

    /// Removes a key at once: what it signed counts no longer. If no other key of its algorithm signs, one
    /// is made that does. `false` if it is unknown.
    pub async fn remove(&self, kid: &str) -> Result<bool, KeyRingError> {
        let records = self.store.signing_keys().await?;
        let Some(gone) = records.iter().find(|key| key.kid == kid) else {
            return Ok(false);
        };
        let now = self.world.now();
        let algorithm: Option<Algorithm> = gone.algorithm.parse().ok();
        let another_signs = records.iter().any(|key| {
            key.kid != kid
                && key.algorithm == gone.algorithm
                && key.signs_from <= now
                && is_published(key, now)
        });
        if !self.store.remove_signing_key(kid, now).await? {
            return Ok(false);
        }
        if let (Some(algorithm), false) = (algorithm, another_signs) {
            let newest = self.newest(algorithm).await?;
            self.add(algorithm, newest.as_ref().map(|key| key.kid.as_str()), now)
                .await?;
        }
        self.reload().await?;
        Ok(true)
    }

    /// All keys, newest last.
    pub async fn list(&self) -> Result<Vec<Listed>, KeyRingError> {
        let records = self.store.signing_keys().await?;
        let signing: Vec<String> = Algorithm::ALL
            .into_iter()
            .filter_map(|algorithm| self.signer(algorithm).ok().map(|key| key.kid().to_owned()))
            .collect();
        Ok(records
            .into_iter()
            .map(|record| Listed {
                signs: signing.contains(&record.kid),
                record,
            })
            .collect())
    }

    /// Seals all keys under the current master key. Gives how many were sealed under an older one.
    pub async fn reseal(&self) -> Result<usize, KeyRingError> {
        let mut count = 0;
        for key in self.store.signing_keys().await? {
            let sealed = Sealed::from_bytes(key.private.clone());
            let resealed = self.sealer.reseal(&purpose(&key.kid), &sealed);
            let resealed = resealed.map_err(|source| KeyRingError::Sealed {
                kid: key.kid.clone(),
                source,
            })?;
            if let Some(resealed) = resealed
                && self
                    .store
                    .reseal_signing_key(&key.kid, &key.private, resealed.as_bytes())
                    .await?
            {
                count += 1;
            }
        }
        Ok(count)
    }

    /// The key that signs with this algorithm now: the newest whose time has come.
    pub fn signer(&self, algorithm: Algorithm) -> Result<Arc<SigningKey>, KeyRingError> {
        let now = self.world.now();
        let keys = self.current.load();
        let signers = keys
            .signers
            .get(&algorithm)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let signer = signers.iter().rev().find(|(from, _)| *from <= now);
        signer
            .map(|(_, key)| Arc::clone(key))
            .ok_or(KeyRingError::None(algorithm))
    }

    /// The public keys, to verify our own tokens with.
    pub fn public(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.current.load().public)
    }

    /// The JWK set as it is published.
    pub fn key_set(&self) -> Arc<str> {
        Arc::clone(&self.current.load().key_set)
    }

    async fn newest(&self, algorithm: Algorithm) -> Result<Option<SigningKeyRecord>, StoreError> {
        let records = self.store.signing_keys().await?;
        Ok(records
            .into_iter()
            .rfind(|key| key.algorithm == algorithm.as_str()))
    }

    async fn add(
        &self,
        algorithm: Algorithm,
        newest: Option<&str>,
        signs_from: Timestamp,
    ) -> Result<Option<String>, KeyRingError> {
        let now = self.world.now();
        let (key, pkcs8) = SigningKey::generate(algorithm)?;
        let record = SigningKeyRecord {
            kid: key.kid().to_owned(),
            algorithm: algorithm.as_str().to_owned(),
            private: self.sealer.seal(&purpose(key.kid()), &pkcs8).as_bytes().to_vec(),
            public: key.public_jwk().to_string(),
            created_at: now,
            signs_from,
            published_until: None,
        };
        let added = self
            .store
            .add_signing_key(&record, newest, signs_from + PUBLISH_AFTER, now)
            .await?;
        Ok(added.then_some(record.kid))
    }
}

fn purpose(kid: &str) -> Purpose<'_> {
    Purpose {
        purpose: "signing key",
        owner: kid,
    }
}

fn is_published(key: &SigningKeyRecord, now: Timestamp) -> bool {
    key.published_until.is_none_or(|until| until > now)
}

async fn read(store: &Arc<dyn Store>, sealer: &Sealer) -> Result<Keys, KeyRingError> {
    let mut signers = HashMap::<Algorithm, Vec<(Timestamp, Arc<SigningKey>)>>::new();
    let mut published = Vec::new();
    for record in store.signing_keys().await? {
        let opened = sealer.open(&purpose(&record.kid), &Sealed::from_bytes(record.private));
        let pkcs8 = opened.map_err(|source| KeyRingError::Sealed {
            kid: record.kid.clone(),
            source,
        })?;
        if let Ok(algorithm) = record.algorithm.parse::<Algorithm>() {
            let key = SigningKey::from_pkcs8(algorithm, pkcs8.expose_secret())?;
            signers
                .entry(algorithm)
                .or_default()
                .push((record.signs_from, Arc::new(key)));
        }
        published.extend(serde_json::from_str::<Value>(&record.public));
    }
    let key_set = json!({ "keys": published });
    Ok(Keys {
        signers,
        public: Arc::new(PublicKeys::from_jwks(&key_set)),
        key_set: key_set.to_string().into(),
    })
}

#[cfg(test)]
mod tests;
