//! Signing keys, sealed.

use async_trait::async_trait;
use model::Timestamp;

use crate::error::Result;

/// A key as it lies in the database.
#[derive(Clone, Debug)]
pub struct SigningKeyRecord {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// The private key, sealed.
    pub private: Vec<u8>,
    /// The public key as a JWK, so that it can be published without opening the private one.
    pub public: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it signs; it is published from the beginning.
    pub signs_from: Timestamp,
    /// Until when it is published, once a newer one signs.
    pub published_until: Option<Timestamp>,
}

/// The `signing_keys` table.
#[async_trait]
pub trait SigningKeys {
    /// All.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>>;
    /// Adds a key unless `newest` is no longer the newest of its algorithm (another replica rotated).
    /// The older ones of the algorithm stay published until `others_until`.
    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        newest: Option<&str>,
        others_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
    /// Deletes a key at once. `false` if it is unknown.
    async fn remove_signing_key(&self, kid: &str, now: Timestamp) -> Result<bool>;
    /// Replaces the sealed form, after the master key was rotated.
    async fn reseal_signing_key(&self, kid: &str, before: &[u8], after: &[u8]) -> Result<bool>;
}
