//! The key that signs blocks: Ed25519, one for all replicas, sealed under the master key in the database. Whoever
//! can write the database but lacks the master key can forge nothing.

use keys::seal::OpenError;
use keys::signing::KeyError;
use keys::{Algorithm, Purpose, Sealed, Sealer, SigningKey, VerifyingKey};
use model::{ExposeSecret as _, World};
use serde_json::Value;
use store::{AuditKeyRecord, Store, StoreError};
use thiserror::Error;

/// A key that cannot be used.
#[derive(Debug, Error)]
pub enum SignerError {
    /// The master key is not the one that it was sealed under.
    #[error("audit key {kid}: {source}")]
    Sealed {
        /// Which key.
        kid: String,
        /// Why.
        source: OpenError,
    },
    /// It cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is of a kind that signs no blocks.
    #[error("audit key: not an Ed25519 key")]
    Kind,
}

/// Signs blocks.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    public: VerifyingKey,
    /// Whether it was made at this start.
    is_new: bool,
}

fn purpose(kid: &str) -> Purpose<'_> {
    Purpose {
        purpose: "audit key",
        owner: kid,
    }
}

impl Signer {
    /// Opens the key of this deployment; the first start makes it.
    pub async fn open(world: &World, store: &dyn Store, sealer: &Sealer) -> Result<Self, SignerError> {
        if let Some(record) = store.audit_key().await? {
            return Self::read(&record, sealer);
        }
        let (key, pkcs8) = SigningKey::generate(Algorithm::EdDsa)?;
        let signer = Self::of(key)?;
        let record = AuditKeyRecord {
            kid: signer.kid().to_owned(),
            private: sealer.seal(&purpose(signer.kid()), &pkcs8).as_bytes().to_vec(),
            public: signer.public.jwk().to_string(),
            created_at: world.now(),
        };
        if store.add_audit_key(&record).await? {
            return Ok(Self {
                is_new: true,
                ..signer
            });
        }
        // Another replica was first.
        match store.audit_key().await? {
            Some(record) => Self::read(&record, sealer),
            None => Ok(signer),
        }
    }

    /// A key of its own that is kept nowhere, for tests.
    pub fn generate() -> Result<Self, SignerError> {
        let signer = Self::of(SigningKey::generate(Algorithm::EdDsa)?.0)?;
        Ok(Self {
            is_new: true,
            ..signer
        })
    }

    /// Seals the key under the current master key. Gives whether it was sealed under an older one.
    pub async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<bool, SignerError> {
        let Some(record) = store.audit_key().await? else {
            return Ok(false);
        };
        let sealed = Sealed::from_bytes(record.private.clone());
        let resealed =
            sealer
                .reseal(&purpose(&record.kid), &sealed)
                .map_err(|source| SignerError::Sealed {
                    kid: record.kid.clone(),
                    source,
                })?;
        match resealed {
            Some(resealed) => Ok(store
                .reseal_audit_key(&record.kid, &record.private, resealed.as_bytes())
                .await?),
            None => Ok(false),
        }
    }

    fn read(record: &AuditKeyRecord, sealer: &Sealer) -> Result<Self, SignerError> {
        let sealed = Sealed::from_bytes(record.private.clone());
        let pkcs8 = sealer
            .open(&purpose(&record.kid), &sealed)
            .map_err(|source| SignerError::Sealed {
                kid: record.kid.clone(),
                source,
            })?;
        Self::of(SigningKey::from_pkcs8(Algorithm::EdDsa, pkcs8.expose_secret())?)
    }

    fn of(key: SigningKey) -> Result<Self, SignerError> {
        let public = VerifyingKey::from_jwk(&key.public_jwk()).ok_or(SignerError::Kind)?;
        Ok(Self {
            key,
            public,
            is_new: false,
        })
    }

    /// Whether it was made at this start: it alone may vouch for what was recorded before anything was signed.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// What verifies its signatures.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs. Ed25519 cannot fail; an empty signature would be nobody's.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).unwrap_or_default()
    }
}

/// The public keys whose signatures count.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Vec<VerifyingKey>);

impl Trusted {
    /// These.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self(keys)
    }

    /// Reads a JWK, or a JWK set, as `vestibule audit key` prints it. Keys of other kinds are left out.
    pub fn from_json(value: &Value) -> Self {
        let listed = match value.get("keys").and_then(Value::as_array) {
            Some(keys) => keys.as_slice(),
            None => std::slice::from_ref(value),
        };
        Self(listed.iter().filter_map(VerifyingKey::from_jwk).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more.
    pub fn add(&mut self, key: VerifyingKey) {
        self.0.push(key);
    }

    /// Whether one of them made this signature.
    pub(crate) fn any_verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| key.verifies(message, signature))
    }

    /// The key of this name.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.kid() == kid)
    }
}
