//! A new configuration for a house that is open.

use std::sync::Arc;

use super::{Current, House, OpenError};
use crate::compose::{Before, compose};
use crate::config::file::Loaded;

impl House {
    /// Puts a new configuration in place of the one before: all of it, or nothing of it.
    pub async fn reconfigure(&self, loaded: Loaded) -> Result<(), OpenError> {
        let routes = self.gateway.routes();
        let (ways, connectors) = (self.ways.now(), self.connections.connectors());
        let before = Before {
            routes: &routes,
            ways: &ways,
            connectors: &connectors,
        };
        let snapshot = compose(&loaded, &self.foundation.environment, Some(before))?;
        let keys = self.other_master_keys(&loaded).await?;
        let now = self.foundation.world.now();
        self.foundation
            .store
            .configure_clients(&snapshot.clients, now)
            .await?;
        for (name, route) in &snapshot.routes.servers {
            let class = route.credential_class();
            let before = routes.servers.get(name).map(|before| before.credential_class());
            if before != Some(class) {
                self.catalogue.load(name, class).await?;
            }
        }
        // The last that can fail: a configuration that names other keys than those in use would not start again.
        if let Some(keys) = keys {
            self.turn_to(keys).await?;
        }
        let current = Current::of(loaded, &snapshot);
        self.server.reconfigure(snapshot.settings, snapshot.known_clients);
        self.web.reconfigure(snapshot.site);
        self.ways.replace(snapshot.ways);
        self.connections.reconfigure(snapshot.connectors);
        self.current.store(Arc::new(current));
        // Last: open streams look again, and find everything in its new place.
        self.gateway.reconfigure(snapshot.routes);
        Ok(())
    }
}
