//! Where tokens lie: in the keyring of the system, else in files sealed under a key that the kernel keeps, else in files
//! sealed under a passphrase, else, if somebody asks for it, in plain files (DEC-23, CC-103).
//!
//! The keyring of Windows, its Credential Manager, takes no more than 2560 bytes at once (`CRED_MAX_CREDENTIAL_BLOB_SIZE`),
//! which a token may exceed. There it keeps a key, and the files are sealed under that.
//!
//! A keyring may be there and not work: locked, without a bus, or hanging on a question that nobody sees. So each is
//! asked to keep something, to give it back and to forget it before it is trusted with a token, and nobody waits for one.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use keyring_core::{CredentialStore, Entry};
use keys::{MasterKey, MasterKeys, Purpose, Sealed, Sealer, private_file};
use model::{ExposeSecret as _, SecretString, World};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::home::{Home, lock_file};
pub use passphrase::Question;

pub(crate) mod passphrase;
#[cfg(test)]
mod tests;

/// Under which name the system shows what is kept.
const SERVICE: &str = "vestibule";
/// A keyring that takes longer to prove itself is not used.
const PROOF: Duration = Duration::from_secs(2);
/// One that did may ask its owner to unlock it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place for tokens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The keyring of the system: Secret Service, the Keychain of macOS, the Credential Manager of Windows.
    Keyring,
    /// Files sealed under a key in the kernel's keyring, which a restart of the machine forgets.
    Kernel,
    /// Files sealed under a passphrase, which is asked for on a terminal.
    Passphrase,
    /// Plain files with mode 0600; on Windows below the folder of one's profile.
    File,
}

impl Kind {
    /// Its name, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Kernel => "kernel",
            Self::Passphrase => "passphrase",
            Self::File => "file",
        }
    }

    /// Whether it keeps a key, and what is sealed under that lies in files.
    fn is_sealed_file(self) -> bool {
        match self {
            Self::Keyring => cfg!(windows),
            Self::Kernel | Self::Passphrase => true,
            Self::File => false,
        }
    }

    /// What it is, for people.
    fn described(self) -> &'static str {
        match self {
            Self::Keyring => "the keyring",
            Self::Kernel => "the keyring of the kernel",
            Self::Passphrase => "the file under a passphrase",
            Self::File => "the folder for plain files",
        }
    }
}

/// Why a token is not kept or not given back.
#[derive(Debug, Error)]
pub enum TokenStoreError {
    /// It does not answer, or refuses.
    #[error("{} does not work: {why}", .kind.described())]
    Trouble {
        /// Which.
        kind: Kind,
        /// Why.
        why: String,
    },
    /// None works.
    #[error(
        "no keyring works here ({0}); on a terminal a passphrase does, and `--store file` keeps tokens in plain files that \
         only you can read"
    )]
    None(String),
}

/// One of them, found to work.
#[derive(Clone, Debug)]
pub struct TokenStore {
    kind: Kind,
    home: Home,
    world: World,
}

impl TokenStore {
    /// The one that was chosen before, without asking it to prove itself again.
    pub fn of(kind: Kind, home: &Home, world: &World) -> Self {
        Self {
            kind,
            home: home.clone(),
            world: world.clone(),
        }
    }

    /// The one that somebody asks for, or the first that works.
    pub fn choose(wanted: Option<Kind>, home: &Home, world: &World) -> Result<Self, TokenStoreError> {
        let candidates = match wanted {
            Some(kind) => vec![kind],
            None if home.opener().asks() => vec![Kind::Keyring, Kind::Kernel, Kind::Passphrase],
            None => vec![Kind::Keyring, Kind::Kernel],
        };
        let mut troubles = Vec::new();
        for kind in candidates {
            let store = Self::of(kind, home, world);
            match store.prove() {
                Ok(()) => return Ok(store),
                Err(error) if wanted.is_some() => return Err(error),
                Err(error) => troubles.push(error.to_string()),
            }
        }
        Err(TokenStoreError::None(troubles.join("; ")))
    }

    /// Which it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn prove(&self) -> Result<(), TokenStoreError> {
        self.unlock(true)?;
        let name = format!("probe-{:x}", u64::from_be_bytes(self.world.random()));
        let (this, secret) = (self.clone(), "is it kept?");
        self.within(PROOF, move || {
            this.write(&name, secret)?;
            let kept = this.read(&name)?;
            this.delete(&name)?;
            match kept {
                Some(kept) if kept.expose_secret() == secret => Ok(()),
                _ => Err("it forgets what it is given".into()),
            }
        })
    }

    /// Keeps a secret under a name, in the place of the one before.
    pub fn put(&self, name: &str, secret: &SecretString) -> Result<(), TokenStoreError> {
        self.unlock(true)?;
        let (this, name, secret) = (self.clone(), name.to_owned(), secret.clone());
        self.within(PATIENCE, move || this.write(&name, secret.expose_secret()))
    }

    /// Gives it back.
    pub fn get(&self, name: &str) -> Result<Option<SecretString>, TokenStoreError> {
        self.unlock(false)?;
        let (this, name) = (self.clone(), name.to_owned());
        self.within(PATIENCE, move || this.read(&name))
    }

    /// Forgets it.
    pub fn remove(&self, name: &str) -> Result<(), TokenStoreError> {
        let (this, name) = (self.clone(), name.to_owned());
        self.within(PATIENCE, move || this.delete(&name))
    }

    /// Asks for the passphrase, if it is wanted. For this alone there is time.
    fn unlock(&self, may_begin: bool) -> Result<(), TokenStoreError> {
        if self.kind != Kind::Passphrase {
            return Ok(());
        }
        let outcome = self.sealer(may_begin).map(|_| ());
        outcome.map_err(|why| TokenStoreError::Trouble {
            kind: self.kind,
            why: why.to_string(),
        })
    }

    /// On a thread of its own, which is left behind if it hangs.
    fn within<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, TokenStoreError> {
        let trouble = |why: String| TokenStoreError::Trouble { kind: self.kind, why };
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("token store".to_owned())
            .spawn(move || sender.send(work()))
            .map_err(|error| trouble(error.to_string()))?;
        match receiver.recv_timeout(time) {
            Ok(outcome) => outcome.map_err(|error| trouble(error.to_string())),
            Err(_) => Err(trouble(format!("no answer within {} s", time.as_secs()))),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), BoxError> {
        if self.kind.is_sealed_file() {
            let sealer = self.sealer(true)?.ok_or("there is no key")?;
            let sealed = sealer.seal(&purpose(name), secret.as_bytes());
            let text = data_encoding::BASE64.encode(sealed.as_bytes());
            return Ok(private_file::write(&self.file(name), &text)?);
        }
        if self.kind == Kind::Keyring {
            return Ok(self.entry(&keyring()?, name)?.set_password(secret)?);
        }
        let file = self.file(name);
        if !file.parent().is_some_and(private_file::is_private) {
            return Err("it is not below the folder of your profile, so that others may read it".into());
        }
        Ok(private_file::write(&file, secret)?)
    }

    fn read(&self, name: &str) -> Result<Option<SecretString>, BoxError> {
        if self.kind == Kind::Keyring && !self.kind.is_sealed_file() {
            return found(self.entry(&keyring()?, name)?.get_password());
        }
        let text = match std::fs::read_to_string(self.file(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if self.kind == Kind::File {
            return Ok(Some(text.into()));
        }
        let sealer = match self.sealer(false) {
            Ok(Some(sealer)) => sealer,
            Err(error) if self.kind == Kind::Keyring => return Err(error),
            // A restart of the machine forgets the kernel's key, and with it everything that it sealed.
            _ => return Ok(None),
        };
        let sealed = Sealed::from_bytes(data_encoding::BASE64.decode(text.trim().as_bytes())?);
        let Ok(opened) = sealer.open(&purpose(name), &sealed) else {
            return Ok(None);
        };
        Ok(Some(String::from_utf8(opened.expose_secret().to_vec())?.into()))
    }

    fn delete(&self, name: &str) -> Result<(), BoxError> {
        if self.kind == Kind::Keyring && !self.kind.is_sealed_file() {
            return match self.entry(&keyring()?, name)?.delete_credential() {
                Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.file(&format!("{name}.{}", self.kind.as_str()))
    }

    fn entry(&self, store: &Arc<CredentialStore>, name: &str) -> keyring_core::Result<Entry> {
        store.build(
            SERVICE,
            &format!("{}/{name}", self.home.profile()),
            modifiers().as_ref(),
        )
    }

    /// Under the key of this profile, or a new one. None if there is none, and with it nothing that it sealed.
    fn sealer(&self, may_begin: bool) -> Result<Option<Sealer>, BoxError> {
        if self.kind == Kind::Passphrase {
            let file = self.home.file("key.passphrase");
            return self.home.opener().sealer(&file, may_begin, &self.world);
        }
        // Of two that begin at the same moment, one does.
        let turn = lock_file(&self.home.file("key.lock"))?;
        turn.lock()?;
        let store = match self.kind {
            Kind::Keyring => keyring()?,
            _ => kernel()?,
        };
        let entry = self.entry(&store, "key")?;
        let kept: Option<SecretString> = found(entry.get_password())?;
        let key = match kept {
            Some(text) => MasterKey::from_text(text.expose_secret())?,
            None if may_begin => {
                let key = MasterKey::new(self.world.random());
                entry.set_password(&key.to_text())?;
                key
            }
            None => return Ok(None),
        };
        Ok(Some(Sealer::new(
            MasterKeys::new(key, Vec::new()),
            self.world.clone(),
        )))
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn purpose(name: &str) -> Purpose<'_> {
    Purpose {
        purpose: "token of the command line",
        owner: name,
    }
}

fn found(outcome: keyring_core::Result<String>) -> Result<Option<SecretString>, BoxError> {
    match outcome {
        Ok(text) => Ok(Some(text.into())),
        Err(keyring_core::Error::NoEntry) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
fn keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// Credential Manager gives what it keeps to other machines of the domain, unless told otherwise.
fn modifiers() -> Option<HashMap<&'static str, &'static str>> {
    cfg!(windows).then(|| HashMap::from([("persistence", "Local")]))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NoDefaultStore)
}

#[cfg(target_os = "linux")]
fn kernel() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(linux_keyutils_keyring_store::Store::new()?)
}

#[cfg(not(target_os = "linux"))]
fn kernel() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NoDefaultStore)
}
