//! People's connections: one per person and provider. How one is made stands in [`linking`](crate::linking), how it is
//! renewed in [`renewal`](crate::renewal), how it ends in [`ending`](crate::ending).
//!
//! In memory lies only what lies in the database: the envelope. It is opened for one request, into memory that is wiped
//! when the request has gone. No method here gives a credential to a page, a command or a log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::{Person, Recorder, What};
use keys::{Purpose, Sealed, Sealer};
use model::{AccountId, Change, EventId, ExposeSecret as _, SecretString, ServerName, Timestamp, World};
use net::Tasks;
use quick_cache::sync::Cache;
use store::{Connection, ConnectionKind, ConnectionUse, LastUse, Store, StoreError};
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use crate::connector::{Connector, Connectors};
use crate::credential::{Credential, Secrets};
use crate::link::{self, LinkError};
use crate::upstream_client;

/// Most connections that are remembered; the least used go first.
const CAPACITY: usize = 100_000;
/// Most uses that wait to be written.
const USES: usize = 16_384;

/// What is known of one person at one provider.
#[derive(Debug)]
pub struct Held {
    pub(crate) account: AccountId,
    pub(crate) connector: ServerName,
    sealed: Sealed,
    pub(crate) kind: ConnectionKind,
    /// Changes with the credential.
    pub version: EventId,
    /// Who they are there, for people, if anybody says it.
    pub upstream: Option<String>,
    pub(crate) name: Option<String>,
    expires_at: Option<Timestamp>,
    renew_at: Option<Timestamp>,
    /// Why it does not count any more, if it does not.
    pub ended: Option<String>,
}

impl Held {
    /// Whether it should be renewed before it is used.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.renew_at.is_some_and(|at| at <= now)
    }

    /// Whether it has run out.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn of(connection: Connection) -> Self {
        let upstream = connection.shown().map(str::to_owned);
        Self {
            account: connection.account,
            connector: connection.connector,
            sealed: Sealed::from_bytes(connection.sealed),
            kind: connection.kind,
            version: connection.version,
            upstream,
            name: connection.upstream_name,
            expires_at: connection.expires_at,
            renew_at: connection.renew_at,
            ended: connection.ended.map(|(_, because)| because),
        }
    }
}

pub(crate) type Key = (AccountId, ServerName);

/// All connections.
#[derive(Debug)]
pub struct Connections {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tasks: Tasks,
    pub(crate) sealer: Sealer,
    pub(crate) recorder: Recorder,
    connectors: ArcSwap<Connectors>,
    held: Cache<Key, Option<Arc<Held>>>,
    /// Counts changes, so that what was read before a change is not kept after it.
    epoch: AtomicU64,
    uses: mpsc::Sender<ConnectionUse>,
    /// Who is being renewed at this moment.
    pub(crate) flights: papaya::HashMap<Key, Arc<Mutex<()>>>,
    /// Until when a provider is not asked again.
    pub(crate) trouble: Cache<Key, Duration>,
    /// Until when a credential with which calls fail is not looked into again.
    pub(crate) suspected: Cache<EventId, Duration>,
}

fn purpose(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "connection",
        owner,
    }
}

/// What binds an envelope to its place: whose, where, and which credential of theirs.
fn owner(account: AccountId, connector: &ServerName, version: EventId) -> String {
    format!("{account}\0{connector}\0{version}")
}

impl Connections {
    /// Nothing in memory yet. Gives the uses too, to be written behind the calls.
    pub fn new(
        world: World,
        (store, tasks): (&Arc<dyn Store>, Tasks),
        sealer: Sealer,
        recorder: Recorder,
        connectors: Connectors,
    ) -> (Arc<Self>, mpsc::Receiver<ConnectionUse>) {
        let (uses, written) = mpsc::channel(USES);
        let this = Arc::new(Self {
            world,
            store: Arc::clone(store),
            tasks,
            sealer,
            recorder,
            connectors: ArcSwap::from_pointee(connectors),
            held: Cache::new(CAPACITY),
            epoch: AtomicU64::new(0),
            uses,
            flights: papaya::HashMap::new(),
            trouble: Cache::new(CAPACITY),
            suspected: Cache::new(CAPACITY),
        });
        let follower = Arc::downgrade(&this);
        store.listen(Arc::new(move |change| {
            if let (Change::ConnectionChanged { account, connector }, Some(this)) =
                (change, follower.upgrade())
            {
                this.epoch.fetch_add(1, Ordering::SeqCst);
                this.held.remove(&(*account, connector.clone()));
            }
        }));
        (this, written)
    }

    /// Puts other connectors in the place of those before.
    pub fn reconfigure(&self, connectors: Connectors) {
        self.connectors.store(Arc::new(connectors));
    }

    /// The connectors of this moment.
    pub fn connectors(&self) -> Arc<Connectors> {
        self.connectors.load_full()
    }

    /// What is known of a person at a provider, from memory or the database.
    pub async fn find(
        &self,
        account: AccountId,
        connector: &ServerName,
    ) -> Result<Option<Arc<Held>>, StoreError> {
        let key = (account, connector.clone());
        if let Some(held) = self.held.get(&key) {
            return Ok(held);
        }
        let before = self.epoch.load(Ordering::SeqCst);
        let held = self.store.connection(account, connector).await?;
        let held = held.map(|connection| Arc::new(Held::of(connection)));
        self.held.insert(key.clone(), held.clone());
        // A change since we began to read either sees our entry and removes it, or is seen here.
        if self.epoch.load(Ordering::SeqCst) != before {
            self.held.remove(&key);
        }
        Ok(held)
    }

    /// Opens the envelope, for one request. `None` if it does not open: sealed under a master key that is gone, moved
    /// here from another row, or of what the connector was before its configuration changed.
    pub fn open(&self, connector: &Connector, held: &Held) -> Option<Credential> {
        let mut secrets = self.secrets(connector, held)?;
        let token = SecretString::from(std::mem::take(&mut secrets.token));
        Some(Credential::new(token, held.name.clone()))
    }

    pub(crate) fn secrets(&self, connector: &Connector, held: &Held) -> Option<Secrets> {
        let owner = owner(held.account, &held.connector, held.version);
        match self.sealer.open(&purpose(&owner), &held.sealed) {
            Ok(opened) => {
                Secrets::read(opened.expose_secret()).filter(|secrets| secrets.place == connector.place)
            }
            Err(error) => {
                warn!(%error, account = %held.account, connector = %held.connector, "a connection does not open");
                None
            }
        }
    }

    pub(crate) fn seal(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        secrets: &Secrets,
    ) -> Vec<u8> {
        let bound = owner(account, connector, version);
        let sealed = self.sealer.seal(&purpose(&bound), &secrets.write());
        sealed.as_bytes().to_vec()
    }

    /// Notes that it was used; written behind the call, and not at all while very much waits to be written.
    pub fn used(&self, held: &Held, client: Option<String>, server: &ServerName, tool: Option<String>) {
        let _ = self.uses.try_send(ConnectionUse {
            account: held.account,
            connector: held.connector.clone(),
            last: LastUse {
                at: self.world.now(),
                client,
                server: Some(server.to_string()),
                tool,
            },
        });
    }

    /// What a link carries that asks a person to connect.
    pub fn ticket(&self, account: AccountId, connector: &ServerName) -> String {
        link::seal(&self.sealer, account, connector, self.world.now())
    }

    /// Whether a link was made for this person (MA-62).
    pub fn check_ticket(
        &self,
        ticket: &str,
        account: AccountId,
        connector: &ServerName,
    ) -> Result<(), LinkError> {
        link::check(&self.sealer, ticket, account, connector, self.world.now())
    }

    pub(crate) fn record(&self, what: What, person: &Person, upstream: Option<String>) {
        let person = Person {
            upstream_account: upstream,
            ..person.clone()
        };
        self.recorder.record(what, person);
    }

    /// Puts every envelope under the current master key. Gives how many were not.
    pub async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<usize, StoreError> {
        let mut count = upstream_client::reseal(store, sealer).await?;
        for connection in store.connections().await? {
            let bound = owner(connection.account, &connection.connector, connection.version);
            let sealed = Sealed::from_bytes(connection.sealed.clone());
            match sealer.reseal(&purpose(&bound), &sealed) {
                Ok(None) => {}
                Ok(Some(resealed)) => {
                    let (account, connector) = (connection.account, &connection.connector);
                    let after = resealed.as_bytes();
                    if store
                        .reseal_connection(account, connector, &connection.sealed, after)
                        .await?
                    {
                        count += 1;
                    }
                }
                // One that nobody can open is its owner's to make anew, and no reason not to start.
                Err(error) => {
                    let (account, connector) = (connection.account, &connection.connector);
                    warn!(%error, %account, %connector, "a connection does not open");
                }
            }
        }
        Ok(count)
    }
}
