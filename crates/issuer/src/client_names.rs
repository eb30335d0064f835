//! What clients are called, in memory, for the record of every call.
//!
//! A call is recorded with the name of that moment, because a client may have another one later, or be gone. So that no call
//! waits for a name: they are read when the server starts, renewed whenever tokens are issued, and stand beside what is
//! known of a token. The one look-up that is left is for a token that another replica issued to a client that this one has
//! never heard of: one for each such client.

use std::sync::Arc;
use std::time::Duration;

use audit::event::Voucher;
use model::ClientId;
use quick_cache::sync::Cache;
use store::{Client, Store, StoreError};
use tracing::warn;

use crate::clients::{Vouching, vouching};

/// Most names that are kept; the least used go first.
const CAPACITY: usize = 100_000;
/// How long a token that nobody has seen may wait for a name. A call without one is recorded all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName {
    /// The name that it gives itself, or that it was given.
    pub name: Option<Arc<str>>,
    /// Who says that it is its own.
    pub vouched_by: Voucher,
}

impl From<&Client> for ClientName {
    fn from(client: &Client) -> Self {
        Self {
            name: client.metadata.client_name.as_deref().map(Arc::from),
            vouched_by: match vouching(client) {
                Vouching::Operator => Voucher::Operator,
                Vouching::Host(_) => Voucher::Host,
                Vouching::Nobody => Voucher::Nobody,
            },
        }
    }
}

/// What clients are called.
#[derive(Debug)]
pub struct ClientNames {
    store: Arc<dyn Store>,
    known: Cache<ClientId, ClientName>,
}

impl ClientNames {
    /// Reads all names.
    pub async fn load(store: &Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        let names = Self {
            store: Arc::clone(store),
            known: Cache::new(CAPACITY),
        };
        // Those that were used last come first, and stay if there are too many.
        let clients = store.clients().await?;
        for client in clients.iter().take(CAPACITY).rev() {
            names.note(client);
        }
        Ok(Arc::new(names))
    }

    /// Takes note of what a client is called now.
    pub fn note(&self, client: &Client) {
        self.known.insert(client.id.clone(), ClientName::from(client));
    }

    /// What a client is called, if that is in memory; never waits.
    pub fn remembered(&self, client: &ClientId) -> Option<ClientName> {
        self.known.get(client)
    }

    /// What a client is called, from memory or the database. `None` if nobody can say.
    pub async fn find(&self, client: &ClientId) -> Option<ClientName> {
        if let Some(name) = self.remembered(client) {
            return Some(name);
        }
        match tokio::time::timeout(PATIENCE, self.store.client(client)).await {
            Ok(Ok(Some(found))) => {
                self.note(&found);
                Some(ClientName::from(&found))
            }
            Ok(Ok(None)) => None,
            Ok(Err(error)) => {
                warn!(%error, "the name of a client cannot be looked up");
                None
            }
            Err(_) => {
                warn!("the name of a client cannot be looked up: it takes too long");
                None
            }
        }
    }
}
