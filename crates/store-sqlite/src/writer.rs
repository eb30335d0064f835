//! The one connection that writes, and how transactions that come at once share a commit.
//!
//! A commit waits for the disk, and that is most of what a small transaction costs. So whoever is done lets the next
//! one go on within the same transaction of the database, each behind a savepoint of its own, and queues again. The
//! first whose turn comes a second time commits for all, and each hears whether that went well before anybody is told
//! that something happened. Nobody waits for company: who is alone commits at once.
//!
//! A future may be dropped at each `.await`. Then what it did is rolled back, unless the database had been told to
//! commit; sqlx wants to hear a rollback after that too, and passes over it.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Database, SqlStr, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use store::{Result, StoreError};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, oneshot};

use crate::rows::failed;

type Manager = <Sqlite as Database>::TransactionManager;

/// Whether a shared commit went well, or why not.
type Outcome = std::result::Result<(), String>;

/// The connection that writes.
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    /// None once it is closed.
    group: Mutex<Option<Group>>,
}

/// The transaction that is shared.
struct Group {
    conn: SqliteConnection,
    state: State,
    /// Those who are done and wait for the commit.
    members: Vec<oneshot::Sender<Outcome>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is none.
    Closed,
    /// Others may join.
    Open,
    /// The database was told to commit.
    Committing,
    /// It could not, and was told to roll back.
    Failing,
}

/// A turn to write; dropped without [`Turn::commit`], it leaves nothing.
pub(crate) struct Turn<'a> {
    writer: &'a Writer,
    hold: Hold<'a>,
}

/// The transaction, while it is one's turn.
struct Hold<'a> {
    group: MappedMutexGuard<'a, Group>,
    is_nested: bool,
    /// Whether what was written goes when this value does.
    is_open: bool,
}

/// A place in the queue. Whoever leaves it may be the last who could end the transaction.
struct Queued<'a>(&'a Writer);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Ok(mut group) = self.0.group.try_lock()
            && let Some(group) = group.as_mut()
        {
            group.abandon();
        }
    }
}

impl Writer {
    /// With a connection that was opened by these options.
    pub(crate) fn new(options: SqliteConnectOptions, conn: SqliteConnection) -> Self {
        Self {
            options,
            group: Mutex::new(Some(Group {
                conn,
                state: State::Closed,
                members: Vec::new(),
            })),
        }
    }

    /// Waits for a turn.
    pub(crate) async fn begin(&self) -> Result<Turn<'_>> {
        let _queued = Queued(self);
        let mut group = opened(self.group.lock().await)?;
        if let Err(error) = group.settle().await {
            group.reconnect(&self.options, &error).await?;
        }
        let is_nested = group.state == State::Open;
        let statement = (!is_nested).then(|| SqlStr::from_static("BEGIN IMMEDIATE"));
        let begun = Manager::begin(&mut group.conn, statement).await;
        if let Err(error) = begun {
            group.reconnect(&self.options, &error).await?;
            return Err(failed(error));
        }
        group.state = State::Open;
        Ok(Turn {
            writer: self,
            hold: Hold {
                group,
                is_nested,
                is_open: true,
            },
        })
    }

    /// Waits until a transaction that one has a part in is committed, and commits it when one's turn comes.
    async fn wait(&self, decided: oneshot::Receiver<Outcome>) -> Result<()> {
        let _queued = Queued(self);
        // Dropped before the place in the queue, so that nobody takes it for somebody who waits.
        let mut decided = decided;
        let group = tokio::select! {
            biased;
            outcome = &mut decided => return heard(outcome.ok()),
            group = self.group.lock() => opened(group),
        };
        if let Ok(outcome) = decided.try_recv() {
            return heard(Some(outcome));
        }
        let mut group = group?;
        if let Err(error) = group.settle().await {
            group.reconnect(&self.options, &error).await?;
        }
        if group.state == State::Open {
            group.commit().await;
        }
        heard(decided.try_recv().ok())
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        if let Some(group) = self.group.lock().await.take() {
            let _ = group.conn.close().await;
        }
    }
}

fn opened(group: MutexGuard<'_, Option<Group>>) -> Result<MappedMutexGuard<'_, Group>> {
    MutexGuard::try_map(group, Option::as_mut)
        .map_err(|_| StoreError::Unavailable("the database is closed".to_owned()))
}

fn heard(outcome: Option<Outcome>) -> Result<()> {
    let lost = || Err("the transaction was lost".to_owned());
    outcome.unwrap_or_else(lost).map_err(StoreError::Unavailable)
}

impl Group {
    /// Commits for all.
    async fn commit(&mut self) {
        self.state = State::Committing;
        let outcome = Manager::commit(&mut self.conn).await;
        let outcome = outcome.map_err(|error| error.to_string());
        if outcome.is_err() {
            self.state = State::Failing;
            let _ = Manager::rollback(&mut self.conn).await;
        }
        self.end(&outcome);
    }

    fn end(&mut self, outcome: &Outcome) {
        self.state = State::Closed;
        for member in self.members.drain(..) {
            let _ = member.send(outcome.clone());
        }
    }

    /// Finds out how a commit ended whose outcome nobody waited for.
    async fn settle(&mut self) -> std::result::Result<(), sqlx::Error> {
        let was_committing = match self.state {
            State::Closed | State::Open => return Ok(()),
            State::Committing => true,
            State::Failing => false,
        };
        self.conn.ping().await?;
        let is_over = Manager::get_transaction_depth(&self.conn) == 0;
        if is_over {
            // Nobody heard of the end; sqlx passes over the next rollback, which must not be somebody else's.
            Manager::start_rollback(&mut self.conn);
        } else {
            self.state = State::Failing;
            Manager::rollback(&mut self.conn).await?;
        }
        if is_over && was_committing {
            self.end(&Ok(()));
        } else {
            self.end(&Err("the transaction could not be committed".to_owned()));
        }
        Ok(())
    }

    /// Rolls back what nobody waits for any more.
    fn abandon(&mut self) {
        if self.state != State::Open || !self.members.iter().all(oneshot::Sender::is_closed) {
            return;
        }
        Manager::start_rollback(&mut self.conn);
        self.state = State::Closed;
        self.members.clear();
    }

    /// A connection whose thread has ended is no use any more.
    async fn reconnect(&mut self, options: &SqliteConnectOptions, error: &sqlx::Error) -> Result<()> {
        if matches!(error, sqlx::Error::WorkerCrashed) {
            self.end(&Err(error.to_string()));
            self.conn = options.connect().await.map_err(failed)?;
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// The connection, within the transaction.
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.hold.group.conn
    }

    /// Ends the turn, and waits until what was written is on disk.
    pub(crate) async fn commit(self) -> Result<()> {
        let Self { writer, mut hold } = self;
        if hold.is_nested {
            Manager::commit(&mut hold.group.conn).await.map_err(failed)?;
        }
        hold.is_open = false;
        let (sender, decided) = oneshot::channel();
        hold.group.members.push(sender);
        drop(hold);
        writer.wait(decided).await
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        if self.is_nested {
            Manager::start_rollback(&mut self.group.conn);
        }
        // Alone, it is all there is; of others it may have been the last hope.
        self.group.abandon();
    }
}

#[cfg(test)]
mod tests;
