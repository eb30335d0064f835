//! The one connection that writes, and how transactions that come at once share a commit.
//!
//! A commit waits for the disk, and that is most of what a small transaction costs. So whoever is done lets the next
//! one go on within the same transaction of the database, each behind a savepoint of its own, and queues again. The
//! first whose turn comes a second time commits for all, and each hears whether that went well before anybody is told
//! that something happened, or had happened already. Nobody waits for company: who is alone commits at once.
//!
//! Whatever makes the database roll back by itself, such as a full disk, ends the transaction for all, and the connection
//! with it. A future may be dropped at each `.await`. Then what it did is rolled back, unless the database had been told to
//! commit; sqlx wants to hear a rollback after that too, and passes over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Change;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Database, SqlStr, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use store::{Result, StoreError};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, oneshot};

use crate::changes::Listeners;
use crate::rows::failed;

/// How long anybody waits for a turn.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Whether all was rolled back since it began.
    undone: Arc<AtomicBool>,
    state: State,
    /// Those who are done.
    members: Vec<Member>,
    listeners: Arc<Listeners>,
}

/// Somebody who is done and waits for the commit.
struct Member {
    waits: oneshot::Sender<Outcome>,
    /// What is told once it is committed, whether or not somebody still waits.
    changes: Vec<Change>,
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

/// What a turn is of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What began it.
    First,
    /// Behind a savepoint.
    Nested,
    /// One statement, which is whole by itself: if it fails, the database takes it back alone.
    Single,
}

/// A turn to write; dropped without [`Turn::commit`], it leaves nothing.
pub(crate) struct Turn<'a> {
    writer: &'a Writer,
    hold: Hold<'a>,
}

/// The transaction, while it is one's turn.
struct Hold<'a> {
    group: MappedMutexGuard<'a, Group>,
    part: Part,
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
    pub(crate) async fn new(
        options: SqliteConnectOptions,
        mut conn: SqliteConnection,
        listeners: Arc<Listeners>,
    ) -> Result<Self> {
        let group = Group {
            undone: watched(&mut conn).await?,
            conn,
            state: State::Closed,
            members: Vec::new(),
            listeners,
        };
        Ok(Self {
            options,
            group: Mutex::new(Some(group)),
        })
    }

    /// Waits for a turn.
    pub(crate) async fn begin(&self) -> Result<Turn<'_>> {
        self.take_turn(Part::Nested).await
    }

    /// Waits for a turn for one statement. If it is dropped before it ends, the statement may stay.
    pub(crate) async fn begin_single(&self) -> Result<Turn<'_>> {
        self.take_turn(Part::Single).await
    }

    async fn take_turn(&self, joining: Part) -> Result<Turn<'_>> {
        let _queued = Queued(self);
        let turn = tokio::time::timeout(PATIENCE, self.group.lock()).await;
        let busy = || StoreError::Unavailable("the database is busy".to_owned());
        let mut group = opened(turn.map_err(|_| busy())?)?;
        if group.settle().await.is_err() || group.is_stuck().await {
            group.renew(&self.options).await?;
        }
        let mut part = match group.state {
            State::Open => joining,
            _ => Part::First,
        };
        let mut begun = group.begin(part).await;
        if part != Part::First && (begun.is_err() || group.undone.load(Ordering::SeqCst)) {
            group.renew(&self.options).await?;
            part = Part::First;
            begun = group.begin(part).await;
        }
        begun.map_err(failed)?;
        group.state = State::Open;
        Ok(Turn {
            writer: self,
            hold: Hold {
                group,
                part,
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
        if group.settle().await.is_err() {
            group.renew(&self.options).await?;
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

/// Notes when a connection's transaction is rolled back, by whomever.
async fn watched(conn: &mut SqliteConnection) -> Result<Arc<AtomicBool>> {
    let undone = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&undone);
    let mut handle = conn.lock_handle().await.map_err(failed)?;
    handle.set_rollback_hook(move || noted.store(true, Ordering::SeqCst));
    Ok(undone)
}

impl Group {
    /// Begins a transaction, or a part of the one that is open.
    async fn begin(&mut self, part: Part) -> std::result::Result<(), sqlx::Error> {
        match part {
            Part::Single => return Ok(()),
            Part::Nested => return Manager::begin(&mut self.conn, None).await,
            Part::First => {}
        }
        let statement = SqlStr::from_static("BEGIN IMMEDIATE");
        Manager::begin(&mut self.conn, Some(statement)).await?;
        self.undone.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the connection thinks that it is within a transaction which is over.
    async fn is_stuck(&mut self) -> bool {
        if self.state != State::Closed || Manager::get_transaction_depth(&self.conn) == 0 {
            return false;
        }
        // A rollback may be under way.
        self.conn.ping().await.is_err() || Manager::get_transaction_depth(&self.conn) != 0
    }

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
            if outcome.is_ok() {
                self.listeners.tell(&member.changes);
            }
            let _ = member.waits.send(outcome.clone());
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
        if self.state != State::Open || self.is_awaited() {
            return;
        }
        Manager::start_rollback(&mut self.conn);
        self.state = State::Closed;
        self.members.clear();
    }

    fn is_awaited(&self) -> bool {
        self.members.iter().any(|member| !member.waits.is_closed())
    }

    /// Puts another connection in the place of one that is of no use any more, with what was open on it.
    async fn renew(&mut self, options: &SqliteConnectOptions) -> Result<()> {
        self.end(&Err("the transaction was rolled back".to_owned()));
        let mut conn = options.connect().await.map_err(failed)?;
        self.undone = watched(&mut conn).await?;
        self.conn = conn;
        Ok(())
    }
}

impl Turn<'_> {
    /// The connection, within the transaction.
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.hold.group.conn
    }

    /// Ends the turn, and waits until what was written is on disk and listeners have heard of these changes.
    pub(crate) async fn commit(self, changes: Vec<Change>) -> Result<()> {
        let Self { writer, mut hold } = self;
        if hold.part == Part::Nested {
            Manager::commit(&mut hold.group.conn).await.map_err(failed)?;
        }
        writer.wait(hold.join(changes)).await
    }

    /// Ends the turn and leaves nothing, and waits until what others wrote before it is on disk: nobody may be told of
    /// what could still be undone. A single statement must have changed nothing.
    pub(crate) async fn give_up(self) -> Result<()> {
        let Self { writer, mut hold } = self;
        if hold.part != Part::Single {
            Manager::rollback(&mut hold.group.conn).await.map_err(failed)?;
        }
        if hold.part != Part::First {
            return writer.wait(hold.join(Vec::new())).await;
        }
        hold.is_open = false;
        hold.group.state = State::Closed;
        Ok(())
    }
}

impl Hold<'_> {
    /// Lets the next one go on, and gives where one hears of the commit.
    fn join(mut self, changes: Vec<Change>) -> oneshot::Receiver<Outcome> {
        self.is_open = false;
        let (waits, decided) = oneshot::channel();
        self.group.members.push(Member { waits, changes });
        decided
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        if self.part == Part::Nested {
            Manager::start_rollback(&mut self.group.conn);
        }
        // Alone, it is all there is; of others it may have been the last hope.
        self.group.abandon();
    }
}

#[cfg(test)]
mod tests;
