//! Sealing at rest: one format for everything that must be read back (OS-124).
//!
//! Two shapes, both AES-256-GCM-SIV (a repeated nonce gives away equality, not the key):
//!
//! * An **envelope**, for what lies in the database: a fresh data key seals the secret, the master key seals
//!   the data key. Rotating the master key re-seals data keys and touches no secret.
//! * A **ticket**, for what a client carries (a legacy session id): sealed directly under a key derived from
//!   the master key, short enough for a header.
//!
//! ```text
//! envelope:  1 | master key id (8) | nonce (12) | data key, sealed (48) | nonce (12) | secret, sealed
//! ticket:    2 | master key id (8) | nonce (12) | text, sealed
//! ```
//!
//! The associated data of every seal binds format, purpose and owner: what was sealed for one account or
//! one use opens for no other, even if somebody who can write the database moves it there.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use data_encoding::BASE64URL_NOPAD;
use model::{SecretSlice, World};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::master::{MasterKey, MasterKeyId, MasterKeys};

const ENVELOPE: u8 = 1;
const TICKET: u8 = 2;
const NONCE: usize = 12;
const TAG: usize = 16;
const KEY: usize = 32;
const HEAD: usize = 1 + 8 + NONCE;

/// What a sealed thing is and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose<'a> {
    /// The use, such as `signing key`.
    pub purpose: &'static str,
    /// The owner, such as an id; changes with each thing sealed.
    pub owner: &'a str,
}

impl Purpose<'_> {
    /// Associated data: parts are length-prefixed, so no two purposes share bytes.
    fn associated(&self, format: u8, part: u8) -> Vec<u8> {
        let mut bytes = vec![format, part];
        for text in [self.purpose, self.owner] {
            bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

/// An envelope, as it lies in the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// From the database.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For the database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The master key it is sealed under.
    pub fn master(&self) -> Option<MasterKeyId> {
        self.0.get(1..9)?.try_into().ok().map(MasterKeyId)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why something sealed does not open.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum OpenError {
    /// Sealed under a master key that is not configured.
    #[error("sealed under master key {0}, which is not configured")]
    UnknownMasterKey(String),
    /// Not of the format, altered, or sealed for another purpose or owner.
    #[error("altered, or sealed for another purpose or owner")]
    Altered,
}

/// Seals and opens. Clones are one: new master keys are new for all of them.
#[derive(Clone)]
pub struct Sealer {
    masters: Arc<ArcSwap<MasterKeys>>,
    world: World,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealer").field(&self.masters.load()).finish()
    }
}

impl Sealer {
    /// With these master keys, and dice for data keys and nonces.
    pub fn new(masters: MasterKeys, world: World) -> Self {
        let masters = Arc::new(ArcSwap::from_pointee(masters));
        Self { masters, world }
    }

    /// The master keys of this moment.
    pub fn masters(&self) -> Arc<MasterKeys> {
        self.masters.load_full()
    }

    /// Puts other master keys in place of those before. What those alone open is lost from here on.
    pub fn replace(&self, masters: MasterKeys) {
        self.masters.store(Arc::new(masters));
    }

    /// Seals a secret in an envelope.
    pub fn seal(&self, purpose: &Purpose<'_>, secret: &[u8]) -> Sealed {
        let data_key = Zeroizing::new(self.world.random::<KEY>());
        let masters = self.masters.load();
        let mut bytes = self.sealed_data_key(purpose, masters.current(), &data_key);
        self.append(&mut bytes, &data_key, &purpose.associated(ENVELOPE, 2), secret);
        Sealed(bytes)
    }

    /// Opens an envelope.
    pub fn open(&self, purpose: &Purpose<'_>, sealed: &Sealed) -> Result<SecretSlice<u8>, OpenError> {
        let (data_key, rest) = self.data_key(purpose, sealed)?;
        let secret = open(&data_key, &purpose.associated(ENVELOPE, 2), rest)?;
        Ok(SecretSlice::from(secret.to_vec()))
    }

    /// The same envelope under the current master key; `None` if it already is.
    pub fn reseal(&self, purpose: &Purpose<'_>, sealed: &Sealed) -> Result<Option<Sealed>, OpenError> {
        let masters = self.masters.load();
        let master = masters.current();
        if sealed.master() == Some(master.id()) {
            return Ok(None);
        }
        let (data_key, rest) = self.data_key(purpose, sealed)?;
        let mut bytes = self.sealed_data_key(purpose, master, &data_key);
        bytes.extend_from_slice(rest);
        Ok(Some(Sealed(bytes)))
    }

    /// Seals a short text for a client to carry, as base64url.
    pub fn ticket(&self, purpose: &Purpose<'_>, text: &str) -> String {
        let masters = self.masters.load();
        let master = masters.current();
        let mut bytes = vec![TICKET];
        bytes.extend_from_slice(&master.id().0);
        let key = derived(master, purpose.purpose);
        self.append(&mut bytes, &key, &purpose.associated(TICKET, 0), text.as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Opens a ticket.
    pub fn open_ticket(&self, purpose: &Purpose<'_>, ticket: &str) -> Result<String, OpenError> {
        let bytes = BASE64URL_NOPAD
            .decode(ticket.as_bytes())
            .map_err(|_| OpenError::Altered)?;
        let master = self.master(&bytes, TICKET)?;
        let text = open(
            &derived(&master, purpose.purpose),
            &purpose.associated(TICKET, 0),
            &bytes[9..],
        )?;
        String::from_utf8(text.to_vec()).map_err(|_| OpenError::Altered)
    }

    fn sealed_data_key(&self, purpose: &Purpose<'_>, master: &MasterKey, data_key: &[u8; KEY]) -> Vec<u8> {
        let mut bytes = vec![ENVELOPE];
        bytes.extend_from_slice(&master.id().0);
        let key = derived(master, "data keys");
        self.append(&mut bytes, &key, &purpose.associated(ENVELOPE, 1), data_key);
        bytes
    }

    /// Opens the data key; also gives what follows it.
    fn data_key<'a>(
        &self,
        purpose: &Purpose<'_>,
        sealed: &'a Sealed,
    ) -> Result<(Zeroizing<[u8; KEY]>, &'a [u8]), OpenError> {
        let master = self.master(&sealed.0, ENVELOPE)?;
        let (head, rest) = sealed
            .0
            .split_at_checked(HEAD + KEY + TAG)
            .ok_or(OpenError::Altered)?;
        let opened = open(
            &derived(&master, "data keys"),
            &purpose.associated(ENVELOPE, 1),
            &head[9..],
        )?;
        let data_key = opened.as_slice().try_into().map_err(|_| OpenError::Altered)?;
        Ok((Zeroizing::new(data_key), rest))
    }

    fn master(&self, bytes: &[u8], format: u8) -> Result<MasterKey, OpenError> {
        let id: [u8; 8] = bytes
            .get(1..9)
            .and_then(|id| id.try_into().ok())
            .ok_or(OpenError::Altered)?;
        if bytes[0] != format {
            return Err(OpenError::Altered);
        }
        let id = MasterKeyId(id);
        let masters = self.masters.load();
        masters
            .find(id)
            .cloned()
            .ok_or_else(|| OpenError::UnknownMasterKey(id.to_string()))
    }

    fn append(&self, bytes: &mut Vec<u8>, key: &[u8; KEY], associated: &[u8], secret: &[u8]) {
        seal_with(bytes, key, self.world.random(), associated, secret);
    }
}

/// Appends `nonce | sealed secret`. Sealing fails only beyond 64 GiB, and then appends nothing that opens.
pub(crate) fn seal_with(
    bytes: &mut Vec<u8>,
    key: &[u8; KEY],
    nonce: [u8; NONCE],
    associated: &[u8],
    secret: &[u8],
) {
    bytes.extend_from_slice(&nonce);
    let mut text = Zeroizing::new(secret.to_vec());
    if let Some(key) = cipher(key)
        && key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut *text,
            )
            .is_ok()
    {
        bytes.extend_from_slice(&text);
    }
}

/// Opens `nonce | sealed secret`.
pub(crate) fn open(
    key: &[u8; KEY],
    associated: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(OpenError::Altered)?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let key = cipher(key).ok_or(OpenError::Altered)?;
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(associated),
            &mut text,
        )
        .map_err(|_| OpenError::Altered)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn cipher(key: &[u8; KEY]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(LessSafeKey::new)
}

/// A key of its own for each use of the master key.
fn derived(master: &MasterKey, purpose: &str) -> Zeroizing<[u8; KEY]> {
    derive(master.bytes(), "vestibule sealing", purpose)
}

/// HKDF-SHA256 (RFC 5869).
pub(crate) fn derive(secret: &[u8], salt: &str, info: &str) -> Zeroizing<[u8; KEY]> {
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes()).extract(secret);
    let mut key = Zeroizing::new([0; KEY]);
    let info = [info.as_bytes()];
    let filled = pseudorandom
        .expand(&info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *key));
    if filled.is_err() {
        // Cannot happen for 32 bytes; a zero key must never be used.
        std::process::abort();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;
    use model::{Clock, ExposeSecret, Timestamp};
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Duration;

    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn world() -> World {
        World::new(Arc::new(Stopped), Arc::new(SystemEntropy))
    }

    fn sealer(masters: &[u8]) -> Sealer {
        let mut keys = masters
            .iter()
            .map(|&n| MasterKey::new(std::array::from_fn(|at| n ^ u8::try_from(at).unwrap())));
        Sealer::new(MasterKeys::new(keys.next().unwrap(), keys.collect()), world())
    }

    const PURPOSE: Purpose<'static> = Purpose {
        purpose: "signing key",
        owner: "k1",
    };

    #[test]
    fn opens_only_for_its_purpose_and_owner() {
        let sealer = sealer(&[1]);
        let sealed = sealer.seal(&PURPOSE, b"secret");
        assert_eq!(sealer.open(&PURPOSE, &sealed).unwrap().expose_secret(), b"secret");
        for (purpose, owner) in [("signing key", "k2"), ("signing ke", "yk1"), ("connection", "k1")] {
            assert_eq!(
                sealer.open(&Purpose { purpose, owner }, &sealed).err(),
                Some(OpenError::Altered)
            );
        }
        let ticket = sealer.ticket(&PURPOSE, "text");
        assert_eq!(sealer.open_ticket(&PURPOSE, &ticket).unwrap(), "text");
        assert!(
            sealer
                .open_ticket(
                    &Purpose {
                        purpose: "signing key",
                        owner: "k2"
                    },
                    &ticket
                )
                .is_err()
        );
        assert!(
            sealer
                .open_ticket(&PURPOSE, &BASE64URL_NOPAD.encode(sealed.as_bytes()))
                .is_err()
        );
    }

    #[test]
    fn a_rotated_master_key_reseals_without_opening_the_secret() {
        let sealed = sealer(&[1]).seal(&PURPOSE, b"secret");
        let both = sealer(&[2, 1]);
        assert_eq!(both.open(&PURPOSE, &sealed).unwrap().expose_secret(), b"secret");
        let resealed = both.reseal(&PURPOSE, &sealed).unwrap().unwrap();
        assert_eq!(both.reseal(&PURPOSE, &resealed).unwrap(), None);
        assert_eq!(
            sealer(&[2]).open(&PURPOSE, &resealed).unwrap().expose_secret(),
            b"secret"
        );
        assert!(matches!(
            sealer(&[2]).open(&PURPOSE, &sealed),
            Err(OpenError::UnknownMasterKey(_))
        ));
    }

    #[test]
    fn sealing_twice_never_gives_the_same_bytes() {
        let sealer = sealer(&[1]);
        assert_ne!(sealer.seal(&PURPOSE, b"x"), sealer.seal(&PURPOSE, b"x"));
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_noticed(secret: Vec<u8>, at: proptest::sample::Index, bit in 0_u32..8) {
            let sealer = sealer(&[1]);
            let mut bytes = sealer.seal(&PURPOSE, &secret).as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(sealer.open(&PURPOSE, &Sealed::from_bytes(bytes)).is_err());
        }

        #[test]
        fn opening_never_panics(bytes: Vec<u8>, text: String) {
            let _ = sealer(&[1]).open(&PURPOSE, &Sealed::from_bytes(bytes));
            let _ = sealer(&[1]).open_ticket(&PURPOSE, &text);
        }
    }
}
