//! What commands and the server rest on: the database, what seals, signs and records.

use std::sync::Arc;
use std::time::Duration;

use audit::{Durability, Home, Opening, Recorder, Recording, Signer};
use issuer::KeyRing;
use keys::Sealer;
use model::World;
use net::Tasks;
use people::{Accounts, Passwords};
use store::Store;
use tracing::error;

use super::{OpenError, master_keys};
use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::storage::Storage;
use crate::{config, master_key};

/// Passwords that are hashed at the same moment; each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 4;
/// How long the database may take for the last writes of all.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What commands and the server need of persistence, without the server itself.
#[derive(Debug)]
pub struct Foundation {
    /// Clock and dice.
    pub world: World,
    /// The configuration.
    pub loaded: Loaded,
    /// The environment.
    pub environment: Environment,
    /// The open database.
    pub storage: Storage,
    /// The same, as rooms see it.
    pub store: Arc<dyn Store>,
    /// Sealing.
    pub sealer: Sealer,
    /// The audit record.
    pub recorder: Recorder,
    /// Signs it.
    pub signer: Arc<Signer>,
    /// The signing keys.
    pub key_ring: Arc<KeyRing>,
    /// Accounts and their links.
    pub accounts: Accounts,
    /// Password hashing.
    pub passwords: Passwords,
    /// The task that writes the audit record; it outlives all others.
    writing: Tasks,
}

impl Foundation {
    /// Opens the database and what rests on it alone.
    pub async fn open(loaded: Loaded, environment: Environment, world: World) -> Result<Self, OpenError> {
        let storage = Storage::open(&loaded).await?;
        let store = storage.store();
        let is_first = store.signing_keys().await?.is_empty();
        let masters = master_key::open(&loaded, &environment, &world, is_first).await?;
        let sealer = Sealer::new(masters, world.clone());
        let key_ring = KeyRing::open(world.clone(), Arc::clone(&store), sealer.clone()).await?;
        let signer = Arc::new(Signer::open(&world, &*store, &sealer).await?);
        if sealer.masters().has_older() {
            master_keys::reseal(&*store, &sealer, &key_ring).await?;
        }
        let (recorder, recording): (Recorder, Recording) = Recorder::open(Opening {
            world: world.clone(),
            store: Arc::clone(&store),
            signer: Arc::clone(&signer),
            home: Home::Folder {
                path: loaded.data_dir(),
                sealer: sealer.clone(),
                room: audit::ROOM,
            },
            durability: match loaded.config.audit.durability {
                config::Durability::Grouped => Durability::Grouped,
                config::Durability::Strict => Durability::Strict,
            },
        })
        .await?;
        let writing = Tasks::new();
        recording.start(&writing);
        let passwords = Passwords::new(world.clone(), HASHES_AT_ONCE);
        let accounts = Accounts::new(
            world.clone(),
            Arc::clone(&store),
            passwords.clone(),
            recorder.clone(),
        );
        Ok(Self {
            world,
            loaded,
            environment,
            storage,
            store,
            sealer,
            recorder,
            signer,
            key_ring,
            accounts,
            passwords,
            writing,
        })
    }

    /// Writes what is left of the audit record and closes the database. A database that is gone does not keep
    /// the process alive.
    pub async fn close(&self) {
        let closing = async {
            self.recorder.close().await;
            self.storage.close().await;
        };
        if tokio::time::timeout(LAST_WRITES, closing).await.is_err() {
            error!("the database did not take what was left of the audit record; it is lost");
        }
        let _ = self.writing.shut_down(Duration::ZERO).await;
    }
}
