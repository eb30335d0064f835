//! Master keys of a house that is open: others can take their place while it serves.

use audit::Signer;
use issuer::KeyRing;
use keys::Sealer;
use people::ProviderGrants;
use store::Store;
use tracing::info;
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
    /// Takes up the master keys of a new configuration, if it names others, and seals everything under the one that
    /// seals. Until that is done everything that opened before still opens, so that nothing fails meanwhile; should it
    /// not succeed, it is tried again with the next reload.
    pub(super) async fn renew_master_keys(&self, loaded: &Loaded) -> Result<(), OpenError> {
        let current = self.current.load();
        if named(&current.loaded.config) == named(&loaded.config) {
            return Ok(());
        }
        let foundation = &self.foundation;
        let (sealer, environment) = (&foundation.sealer, &foundation.environment);
        let before = sealer.masters();
        let after = master_key::open(loaded, environment, &foundation.world, false).await?;
        // Other replicas seal under it, and clients carry what was sealed under it.
        let in_use = before.current().id();
        if after.find(in_use).is_none() {
            return Err(MasterKeyError::InUse(in_use).into());
        }
        sealer.replace(after.with(&before));
        reseal(&*foundation.store, sealer, &foundation.key_ring).await?;
        info!(master_key = %after.current().id(), "everything is sealed under this master key");
        sealer.replace(after);
        Ok(())
    }
}
