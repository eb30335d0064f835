//! The connections that read.
//!
//! Not a pool of sqlx's: that asks each connection whether it is well whenever one comes back, which costs as much as
//! reading a row. Here one is asked only after something went wrong on it, or before it shows a view that is to stay.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Database, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use store::{Result, StoreError};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, Semaphore, SemaphorePermit};

use crate::rows::failed;

/// How many read at once.
const COUNT: usize = 4;
/// How long anybody waits for one.
const PATIENCE: Duration = Duration::from_secs(30);

type Manager = <Sqlite as Database>::TransactionManager;

/// All of them; none any more once they are closed.
pub(crate) struct Readers {
    options: SqliteConnectOptions,
    connections: Vec<Mutex<Option<SqliteConnection>>>,
    /// As many permits as there are numbers in `idle`, or will be before they are given out.
    free: Semaphore,
    /// The places, among the connections, of those that nobody uses.
    idle: Idle,
}

impl Readers {
    /// Opens them.
    pub(crate) async fn open(options: SqliteConnectOptions) -> Result<Self> {
        let mut connections = Vec::with_capacity(COUNT);
        for _ in 0..COUNT {
            let connection = options.connect().await.map_err(failed)?;
            connections.push(Mutex::new(Some(connection)));
        }
        Ok(Self {
            options,
            connections,
            free: Semaphore::new(COUNT),
            idle: Idle::new((0..COUNT).collect()),
        })
    }

    /// One that is free.
    pub(crate) async fn read(&self) -> Result<Reader<'_>> {
        let unavailable = |why: &str| StoreError::Unavailable(format!("the database is {why}"));
        let permit = tokio::time::timeout(PATIENCE, self.free.acquire())
            .await
            .map_err(|_| unavailable("busy"))?
            .map_err(|_| unavailable("closed"))?;
        let place = Place::take(&self.idle, permit).ok_or_else(|| unavailable("busy"))?;
        let connection = self.connections[place.index].lock().await;
        let connection = MutexGuard::try_map(connection, Option::as_mut);
        let mut reader = Reader {
            connection: connection.map_err(|_| unavailable("closed"))?,
            _place: place,
        };
        if Manager::get_transaction_depth(&reader) != 0 {
            self.heal(&mut reader).await?;
        }
        Ok(reader)
    }

    /// A transaction that sees the database as it is now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot<'_>> {
        let mut reader = self.read().await?;
        self.heal(&mut reader).await?;
        // It is there before it begins, so that whoever leaves in between leaves no old view of things behind.
        let mut snapshot = Snapshot(reader);
        Manager::begin(&mut snapshot, None).await.map_err(failed)?;
        Ok(snapshot)
    }

    /// Puts another connection in the place of one that is gone, or that shows an old view for ever because the database
    /// ended its transaction by itself. A rollback may be under way on one that is well.
    async fn heal(&self, reader: &mut Reader<'_>) -> Result<()> {
        if reader.ping().await.is_err() || Manager::get_transaction_depth(reader) != 0 {
            **reader = self.options.connect().await.map_err(failed)?;
        }
        Ok(())
    }

    /// Closes them.
    pub(crate) async fn close(&self) {
        self.free.close();
        for connection in &self.connections {
            if let Some(connection) = connection.lock().await.take() {
                let _ = connection.close().await;
            }
        }
    }
}

/// A connection, while one reads.
pub(crate) struct Reader<'a> {
    // Given back before the place.
    connection: MappedMutexGuard<'a, SqliteConnection>,
    _place: Place<'a>,
}

/// The place of a connection that is in use.
///
/// Its number is given back before the permit, so whoever holds a permit finds a number: looking for a connection that
/// is not locked would not, when others change places meanwhile.
struct Place<'a> {
    index: usize,
    idle: &'a Idle,
    _permit: SemaphorePermit<'a>,
}

type Idle = std::sync::Mutex<Vec<usize>>;

impl<'a> Place<'a> {
    fn take(idle: &'a Idle, permit: SemaphorePermit<'a>) -> Option<Self> {
        let index = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self {
            index,
            idle,
            _permit: permit,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.index);
    }
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
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

#[cfg(test)]
mod tests;
