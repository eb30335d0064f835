//! People's connections: one per person and provider, made, shown upstream, doubted, removed.
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
use relying::oauth_client::ClientError;
use store::{
    AccountView, Connection, ConnectionKind, ConnectionUse, LastUse, NewConnection, Store, StoreError,
};
use thiserror::Error;
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use crate::connector::{Connector, Connectors, Match};
use crate::credential::{Credential, Secrets};
use crate::link::{self, LinkError};
use crate::who_am_i::{UpstreamAccount, WhoError};

/// Most connections that are remembered; the least used go first.
const CAPACITY: usize = 100_000;
/// Most uses that wait to be written.
const USES: usize = 16_384;
/// The longest token that is taken.
const LONGEST_TOKEN: usize = 8 << 10;
/// Why a connection does not count any more: the provider does not take it.
const REFUSED: &str = "refused";

/// What is known of one person at one provider.
#[derive(Debug)]
pub struct Held {
    pub(crate) account: AccountId,
    pub(crate) connector: ServerName,
    sealed: Sealed,
    kind: ConnectionKind,
    /// Changes with the credential.
    pub version: EventId,
    /// Who they are there, for people.
    pub upstream: String,
    name: Option<String>,
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
        Self {
            account: connection.account,
            connector: connection.connector,
            sealed: Sealed::from_bytes(connection.sealed),
            kind: connection.kind,
            version: connection.version,
            upstream: connection
                .upstream_name
                .clone()
                .unwrap_or_else(|| connection.upstream_id.clone()),
            name: connection.upstream_name,
            expires_at: connection.expires_at,
            renew_at: connection.renew_at,
            ended: connection.ended.map(|(_, because)| because),
        }
    }
}

/// Whose connection it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The account.
    pub account: &'a AccountView,
    /// For the record.
    pub person: &'a Person,
}

/// Why nothing was connected.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The connector takes no tokens.
    #[error("this provider's accounts are not connected by a token")]
    NotOffered,
    /// It cannot be a token.
    #[error("this cannot be a token: it is empty, too long, or has spaces or odd characters in it")]
    NotAToken,
    /// The provider does not know whose it is.
    #[error("{0}")]
    Who(#[from] WhoError),
    /// It is somebody else's (proof of identity).
    #[error("it belongs to {0} there, which is not who you are here")]
    SomebodyElse(String),
    /// The provider does not take the code, or cannot be asked.
    #[error(transparent)]
    Provider(#[from] ClientError),
    /// The account is not active any more.
    #[error("the account is not active")]
    Inactive,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a credential that an upstream refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The provider does not take it either: it does not count any more.
    Ended,
    /// Another one is in its place by now.
    Replaced,
    /// The provider takes it: the server itself refuses its owner.
    Good,
    /// Nobody can say at this moment.
    Unknown,
}

pub(crate) type Key = (AccountId, ServerName);

/// All connections.
#[derive(Debug)]
pub struct Connections {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tasks: Tasks,
    sealer: Sealer,
    recorder: Recorder,
    connectors: ArcSwap<Connectors>,
    held: Cache<Key, Option<Arc<Held>>>,
    /// Counts changes, so that what was read before a change is not kept after it.
    epoch: AtomicU64,
    uses: mpsc::Sender<ConnectionUse>,
    /// Who is being renewed at this moment.
    pub(crate) flights: papaya::HashMap<Key, Arc<Mutex<()>>>,
    /// Until when a provider is not asked again.
    pub(crate) trouble: Cache<Key, Duration>,
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

    /// Keeps a token that its owner typed, once the provider has said whose it is and that is who they are here.
    pub async fn connect_with_token(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        token: SecretString,
    ) -> Result<UpstreamAccount, ConnectError> {
        if connector.personal_token.is_none() {
            return Err(ConnectError::NotOffered);
        }
        let connected = self.check_and_keep(owner, connector, token).await;
        if let Err(error) = &connected {
            self.record_refusal(owner, connector, error);
        }
        connected
    }

    pub(crate) fn record_refusal(&self, owner: Owner<'_>, connector: &Connector, error: &ConnectError) {
        let (reason, there) = match error {
            ConnectError::SomebodyElse(there) => ("identity_mismatch".to_owned(), Some(there.clone())),
            other => (other.to_string(), None),
        };
        let what = What::ConnectionRefused {
            account: owner.account.id,
            connector: connector.name.clone(),
            reason,
        };
        self.record(what, owner.person, there);
    }

    async fn check_and_keep(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        token: SecretString,
    ) -> Result<UpstreamAccount, ConnectError> {
        let text = token.expose_secret();
        if text.is_empty() || text.len() > LONGEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConnectError::NotAToken);
        }
        let credential = Credential::new(token.clone(), None);
        let who = connector.who_am_i.ask(&connector.client, &credential).await?;
        self.prove(owner.account, connector, &who).await?;
        let secrets = Secrets {
            token: text.to_owned(),
            refresh_token: None,
            place: connector.place.clone(),
        };
        self.keep(owner, connector, (ConnectionKind::Token, None), &secrets, &who)
            .await?;
        Ok(who)
    }

    /// Proof of identity: a credential of somebody else would make this person act as them.
    pub(crate) async fn prove(
        &self,
        account: &AccountView,
        connector: &Connector,
        who: &UpstreamAccount,
    ) -> Result<(), ConnectError> {
        let is_same = match &connector.identity {
            Match::Nothing => true,
            Match::Username => who
                .name
                .as_ref()
                .is_some_and(|name| name.eq_ignore_ascii_case(account.username.as_str())),
            Match::Email => match (&who.email, &account.email) {
                (Some(there), Some((here, true))) => there.eq_ignore_ascii_case(here),
                _ => false,
            },
            Match::Subject(issuer) => {
                let identities = self.store.identities_of(account.id).await?;
                identities
                    .iter()
                    .any(|identity| identity.name.issuer == *issuer && identity.name.subject == who.id)
            }
        };
        if is_same {
            Ok(())
        } else {
            Err(ConnectError::SomebodyElse(who.shown().to_owned()))
        }
    }

    /// Seals it and writes it down. `ends` is when it runs out, and when it is to be renewed.
    pub(crate) async fn keep(
        &self,
        by: Owner<'_>,
        connector: &Connector,
        (kind, ends): (ConnectionKind, Option<(Timestamp, Timestamp)>),
        secrets: &Secrets,
        who: &UpstreamAccount,
    ) -> Result<(), ConnectError> {
        let (account, version) = (by.account.id, self.world.new_id::<EventId>());
        let connection = NewConnection {
            account,
            connector: connector.name.clone(),
            kind,
            sealed: self.seal(account, &connector.name, version, secrets),
            version,
            upstream_id: who.id.clone(),
            upstream_name: who.name.clone(),
            expires_at: ends.map(|(expires_at, _)| expires_at),
            renew_at: ends.map(|(_, renew_at)| renew_at),
        };
        if !self.store.connect(&connection, self.world.now()).await? {
            return Err(ConnectError::Inactive);
        }
        let what = What::ConnectionMade {
            account,
            connector: connector.name.clone(),
            kind: kind.as_str().to_owned(),
        };
        self.record(what, by.person, Some(who.shown().to_owned()));
        Ok(())
    }

    /// An upstream refused a credential: asks the provider what it thinks of it, and ends the connection if it does not
    /// take it either. Only if that credential is still the one in there, and nothing is there to renew it with: of one that
    /// can be renewed, the provider's answer to that decides.
    pub async fn doubt(&self, connector: &Connector, held: &Held, person: &Person) -> Checked {
        let Some(secrets) = self.secrets(connector, held) else {
            return Checked::Unknown;
        };
        let can_be_renewed = connector.oauth.is_some() && secrets.refresh_token.is_some();
        let credential = Credential::new(secrets.token.clone().into(), held.name.clone());
        match connector.who_am_i.ask(&connector.client, &credential).await {
            Ok(_) => return Checked::Good,
            Err(WhoError::Refused) if !can_be_renewed => {}
            Err(WhoError::Refused) => return Checked::Unknown,
            Err(error) => {
                warn!(%error, connector = %connector.name, "a refused credential cannot be checked");
                return Checked::Unknown;
            }
        }
        let now = self.world.now();
        let ended = self
            .store
            .end_connection(held.account, &held.connector, held.version, REFUSED, now)
            .await;
        match ended {
            Ok(true) => {
                let what = What::ConnectionEnded {
                    account: held.account,
                    connector: held.connector.clone(),
                    reason: REFUSED.to_owned(),
                };
                self.record(what, person, Some(held.upstream.clone()));
                Checked::Ended
            }
            Ok(false) => Checked::Replaced,
            Err(error) => {
                warn!(%error, connector = %connector.name, "a connection cannot be ended");
                Checked::Unknown
            }
        }
    }

    /// Removes a connection, for its owner; at the provider too, where that is possible. `None` if there is none, else
    /// whether the provider revoked it.
    pub async fn disconnect(
        &self,
        by: Owner<'_>,
        connector: &ServerName,
    ) -> Result<Option<bool>, StoreError> {
        let account = by.account.id;
        let Some(known) = self.store.connection(account, connector).await? else {
            return Ok(None);
        };
        let held = Held::of(known);
        if !self
            .store
            .disconnect(account, connector, self.world.now())
            .await?
        {
            return Ok(None);
        }
        let what = What::ConnectionRemoved {
            account,
            connector: connector.clone(),
        };
        self.record(what, by.person, Some(held.upstream.clone()));
        Ok(Some(self.revoke(&held).await))
    }

    /// The refresh token first: with it the provider ends what came of it (RFC 7009 section 2.1).
    async fn revoke(&self, held: &Held) -> bool {
        let connectors = self.connectors();
        let connector = connectors.find(held.connector.as_str());
        let Some(connector) = connector.filter(|_| held.kind == ConnectionKind::OAuth) else {
            return false;
        };
        let (Some(oauth), Some(secrets)) = (&connector.oauth, self.secrets(connector, held)) else {
            return false;
        };
        let token = secrets.refresh_token.as_ref().unwrap_or(&secrets.token);
        match oauth.client.revoke(token, self.world.now()).await {
            Ok(revoked) => revoked,
            Err(error) => {
                warn!(%error, connector = %held.connector, "a connection was not revoked at its provider");
                false
            }
        }
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
        let mut count = 0;
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
