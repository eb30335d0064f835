//! The connections that read.
//!
//! Not a pool of sqlx's: that asks each connection whether it is well whenever one comes back, which costs as much as
//! reading a row. There is no network in between that could break one.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Database, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use store::{Result, StoreError};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::rows::failed;

/// How many read at once.
const COUNT: usize = 4;
/// How long anybody waits for one.
const PATIENCE: Duration = Duration::from_secs(30);

type Manager = <Sqlite as Database>::TransactionManager;

/// A connection, while one reads.
pub(crate) type Reader<'a> = MappedMutexGuard<'a, SqliteConnection>;

/// All of them; none any more once they are closed.
pub(crate) struct Readers {
    connections: Vec<Mutex<Option<SqliteConnection>>>,
    next: AtomicUsize,
}

impl Readers {
    /// Opens them.
    pub(crate) async fn open(options: &SqliteConnectOptions) -> Result<Self> {
        let mut connections = Vec::with_capacity(COUNT);
        for _ in 0..COUNT {
            let connection = options.connect().await.map_err(failed)?;
            connections.push(Mutex::new(Some(connection)));
        }
        Ok(Self {
            connections,
            next: AtomicUsize::new(0),
        })
    }

    /// One that nobody uses, or a turn at one of them.
    pub(crate) async fn read(&self) -> Result<Reader<'_>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % COUNT;
        let (before, after) = self.connections.split_at(first);
        let free = after.iter().chain(before).find_map(|one| one.try_lock().ok());
        let connection = match free {
            Some(connection) => connection,
            None => tokio::time::timeout(PATIENCE, self.connections[first].lock())
                .await
                .map_err(|_| StoreError::Unavailable("the database is busy".to_owned()))?,
        };
        MutexGuard::try_map(connection, Option::as_mut)
            .map_err(|_| StoreError::Unavailable("the database is closed".to_owned()))
    }

    /// A transaction that sees the database as it is now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot<'_>> {
        // It is there before it begins, so that whoever leaves in between leaves no old view of things behind.
        let mut snapshot = Snapshot(self.read().await?);
        Manager::begin(&mut snapshot, None).await.map_err(failed)?;
        Ok(snapshot)
    }

    /// Closes them.
    pub(crate) async fn close(&self) {
        for connection in &self.connections {
            if let Some(connection) = connection.lock().await.take() {
                let _ = connection.close().await;
            }
        }
    }
}

/// A transaction that reads; over when it is dropped.
pub(crate) struct Snapshot<'a>(Reader<'a>);

impl Deref for Snapshot<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Snapshot<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        Manager::start_rollback(&mut self.0);
    }
}
