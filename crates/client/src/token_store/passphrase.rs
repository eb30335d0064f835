//! The key of the files under a passphrase (DEC-23): drawn once, kept sealed under what the passphrase derives.
//!
//! The passphrase is asked for once in the life of a process, and only where somebody can type it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64;
use keys::{MasterKey, MasterKeys, Purpose, Sealed, Sealer, password, private_file};
use model::{ExposeSecret as _, SecretString, World};
use serde::{Deserialize, Serialize};

use super::BoxError;

/// How often it is asked for.
const TRIES: u32 = 3;
/// What the key is sealed as.
const KEY: Purpose<'static> = Purpose {
    purpose: "key of the command line",
    owner: "passphrase",
};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A passphrase to choose.
    New,
    /// The one that was chosen.
    Known,
    /// The same once more: what was typed is another.
    Again,
}

/// Asks somebody; none if nobody is there or they do not want to say it.
type Ask = dyn Fn(Question) -> Option<SecretString> + Send + Sync;

/// Opens the files of one profile. Clones remember the key together.
#[derive(Clone, Default)]
pub(crate) struct Opener {
    ask: Option<Arc<Ask>>,
    key: Arc<Mutex<Option<MasterKey>>>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({})", if self.ask.is_some() { "asks" } else { "mute" })
    }
}

/// The key as it lies in its file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// How the passphrase was made a key.
    derivation: String,
    salt: String,
    sealed: String,
}

impl Opener {
    pub(crate) fn new(ask: impl Fn(Question) -> Option<SecretString> + Send + Sync + 'static) -> Self {
        Self {
            ask: Some(Arc::new(ask)),
            key: Arc::default(),
        }
    }

    /// Whether somebody can be asked.
    pub(crate) fn asks(&self) -> bool {
        self.ask.is_some()
    }

    /// Under the key of this file, or a new one. None if there is none and none is to be made.
    pub(super) fn sealer(
        &self,
        file: &Path,
        may_begin: bool,
        world: &World,
    ) -> Result<Option<Sealer>, BoxError> {
        let sealer = |key: &MasterKey| Sealer::new(MasterKeys::new(key.clone(), Vec::new()), world.clone());
        let mut opened = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*opened {
            return Ok(Some(sealer(key)));
        }
        let key = match std::fs::read_to_string(file) {
            Ok(text) => self.open(&text, file, world)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) if !may_begin => return Ok(None),
            Err(_) => self.begin(file, world)?,
        };
        Ok(Some(sealer(opened.insert(key))))
    }

    fn ask(&self, question: Question) -> Result<SecretString, BoxError> {
        let ask = self
            .ask
            .as_ref()
            .ok_or("its passphrase is asked for on a terminal alone")?;
        ask(question).ok_or_else(|| "nobody said its passphrase".into())
    }

    fn begin(&self, file: &Path, world: &World) -> Result<MasterKey, BoxError> {
        let passphrase = self.ask(Question::New)?;
        password::acceptable(&passphrase, "")?;
        let (key, salt) = (MasterKey::new(world.random()), world.random());
        let under = Sealer::new(
            MasterKeys::new(MasterKey::derive(&passphrase, &salt)?, Vec::new()),
            world.clone(),
        );
        let kept = Kept {
            derivation: MasterKey::DERIVATION.to_owned(),
            salt: BASE64.encode(&salt),
            sealed: BASE64.encode(under.seal(&KEY, key.to_text().as_bytes()).as_bytes()),
        };
        // Of two that begin at the same moment one does.
        match private_file::write_new(file, &serde_json::to_string(&kept)?) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err("another command has just chosen its passphrase; run this one again".into());
            }
            outcome => outcome?,
        }
        Ok(key)
    }

    fn open(&self, text: &str, file: &Path, world: &World) -> Result<MasterKey, BoxError> {
        let broken = || format!("{} is not what was written there", file.display());
        let kept: Kept = serde_json::from_str(text).map_err(|_| broken())?;
        if kept.derivation != MasterKey::DERIVATION {
            return Err(broken().into());
        }
        let salt = BASE64.decode(kept.salt.as_bytes()).ok();
        let salt: [u8; 16] = salt.and_then(|salt| salt.try_into().ok()).ok_or_else(broken)?;
        let sealed = Sealed::from_bytes(BASE64.decode(kept.sealed.as_bytes()).map_err(|_| broken())?);
        for attempt in 0..TRIES {
            let question = if attempt == 0 {
                Question::Known
            } else {
                Question::Again
            };
            let under = MasterKey::derive(&self.ask(question)?, &salt)?;
            let under = Sealer::new(MasterKeys::new(under, Vec::new()), world.clone());
            if let Ok(opened) = under.open(&KEY, &sealed) {
                let text = std::str::from_utf8(opened.expose_secret())?;
                return Ok(MasterKey::from_text(text)?);
            }
        }
        Err(format!(
            "this is not its passphrase. If nobody knows it any more, delete {} and sign in again",
            file.display()
        )
        .into())
    }
}
