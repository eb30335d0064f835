//! Finding the master key, or making it on the first start.

use std::path::{Path, PathBuf};

use keys::master::BadMasterKey;
use keys::{MasterKey, MasterKeyId, MasterKeys};
use model::World;
use thiserror::Error;

use crate::config::environment::{Environment, MASTER_KEY};
use crate::config::file::Loaded;
use crate::private_file;

/// Its name in the data directory.
const FILE: &str = "master.key";

pub mod command;

/// A master key that cannot be used.
#[derive(Debug, Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("master key file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no key.
    #[error("{place}: {source}")]
    Text {
        /// The file or variable.
        place: String,
        /// Why.
        source: BadMasterKey,
    },
    /// The program that prints it did not.
    #[error(transparent)]
    Command(#[from] command::CommandError),
    /// What the database holds was sealed under a key that is gone.
    #[error("the master key {} is gone, and the signing keys in the database are sealed under it; put it back, or run `vestibule key reset`, which ends every token", .0.display())]
    Lost(PathBuf),
    /// It would go while it is in use.
    #[error(
        "the master key {0} seals until now, and is not among `older_master_key_files` or `older_master_key_commands`; leave it there for a day"
    )]
    InUse(MasterKeyId),
    /// Other people on this machine can read it.
    #[error("master key file {}: everybody on this machine can read it; `chmod 600` it", .0.display())]
    Open(PathBuf),
}

/// Where the master key is, or will be.
pub fn path(loaded: &Loaded) -> PathBuf {
    match &loaded.config.master_key_file {
        Some(path) => loaded.resolve(path),
        None => loaded.data_dir().join(FILE),
    }
}

/// The master keys of this deployment. The first start makes one, unless the configuration says where it is.
/// `is_first` says that nothing was sealed yet.
pub async fn open(
    loaded: &Loaded,
    environment: &Environment,
    world: &World,
    is_first: bool,
) -> Result<MasterKeys, MasterKeyError> {
    let config = &loaded.config;
    let current = match (environment.get(MASTER_KEY), &config.master_key_command) {
        (Some(text), _) => from_text(text, MASTER_KEY.to_owned())?,
        (None, Some(words)) => command::ask(words, loaded, environment).await?,
        (None, None) => {
            let path = path(loaded);
            if !path.exists() && !is_first {
                return Err(MasterKeyError::Lost(path));
            }
            if config.master_key_file.is_none() {
                make(&path, world).map_err(|source| MasterKeyError::File {
                    path: path.clone(),
                    source,
                })?;
            }
            read(&path)?
        }
    };
    let older = config.older_master_key_files.iter();
    let older: Result<Vec<_>, _> = older.map(|path| read(&loaded.resolve(path))).collect();
    let mut older = older?;
    for words in &config.older_master_key_commands {
        older.push(command::ask(words, loaded, environment).await?);
    }
    Ok(MasterKeys::new(current, older))
}

/// A new master key.
pub fn generate(world: &World) -> MasterKey {
    MasterKey::new(world.random())
}

/// Makes the file, once: of two that start at the same moment one makes it and both read it.
fn make(path: &Path, world: &World) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    private_file::create_folder(path.parent().unwrap_or(Path::new(".")))?;
    match private_file::write_new(path, &generate(world).to_text()) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Reads one.
pub fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |source| MasterKeyError::File {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    if private_file::is_open_to_all(path).map_err(failed)? {
        return Err(MasterKeyError::Open(path.to_owned()));
    }
    from_text(&text, path.display().to_string())
}

fn from_text(text: &str, place: String) -> Result<MasterKey, MasterKeyError> {
    MasterKey::from_text(text).map_err(|source| MasterKeyError::Text { place, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use keys::SystemEntropy;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    fn loaded(folder: &Path) -> Loaded {
        Loaded {
            config: Config::default(),
            folder: folder.to_owned(),
            path: None,
            unknown_variables: Vec::new(),
        }
    }

    fn world() -> World {
        let (_, clock) = testkit::world();
        World::new(clock, Arc::new(SystemEntropy))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_first_start_makes_one_and_all_later_ones_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = loaded(folder.path());
        let (world, nothing) = (world(), Environment::default());
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (loaded, nothing, world) = (loaded.clone(), nothing.clone(), world.clone());
            starts.spawn(async move {
                open(&loaded, &nothing, &world, true)
                    .await
                    .unwrap()
                    .current()
                    .id()
            });
        }
        let ids = starts.join_all().await;
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[tokio::test]
    async fn the_environment_counts_more_and_a_named_file_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let mut loaded = loaded(folder.path());
        let key = generate(&world());
        let environment = Environment::of([(MASTER_KEY, &key.to_text())]);
        assert_eq!(
            open(&loaded, &environment, &world(), true)
                .await
                .unwrap()
                .current()
                .id(),
            key.id()
        );
        assert!(!folder.path().join("vestibule-data").exists());
        loaded.config.master_key_file = Some("named.key".into());
        assert!(matches!(
            open(&loaded, &Environment::default(), &world(), true).await,
            Err(MasterKeyError::File { .. })
        ));
    }

    #[tokio::test]
    async fn a_key_that_everybody_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = loaded(folder.path());
        open(&loaded, &Environment::default(), &world(), true)
            .await
            .unwrap();
        let file = path(&loaded);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            open(&loaded, &Environment::default(), &world(), true).await,
            Err(MasterKeyError::Open(_))
        ));
    }
}
