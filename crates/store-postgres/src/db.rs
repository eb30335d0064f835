//! The PostgreSQL engine: how to connect, begin, commit, and hear of other replicas.
//!
//! Every transaction that writes a change first takes one advisory lock, so that numbers in the change log
//! are committed in their order and a reader that has seen number *n* has seen all before it. The wake-up
//! is a `NOTIFY` in a transaction of its own, because a notification in a busy transaction takes a lock on
//! the whole instance while it commits.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres, Transaction};
use store::{Changes, Listener, Result, Store, StoreError};
use tokio::sync::Mutex;

use crate::changes::Listeners;
use crate::rows::failed;

pub(crate) type Conn = PgConnection;
pub(crate) type DbRow = PgRow;

const CHANNEL: &str = "vestibule_changes";
/// Names the advisory lock under which changes are numbered.
const CHANGE_LOCK: i64 = 0x7665_7374_6962;

/// A PostgreSQL database.
pub struct Engine {
    pool: PgPool,
    listeners: Listeners,
    /// The connection that hears of other replicas, of a pool of its own: it is never given back, and closing
    /// the other pool must not wait for it.
    wake_up: Mutex<Option<PgListener>>,
    wake_up_pool: PgPool,
    followed: AtomicI64,
}

impl Engine {
    /// Connects and brings the schema up to date; several replicas may do so at once.
    pub async fn open(url: &str, connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(failed)?
            .application_name("vestibule");
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .after_connect(|conn, _| {
                Box::pin(async move {
                    sqlx::raw_sql(
                        "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'",
                    )
                    .execute(conn)
                    .await
                    .map(drop)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        let wake_up_pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        sqlx::migrate!()
            .run(&pool)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut conn = pool.acquire().await.map_err(failed)?;
        let followed = AtomicI64::new(crate::changes::last(&mut conn).await?);
        drop(conn);
        Ok(Self {
            pool,
            listeners: Listeners::default(),
            wake_up: Mutex::new(None),
            wake_up_pool,
            followed,
        })
    }

    /// Whether the server lets us in; changes nothing. Gives the sealed signing keys in the database.
    pub async fn probe(url: &str) -> Result<Vec<Vec<u8>>> {
        let options = PgConnectOptions::from_str(url).map_err(failed)?;
        let mut connection = options.connect().await.map_err(failed)?;
        // A database that holds no such table yet holds no keys.
        let sealed = crate::signing_keys::sealed(&mut connection)
            .await
            .unwrap_or_default();
        connection.close().await.map_err(failed)?;
        Ok(sealed)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        if let Ok(mut wake_up) = self.wake_up.try_lock() {
            *wake_up = None;
        }
        self.pool.close().await;
    }

    pub(crate) async fn read(&self) -> Result<PoolConnection<Postgres>> {
        self.pool.acquire().await.map_err(failed)
    }

    pub(crate) async fn begin(&self) -> Result<Tx<'_>> {
        let inner = self.pool.begin().await.map_err(failed)?;
        Ok(self.tx(Inner::Whole(inner)))
    }

    /// For one statement that nobody follows, which the server commits by itself. Whoever leaves before it ends may
    /// leave it behind.
    pub(crate) async fn single(&self) -> Result<Tx<'_>> {
        Ok(self.tx(Inner::Single(self.read().await?)))
    }

    fn tx<'a>(&'a self, inner: Inner<'a>) -> Tx<'a> {
        Tx {
            inner,
            changes: Vec::new(),
            engine: self,
        }
    }

    /// A transaction that sees the database as it is now and writes nothing.
    pub(crate) async fn snapshot(&self) -> Result<Tx<'_>> {
        let inner = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(failed)?;
        Ok(self.tx(Inner::Whole(inner)))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStore")
    }
}

/// A transaction; dropped without [`Tx::commit`], it leaves nothing. Whoever tells somebody what was found in one that
/// changes nothing ends it with [`Tx::give_up`].
pub(crate) struct Tx<'a> {
    inner: Inner<'a>,
    pub(crate) changes: Vec<Change>,
    engine: &'a Engine,
}

enum Inner<'a> {
    Whole(Transaction<'a, Postgres>),
    Single(PoolConnection<Postgres>),
}

impl Tx<'_> {
    pub(crate) fn conn(&mut self) -> &mut Conn {
        match &mut self.inner {
            Inner::Whole(transaction) => transaction,
            Inner::Single(connection) => connection,
        }
    }

    /// Lets a disabling of this account at the same moment wait for us, or us for it.
    pub(crate) async fn hold_account(&mut self, id: AccountId) -> Result<()> {
        sqlx::query_scalar!(
            "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE",
            id.uuid()
        )
        .fetch_optional(self.conn())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Lets one such transaction commit after the other.
    pub(crate) async fn serialize(&mut self) -> Result<()> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", CHANGE_LOCK)
            .execute(self.conn())
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Leaves nothing. What was seen is committed, but for what was written here. A single statement must have changed
    /// nothing.
    pub(crate) async fn give_up(self) -> Result<()> {
        match self.inner {
            Inner::Whole(transaction) => transaction.rollback().await.map_err(failed),
            Inner::Single(_) => Ok(()),
        }
    }

    pub(crate) async fn commit(self) -> Result<()> {
        if let Inner::Whole(transaction) = self.inner {
            transaction.commit().await.map_err(failed)?;
        }
        self.engine.listeners.tell(&self.changes);
        if !self.changes.is_empty() {
            // Only a wake-up: who misses it polls.
            let _ = sqlx::query!("SELECT pg_notify($1, '')", CHANNEL)
                .execute(&self.engine.pool)
                .await;
        }
        Ok(())
    }
}

#[async_trait]
impl Changes for Engine {
    fn listen(&self, listener: Listener) {
        self.listeners.add(listener);
    }

    async fn follow_changes(&self) -> Result<usize> {
        let after = self.followed.load(Ordering::Acquire);
        let mut conn = self.read().await?;
        let changes = since(&mut conn, after).await?;
        let count = changes.len();
        if let Some((last, _)) = changes.last() {
            let last = *last;
            let changes: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
            self.listeners.tell(&changes);
            self.followed.fetch_max(last, Ordering::AcqRel);
        }
        Ok(count)
    }

    async fn await_change(&self) {
        let mut wake_up = self.wake_up.lock().await;
        if wake_up.is_none() {
            let Ok(mut listener) = PgListener::connect_with(&self.wake_up_pool).await else {
                return std::future::pending().await;
            };
            if listener.listen(CHANNEL).await.is_err() {
                return std::future::pending().await;
            }
            *wake_up = Some(listener);
        }
        if let Some(listener) = wake_up.as_mut()
            && listener.recv().await.is_err()
        {
            *wake_up = None;
        }
    }

    async fn ping(&self) -> Result<()> {
        let mut conn = self.read().await?;
        crate::changes::last(&mut conn).await.map(drop)
    }
}

/// Changes with a number above `after`, in order, each with its number.
async fn since(conn: &mut Conn, after: i64) -> Result<Vec<(i64, Change)>> {
    let rows = sqlx::query!(
        "SELECT number, change FROM changes WHERE number > $1 ORDER BY number",
        after
    )
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    rows.into_iter()
        .map(|row| Ok((row.number, crate::rows::json("changes.change", &row.change)?)))
        .collect()
}

impl Store for Engine {}
