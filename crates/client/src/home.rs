//! Where the command line keeps what is no secret: which servers somebody signed in to, and whose turn it is.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use etcetera::{BaseStrategy as _, choose_base_strategy};
use keys::{private_file, sha256};
use model::{SecretString, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use crate::discovery::sign_in_url;
use crate::token_store::passphrase::Opener;
use crate::token_store::{Kind, Question};

/// How often it is looked whether a turn has come.
const LOOK: Duration = Duration::from_millis(20);

/// Why something of the home cannot be read or written.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is none.
    #[error("there is no home folder; set VESTIBULE_HOME")]
    None,
    /// A file or folder.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// A file that is not what was written.
    #[error("{0} cannot be read; delete it and sign in again")]
    Broken(String),
    /// Somebody else has the turn for too long.
    #[error("another command has been busy with this server for too long")]
    Busy,
}

/// A folder of one person and one profile.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
    profile: String,
    opener: Opener,
}

/// A server that somebody signed in to.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Known {
    /// Its URL.
    pub url: Url,
    /// Who issued the tokens.
    pub issuer: String,
    /// As whom, if the issuer said so.
    pub username: Option<String>,
    /// Where the tokens lie.
    pub store: Kind,
    /// Since when.
    pub signed_in_at: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
struct Index {
    servers: Vec<Known>,
}

/// One's turn; ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Home {
    /// In this folder, or in the place for configuration of this system.
    pub fn open(folder: Option<PathBuf>, profile: &str) -> Result<Self, HomeError> {
        let home = Self::at(folder, profile)?;
        private_file::create_folder(&home.folder).map_err(|error| at(&home.folder, error))?;
        Ok(home)
    }

    /// The same, if it is there: for those who only look.
    pub fn existing(folder: Option<PathBuf>, profile: &str) -> Option<Self> {
        Self::at(folder, profile).ok().filter(|home| home.folder.is_dir())
    }

    /// Where it is, whether or not it is there.
    pub fn place(folder: Option<PathBuf>, profile: &str) -> Result<PathBuf, HomeError> {
        Ok(Self::at(folder, profile)?.folder)
    }

    fn at(folder: Option<PathBuf>, profile: &str) -> Result<Self, HomeError> {
        let folder = match folder {
            Some(folder) => folder,
            None => {
                let strategy = choose_base_strategy().map_err(|_| HomeError::None)?;
                // On Windows what stays on this machine: what else is there goes with its owner to others.
                let folder = if cfg!(windows) {
                    strategy.cache_dir()
                } else {
                    strategy.config_dir()
                };
                folder.join("vestibule")
            }
        };
        Ok(Self {
            folder: folder.join("profiles").join(profile),
            profile: profile.to_owned(),
            opener: Opener::default(),
        })
    }

    /// The same, where somebody can be asked for the passphrase of files.
    #[must_use]
    pub fn asking(self, ask: impl Fn(Question) -> Option<SecretString> + Send + Sync + 'static) -> Self {
        Self {
            opener: Opener::new(ask),
            ..self
        }
    }

    pub(crate) fn opener(&self) -> &Opener {
        &self.opener
    }

    /// Its profile.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Every server, in the order in which somebody signed in.
    pub fn servers(&self) -> Result<Vec<Known>, HomeError> {
        Ok(self.index()?.servers)
    }

    /// One of them.
    pub fn server(&self, url: &Url) -> Result<Option<Known>, HomeError> {
        let servers = self.servers()?;
        Ok(servers.into_iter().find(|known| known.url == *url))
    }

    /// The server that somebody means: its whole URL, or the end of one that they signed in to.
    pub fn means(&self, text: &str) -> Result<Option<Url>, HomeError> {
        if text.contains("://") {
            return Ok(sign_in_url(text).ok());
        }
        let servers = self.servers()?;
        let ends = |url: &Url| url.path().trim_end_matches('/').rsplit('/').next() == Some(text);
        let mut fits = servers
            .into_iter()
            .map(|known| known.url)
            .filter(|url| ends(url) || url.host_str() == Some(text));
        let first = fits.next();
        // Of two of the same name nobody knows which is meant.
        Ok(first.filter(|_| fits.next().is_none()))
    }

    /// Takes note of one, in the place of what was known of it.
    pub async fn remember(&self, known: Known) -> Result<(), HomeError> {
        self.change(|servers| {
            servers.retain(|other| other.url != known.url);
            servers.push(known);
        })
        .await
    }

    /// Forgets one.
    pub async fn forget(&self, url: &Url) -> Result<(), HomeError> {
        self.change(|servers| servers.retain(|known| known.url != *url))
            .await
    }

    async fn change(&self, change: impl FnOnce(&mut Vec<Known>)) -> Result<(), HomeError> {
        let _turn = self.turn("servers", Duration::from_secs(10)).await?;
        let mut index = self.index()?;
        change(&mut index.servers);
        let file = self.file("servers.json");
        let text = serde_json::to_string_pretty(&index)
            .map_err(|_| HomeError::Broken(file.display().to_string()))?;
        private_file::write(&file, &text).map_err(|error| at(&file, error))
    }

    fn index(&self) -> Result<Index, HomeError> {
        let file = self.file("servers.json");
        match std::fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|_| HomeError::Broken(file.display().to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(error) => Err(at(&file, error)),
        }
    }

    /// How many sign-ins at a server were shown to somebody since the last that was answered.
    pub(crate) fn unanswered(&self, server: &Url) -> Result<u32, HomeError> {
        let file = self.unanswered_file(server);
        match std::fs::read_to_string(&file) {
            Ok(text) => text
                .parse()
                .map_err(|_| HomeError::Broken(file.display().to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(at(&file, error)),
        }
    }

    /// One more. Whoever calls this has the turn.
    pub(crate) fn count_unanswered(&self, server: &Url) -> Result<(), HomeError> {
        let count = self.unanswered(server)?.saturating_add(1);
        let file = self.unanswered_file(server);
        private_file::write(&file, &count.to_string()).map_err(|error| at(&file, error))
    }

    /// One was answered, or none was needed.
    pub(crate) fn forget_unanswered(&self, server: &Url) -> Result<(), HomeError> {
        let file = self.unanswered_file(server);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&file, error)),
            _ => Ok(()),
        }
    }

    fn unanswered_file(&self, server: &Url) -> PathBuf {
        self.file(&format!("{}.unanswered", name_of(server.as_str())))
    }

    /// Waits for one's turn with something, which no other process has meanwhile. The system ends the turn of a process
    /// that dies.
    pub async fn turn(&self, what: &str, patience: Duration) -> Result<Turn, HomeError> {
        let name = name_of(what);
        let path = self.file(&format!("{name}.lock"));
        let file = lock_file(&path).map_err(|error| at(&path, error))?;
        let waiting = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK).await,
                    Err(TryLockError::Error(error)) => return Err(at(&path, error)),
                }
            }
        };
        let waited = tokio::time::timeout(patience, waiting).await;
        waited.map_err(|_| HomeError::Busy)??;
        Ok(Turn(file))
    }
}

/// A file for nothing but its lock, which Windows gives to those alone who may read or write.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).read(true).append(true).open(path)
}

/// A name for something that says nothing of it.
pub(crate) fn name_of(what: &str) -> String {
    HEXLOWER.encode(&sha256(what.as_bytes())[..16])
}

fn at(path: &Path, error: io::Error) -> HomeError {
    HomeError::File(path.display().to_string(), error)
}
