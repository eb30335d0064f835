//! Master keys: what everything sealed at rest is sealed under.
//!
//! A deployment has one that seals and may have older ones that still open, so a master key is rotated by
//! putting the new one first and re-sealing in the background.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use model::{ExposeSecret as _, SecretString};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::digest::sha256;

/// 256 bits that nobody else has. Shown only by [`MasterKey::to_text`], to its owner.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Eight bytes that name a master key and say nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId(pub(crate) [u8; 8]);

/// A text that is no master key.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("a master key is 32 random bytes in base64 or hex; `vestibule key master` makes one")]
pub struct BadMasterKey;

impl MasterKey {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads base64 (44 characters, either alphabet) or hex (64).
    pub fn from_text(text: &str) -> Result<Self, BadMasterKey> {
        let text = text.trim().as_bytes();
        let bytes = match text.len() {
            64 => HEXLOWER_PERMISSIVE.decode(text).ok(),
            44 => BASE64.decode(text).ok(),
            43 => BASE64URL_NOPAD.decode(text).ok(),
            _ => None,
        };
        let bytes: [u8; 32] = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(BadMasterKey)?;
        // A key of equal bytes was typed, not drawn.
        if bytes.iter().all(|&b| b == bytes[0]) {
            Err(BadMasterKey)
        } else {
            Ok(Self(bytes))
        }
    }

    /// How [`MasterKey::derive`] does it, to be written down beside what is sealed so.
    pub const DERIVATION: &str = "argon2id m=65536 t=3 p=1";

    /// From a passphrase and a salt: the cost is for somebody who has what is sealed and guesses (RFC 9106 section 4, with
    /// one lane). Takes a third of a second and 64 MiB.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn derive(passphrase: &SecretString, salt: &[u8; 16]) -> Result<Self, argon2::Error> {
        let params = Params::new(65_536, 3, 1, Some(32))?;
        let mut key = [0; 32];
        let typed = passphrase.expose_secret().as_bytes();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(typed, salt, &mut key)?;
        Ok(Self(key))
    }

    /// Base64, for the file or variable it is kept in.
    pub fn to_text(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Its name.
    pub fn id(&self) -> MasterKeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&sha256(&[b"vestibule master key id\0", self.0.as_slice()].concat())[..8]);
        MasterKeyId(id)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The master key that seals, and those that still open.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    current: MasterKey,
    older: Vec<MasterKey>,
}

impl MasterKeys {
    /// `current` seals; `older` only open.
    pub fn new(current: MasterKey, older: Vec<MasterKey>) -> Self {
        Self { current, older }
    }

    /// The one that seals.
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// Whether there are some that only open.
    pub fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// The same, and all of `others` to open with.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let others = std::iter::once(&others.current).chain(&others.older);
        Self {
            current: self.current.clone(),
            older: self.older.iter().chain(others).cloned().collect(),
        }
    }

    /// The one of that name.
    pub fn find(&self, id: MasterKeyId) -> Option<&MasterKey> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_does_not_print_itself() {
        let key = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert_eq!(
            MasterKey::from_text(&format!("{}\n", key.to_text()))
                .unwrap()
                .id(),
            key.id()
        );
        assert_eq!(
            MasterKey::from_text(&HEXLOWER.encode(key.bytes())).unwrap().id(),
            key.id()
        );
        assert!(!format!("{key:?}").contains(&key.to_text()));
        for bad in [
            "",
            "password",
            &"A".repeat(43),
            &"0".repeat(64),
            "changeme-changeme-changeme-changeme-change",
        ] {
            assert_eq!(MasterKey::from_text(bad).err(), Some(BadMasterKey), "{bad}");
        }
    }
}
