//! Handing events over, and writing them.
//!
//! [`Recorder::record`] never waits. The backlog is bounded at the door: whoever is about to do something
//! that will be recorded asks [`Recorder::ready`] first, and waits there while the writer is behind. So
//! nothing is dropped, and what is under way always finds room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::{EventId, World};
use net::Tasks;
use store::{AuditBlock, Store, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, warn};
use uuid::Uuid;

use crate::block;
use crate::event::{Event, Person, What};

/// How far the writer may be behind before new work waits.
const BACKLOG: usize = 8192;
/// How long events wait for company.
const GATHER: Duration = Duration::from_millis(100);
/// Most events of one block.
const LARGEST_BLOCK: usize = 1000;
/// How long to wait before trying a failed write again.
const RETRY: Duration = Duration::from_millis(500);

/// The writing end; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    world: World,
    queue: mpsc::UnboundedSender<Message>,
    backlog: Arc<Backlog>,
}

#[derive(Debug)]
enum Message {
    Event(Box<Event>),
    Flush(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct Backlog {
    events: AtomicUsize,
    shrunk: Notify,
}

/// The task that writes; run it with [`Recording::start`].
#[derive(Debug)]
pub struct Recording {
    world: World,
    store: Arc<dyn Store>,
    chain: Uuid,
    last: Option<AuditBlock>,
    queue: mpsc::UnboundedReceiver<Message>,
    backlog: Arc<Backlog>,
}

impl Recorder {
    /// A recorder that continues the chain `chain`, and the task that writes for it.
    pub async fn open(
        world: World,
        store: Arc<dyn Store>,
        chain: Uuid,
    ) -> Result<(Self, Recording), StoreError> {
        let last = store.last_audit_block(chain).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let backlog = Arc::new(Backlog::default());
        let recorder = Self {
            world: world.clone(),
            queue: sender,
            backlog: Arc::clone(&backlog),
        };
        Ok((
            recorder,
            Recording {
                world,
                store,
                chain,
                last,
                queue: receiver,
                backlog,
            },
        ))
    }

    /// Hands an event over; gives its id, the reference that an error shows.
    pub fn record(&self, what: What, person: Person) -> EventId {
        let id = self.world.new_id();
        self.record_as(id, what, person);
        id
    }

    /// Hands over an event whose id was given out before.
    pub fn record_as(&self, id: EventId, what: What, person: Person) {
        let event = Event {
            id,
            at: self.world.now(),
            what,
            person,
        };
        self.backlog.events.fetch_add(1, Ordering::Relaxed);
        if let Err(mpsc::error::SendError(Message::Event(event))) =
            self.queue.send(Message::Event(Box::new(event)))
        {
            error!(event = ?event.what, "an event came after the audit record was closed");
        }
    }

    /// An id for an event that will be recorded later.
    pub fn reference(&self) -> EventId {
        self.world.new_id()
    }

    /// How many events wait to be written.
    pub fn backlog(&self) -> usize {
        self.backlog.events.load(Ordering::Relaxed)
    }

    /// Waits while the writer is too far behind.
    pub async fn ready(&self) {
        while self.backlog.events.load(Ordering::Relaxed) >= BACKLOG {
            let shrunk = self.backlog.shrunk.notified();
            if self.backlog.events.load(Ordering::Relaxed) < BACKLOG {
                return;
            }
            shrunk.await;
        }
    }

    /// Waits until everything handed over so far is durable.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.queue.send(Message::Flush(sender)).is_ok() {
            let _ = receiver.await;
        }
    }
}

impl Recording {
    /// Writes until every recorder is gone.
    pub fn start(self, tasks: &Tasks) {
        tasks.spawn("audit", self.run());
    }

    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let (mut events, mut waiting) = (Vec::new(), Vec::new());
            sort(first, &mut events, &mut waiting);
            if waiting.is_empty() {
                self.gather(&mut events, &mut waiting).await;
            }
            while let Ok(message) = self.queue.try_recv() {
                sort(message, &mut events, &mut waiting);
                if events.len() >= LARGEST_BLOCK {
                    break;
                }
            }
            self.write(&events).await;
            self.backlog.events.fetch_sub(events.len(), Ordering::Relaxed);
            self.backlog.shrunk.notify_waiters();
            for waiter in waiting {
                let _ = waiter.send(());
            }
        }
    }

    /// Waits for company, until somebody waits for us.
    async fn gather(&mut self, events: &mut Vec<Event>, waiting: &mut Vec<oneshot::Sender<()>>) {
        let enough = tokio::time::sleep(GATHER);
        tokio::pin!(enough);
        while events.len() < LARGEST_BLOCK && waiting.is_empty() {
            tokio::select! {
                () = &mut enough => return,
                message = self.queue.recv() => match message {
                    Some(message) => sort(message, events, waiting),
                    None => return,
                },
            }
        }
    }

    /// Appends a block, again and again until the database takes it.
    async fn write(&mut self, events: &[Event]) {
        let Some(mut block) = block::write(&self.world, self.chain, self.last.as_ref(), events) else {
            return;
        };
        loop {
            match self.store.append_audit_block(&block).await {
                Ok(true) => {
                    self.last = Some(AuditBlock {
                        body: String::new(),
                        personal: String::new(),
                        ..block
                    });
                    return;
                }
                // Its place is taken: by itself, if an answer was lost, or by somebody who used our chain.
                Ok(false) => match self.store.last_audit_block(self.chain).await {
                    Ok(Some(last)) if last.hash == block.hash => {
                        self.last = Some(last);
                        return;
                    }
                    Ok(last) => {
                        error!(chain = %self.chain, "another process writes to this audit chain");
                        self.last = last;
                        if let Some(next) = block::write(&self.world, self.chain, self.last.as_ref(), events)
                        {
                            block = next;
                        }
                    }
                    Err(error) => warn!(%error, "audit record not written yet"),
                },
                Err(error) => warn!(%error, waiting = events.len(), "audit record not written yet"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn sort(message: Message, events: &mut Vec<Event>, waiting: &mut Vec<oneshot::Sender<()>>) {
    match message {
        Message::Event(event) => events.push(*event),
        Message::Flush(sender) => waiting.push(sender),
    }
}
