//! Handing events over.
//!
//! [`Recorder::record`] never waits. The backlog is bounded at the door: whoever is about to do something
//! that will be recorded asks for a [`Seat`] first ([`Recorder::ready`]), and waits there while the writer is
//! behind. So nothing is dropped, and what is under way always finds room.
//!
//! Each block says how many events may follow it before the next one ([`store::AuditBlock::reserved`]), and no more
//! seats are given out than that. So whoever finds the last block after a crash knows how much was lost at most.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use keys::Sealer;
use model::{EventId, World};
use store::{Store, StoreError};
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::error;
use uuid::Uuid;

use crate::event::{Person, What};
use crate::line::Written;
use crate::signer::{Signer, SignerError};
use crate::writer::Recording;

/// How far the writer may be behind before new work waits.
const BACKLOG: i64 = 8192;

/// When an event has to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A moment after what it is about; a crash may lose the last ones, and the next start says how many at most.
    #[default]
    Grouped,
    /// Before what it is about goes on.
    Strict,
}

/// Where the end of the chain is kept besides the database, and where blocks wait while that is away.
#[derive(Debug)]
pub enum Home {
    /// In this folder.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Seals what waits.
        sealer: Sealer,
        /// How many bytes may wait; usually [`ROOM`](crate::ROOM).
        room: u64,
    },
    /// Nowhere; for tests. The chain is this one.
    Nowhere(Uuid),
}

/// What a recorder needs.
#[derive(Debug)]
pub struct Opening {
    /// Clock and dice.
    pub world: World,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Signs blocks.
    pub signer: Arc<Signer>,
    /// What is kept outside the database.
    pub home: Home,
    /// When an event has to be durable.
    pub durability: Durability,
}

impl Opening {
    /// A record with a key of its own and nothing outside the database, for tests.
    pub fn alone(world: World, store: Arc<dyn Store>, chain: Uuid) -> Result<Self, SignerError> {
        Ok(Self {
            world,
            store,
            signer: Arc::new(Signer::generate()?),
            home: Home::Nowhere(chain),
            durability: Durability::Grouped,
        })
    }
}

/// A record that cannot be gone on with.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The database does not answer.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The key cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The files beside the database cannot be used.
    #[error("audit record: {0}")]
    File(#[from] io::Error),
}

/// The database is away and there is no room left for what happens meanwhile.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the audit record has no room left until the database is back")]
pub struct Full;

/// The writing end; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    world: World,
    queue: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
    durability: Durability,
}

#[derive(Debug)]
pub(crate) enum Message {
    Event(Written),
    /// Somebody waits until all events before are durable.
    Flush(oneshot::Sender<()>),
    /// From here on blocks reserve what may follow.
    Begin(oneshot::Sender<()>),
    /// Nothing follows.
    Close(oneshot::Sender<()>),
}

/// What recorders and writer know of each other. Counts are of events since the start.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Handed over.
    pub(crate) recorded: AtomicI64,
    /// Promised room: events that will come.
    pub(crate) seats: AtomicI64,
    /// Durable.
    pub(crate) written: AtomicI64,
    /// So many may be handed over before the next block is durable.
    pub(crate) allowed: AtomicI64,
    /// From so many on the writer is woken, to reserve more.
    pub(crate) low: AtomicI64,
    pub(crate) full: AtomicBool,
    pub(crate) shrunk: Notify,
    pub(crate) hungry: Notify,
    /// Somebody waits for the writer.
    pub(crate) awaited: Notify,
}

impl Backlog {
    /// How many events are promised or handed over, and not yet written.
    pub(crate) fn outstanding(&self) -> i64 {
        // In this order: what is handed over in between is counted twice, and not left out.
        let seats = self.seats.load(Ordering::SeqCst);
        seats + self.recorded.load(Ordering::SeqCst) - self.written.load(Ordering::SeqCst)
    }

    fn take_seats(&self, count: i64) -> bool {
        let seats = self.seats.fetch_add(count, Ordering::SeqCst) + count;
        let recorded = self.recorded.load(Ordering::SeqCst);
        let fits = recorded + seats <= self.allowed.load(Ordering::SeqCst)
            && recorded - self.written.load(Ordering::SeqCst) < BACKLOG;
        if !fits || recorded + seats > self.low.load(Ordering::SeqCst) {
            self.hungry.notify_one();
        }
        if !fits {
            self.seats.fetch_sub(count, Ordering::SeqCst);
        }
        fits
    }
}

/// Room for events that are about to come. Give it back after they were handed over.
#[derive(Debug)]
#[must_use = "the room is given back when it is dropped"]
pub struct Seat {
    backlog: Arc<Backlog>,
    count: i64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.backlog.seats.fetch_sub(self.count, Ordering::SeqCst);
    }
}

impl Recorder {
    /// A recorder that continues the chain of `home`, and the task that writes for it.
    pub async fn open(opening: Opening) -> Result<(Self, Recording), OpenError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog {
            recorded: AtomicI64::new(0),
            seats: AtomicI64::new(0),
            written: AtomicI64::new(0),
            allowed: AtomicI64::new(i64::MAX),
            low: AtomicI64::new(i64::MAX),
            full: AtomicBool::new(false),
            shrunk: Notify::new(),
            hungry: Notify::new(),
            awaited: Notify::new(),
        });
        let recorder = Self {
            world: opening.world.clone(),
            queue: sender,
            backlog: Arc::clone(&backlog),
            durability: opening.durability,
        };
        let (recording, found) = Recording::open(opening, receiver, backlog).await?;
        for what in found {
            recorder.record(what, Person::default());
        }
        Ok((recorder, recording))
    }

    /// From here on blocks say how many events may follow them, for a server that may be killed. Waits until the
    /// first that does is durable.
    pub async fn begin(&self) {
        self.wait_for(Message::Begin).await;
    }

    /// Waits until everything is durable; nothing may follow.
    pub async fn close(&self) {
        self.wait_for(Message::Close).await;
    }

    /// Hands an event over; gives its id, the reference that an error shows.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is recorded is put together for it"
    )]
    pub fn record(&self, what: What, person: Person) -> EventId {
        let id = self.world.new_id();
        self.record_as(id, &what, &person);
        id
    }

    /// Hands over an event whose id was given out before.
    pub fn record_as(&self, id: EventId, what: &What, person: &Person) {
        let event = Written::new(id, self.world.now(), what, person);
        let backlog = &self.backlog;
        let recorded = backlog.recorded.fetch_add(1, Ordering::SeqCst) + 1;
        // Not everything has asked for room before.
        if recorded + backlog.seats.load(Ordering::SeqCst) > backlog.low.load(Ordering::SeqCst) {
            backlog.hungry.notify_one();
        }
        if self.queue.send(Message::Event(event)).is_err() {
            error!(event = ?what, "an event came after the audit record was closed");
        }
    }

    /// An id for an event that will be recorded later.
    pub fn reference(&self) -> EventId {
        self.world.new_id()
    }

    /// How many events wait to be written.
    pub fn backlog(&self) -> usize {
        let backlog = &self.backlog;
        let waiting = backlog.recorded.load(Ordering::SeqCst) - backlog.written.load(Ordering::SeqCst);
        usize::try_from(waiting).unwrap_or(0)
    }

    /// Room for `count` events. Waits while the writer is too far behind.
    pub async fn ready(&self, count: u16) -> Result<Seat, Full> {
        let count = i64::from(count);
        // Nearly always there is room, and then nobody takes a place in the queue of those who wait.
        if let Some(seat) = self.seat(count)? {
            return Ok(seat);
        }
        loop {
            let shrunk = self.backlog.shrunk.notified();
            tokio::pin!(shrunk);
            // Heard from here on, so that what changes in between is not missed.
            shrunk.as_mut().enable();
            if let Some(seat) = self.seat(count)? {
                return Ok(seat);
            }
            shrunk.await;
        }
    }

    /// Room, if there is some at this moment.
    fn seat(&self, count: i64) -> Result<Option<Seat>, Full> {
        if self.backlog.full.load(Ordering::SeqCst) {
            return Err(Full);
        }
        let seat = self.backlog.take_seats(count).then(|| Seat {
            backlog: Arc::clone(&self.backlog),
            count,
        });
        Ok(seat)
    }

    /// Whether what happens waits until it is on record.
    pub fn is_strict(&self) -> bool {
        self.durability == Durability::Strict
    }

    /// Waits until everything handed over so far is durable. An error if there is no room for it.
    pub async fn flush(&self) -> Result<(), Full> {
        tokio::select! {
            true = self.wait_for(Message::Flush) => Ok(()),
            () = self.full() => Err(Full),
            else => Err(Full),
        }
    }

    /// Resolves once there is no room.
    async fn full(&self) {
        loop {
            let shrunk = self.backlog.shrunk.notified();
            tokio::pin!(shrunk);
            shrunk.as_mut().enable();
            if self.backlog.full.load(Ordering::SeqCst) {
                return;
            }
            shrunk.await;
        }
    }

    async fn wait_for(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) -> bool {
        let (sender, receiver) = oneshot::channel();
        let sent = self.queue.send(message(sender)).is_ok();
        self.backlog.awaited.notify_one();
        sent && receiver.await.is_ok()
    }
}

#[cfg(test)]
mod tests;
