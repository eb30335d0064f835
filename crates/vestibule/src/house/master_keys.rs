//! Master keys of a house that is open: others can take their place while it serves.

use std::io;
use std::sync::atomic::Ordering;

use audit::Signer;
use issuer::KeyRing;
use keys::{MasterKeys, Sealer};
use people::ProviderGrants;
use store::Store;
use tracing::{error, info};
use vault::Connections;

use super::{House, OpenError};
use crate::config::Config;
use crate::config::file::Loaded;
use crate::master_key::{self, MasterKeyError};

/// Seals everything in the database under the master key that seals now.
pub(super) async fn reseal(store: &dyn Store, sealer: &Sealer, key_ring: &KeyRing) -> Result<(), OpenError> {
    key_ring.reseal().await?;
    Signer::reseal(store, sealer).await?;
    people::totp::reseal(store, sealer).await?;
    Connections::reseal(store, sealer).await?;
    ProviderGrants::reseal(store, sealer).await?;
    Ok(())
}

/// What says which master keys there are.
fn named(config: &Config) -> impl PartialEq + '_ {
    (
        (&config.master_key_file, &config.master_key_command),
        (&config.older_master_key_files, &config.older_master_key_commands),
    )
}

impl House {
    /// The master keys of a new configuration, if it names others or the last change was not brought to its end.
    pub(super) async fn other_master_keys(&self, loaded: &Loaded) -> Result<Option<MasterKeys>, OpenError> {
        let current = self.current.load();
        let is_same = named(&current.loaded.config) == named(&loaded.config);
        if is_same && !self.resealing.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let foundation = &self.foundation;
        let opened = master_key::open(loaded, &foundation.environment, &foundation.world, false).await;
        let keys = opened.map_err(|error| match error {
            // Nothing is lost while the keys before are there: a file that is named now is not.
            MasterKeyError::Lost(path) => MasterKeyError::File {
                path,
                source: io::ErrorKind::NotFound.into(),
            },
            error => error,
        })?;
        // Other replicas seal under it, and clients carry what was sealed under it.
        let in_use = foundation.sealer.masters().current().id();
        if keys.find(in_use).is_none() {
            return Err(MasterKeyError::InUse(in_use).into());
        }
        Ok(Some(keys))
    }

    /// Takes them up, and seals everything under the one that seals. Until that is done everything that opened before still
    /// opens, so that nothing fails meanwhile; should it not succeed, the next reload goes on with it.
    pub(super) async fn turn_to(&self, keys: MasterKeys) -> Result<(), OpenError> {
        let foundation = &self.foundation;
        let sealer = &foundation.sealer;
        let before = sealer.masters();
        let master_key = keys.current().id();
        self.resealing.store(true, Ordering::SeqCst);
        sealer.replace(keys.with(&before));
        if let Err(error) = reseal(&*foundation.store, sealer, &foundation.key_ring).await {
            error!(%master_key, "this master key seals from now on, and not everything is sealed under it: it must stay, and the next reload goes on");
            return Err(error);
        }
        info!(%master_key, "everything is sealed under this master key");
        sealer.replace(keys);
        self.resealing.store(false, Ordering::SeqCst);
        Ok(())
    }
}
