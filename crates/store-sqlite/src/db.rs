//! The SQLite engine: how to open it, begin, commit.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut. One connection writes ([`Writer`]), so every
//! transaction begins `IMMEDIATE` and none ever fails half-way for a lock; a pool reads. A lock file keeps
//! a second process away from the file.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{AccountId, Change};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use store::{Changes, Listener, Result, Store, StoreError};

use crate::changes::Listeners;
use crate::readers::{Reader, Readers, Snapshot};
use crate::rows::failed;
use crate::writer::{Turn, Writer};

pub(crate) type Conn = SqliteConnection;
pub(crate) type DbRow = SqliteRow;

/// An open SQLite database.
pub struct Engine {
    readers: Readers,
    writer: Writer,
    listeners: Arc<Listeners>,
    lock: File,
}

impl Engine {
    /// Opens the file, made if need be with mode 0600, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let lock = lock(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("trusted_schema", "OFF")
            .optimize_on_close(true, None);
        let mut conn = options.connect().await.map_err(failed)?;
        sqlx::migrate!()
            .run(&mut conn)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let listeners = Arc::new(Listeners::default());
        let writer = Writer::new(options.clone(), conn, Arc::clone(&listeners)).await?;
        let readers = Readers::open(options.read_only(true)).await?;
        Ok(Self {
            readers,
            writer,
            listeners,
            lock,
        })
    }

    /// Whether an existing file could be opened; changes nothing in it. Gives its sealed signing keys.
    pub async fn probe(path: &Path) -> Result<Vec<Vec<u8>>> {
        let _lock = lock(path)?;
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.connect().await.map_err(failed)?;
        // A file that holds no such table yet holds no keys.
        let sealed = crate::signing_keys::sealed(&mut connection)
            .await
            .unwrap_or_default();
        connection.close().await.map_err(failed)?;
        Ok(sealed)
    }

    /// Closes the file, so that another process can open it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        // It would go with the last holder of this value, who may live on.
        let _ = self.lock.unlock();
    }

    pub(crate) async fn read(&self) -> Result<Reader<'_>> {
        self.readers.read().await
    }

    pub(crate) async fn begin(&self) -> Result<Tx<'_>> {
        Ok(Tx::new(Inner::Write(self.writer.begin().await?)))
    }

    /// For one statement that nobody follows. Whoever leaves before it ends may leave it behind.
    pub(crate) async fn single(&self) -> Result<Tx<'_>> {
        Ok(Tx::new(Inner::Write(self.writer.begin_single().await?)))
    }

    /// A transaction that sees the database as it is now and writes nothing.
    pub(crate) async fn snapshot(&self) -> Result<Tx<'_>> {
        Ok(Tx::new(Inner::Read(self.readers.snapshot().await?)))
    }
}

/// A second process on the same file would not see our changes.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let unusable = |why: String| StoreError::Unavailable(format!("{}: {why}", name.display()));
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&name).map_err(|error| unusable(error.to_string()))?;
    if !path.exists() {
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(|error| unusable(error.to_string()))?;
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(unusable(
            "another vestibule has this database open; several replicas need PostgreSQL".to_owned(),
        )),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}

/// A transaction; dropped without [`Tx::commit`], it leaves nothing. Whoever tells somebody what was found in one that
/// changes nothing ends it with [`Tx::give_up`].
pub(crate) struct Tx<'a> {
    inner: Inner<'a>,
    pub(crate) changes: Vec<Change>,
}

enum Inner<'a> {
    Write(Turn<'a>),
    Read(Snapshot<'a>),
}

impl<'a> Tx<'a> {
    fn new(inner: Inner<'a>) -> Self {
        Self {
            inner,
            changes: Vec::new(),
        }
    }

    pub(crate) fn conn(&mut self) -> &mut Conn {
        match &mut self.inner {
            Inner::Write(turn) => turn.conn(),
            Inner::Read(reading) => reading,
        }
    }

    /// Nothing to do: there is one writer.
    #[expect(clippy::unused_async, reason = "the other engine waits here")]
    pub(crate) async fn hold_account(&mut self, _: AccountId) -> Result<()> {
        Ok(())
    }

    /// Nothing to do: there is one writer.
    #[expect(clippy::unused_async, reason = "the other engine waits here")]
    pub(crate) async fn serialize(&mut self) -> Result<()> {
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self.inner {
            Inner::Write(turn) => turn.commit(self.changes).await,
            Inner::Read(_) => Ok(()),
        }
    }

    /// Leaves nothing, and waits until what was seen is on disk: it may be of somebody who shares the commit.
    pub(crate) async fn give_up(self) -> Result<()> {
        match self.inner {
            Inner::Write(turn) => turn.give_up().await,
            Inner::Read(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Changes for Engine {
    fn listen(&self, listener: Listener) {
        self.listeners.add(listener);
    }

    /// There is no other replica.
    async fn follow_changes(&self) -> Result<usize> {
        Ok(0)
    }

    async fn await_change(&self) {
        std::future::pending::<()>().await;
    }

    async fn ping(&self) -> Result<()> {
        let mut conn = self.read().await?;
        crate::changes::last(&mut conn).await.map(drop)
    }
}

impl Store for Engine {}
