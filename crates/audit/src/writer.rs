//! The task that writes events as blocks, one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::HEXLOWER;
use model::World;
use net::Tasks;
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};
use uuid::Uuid;

use crate::block::{self, Tip};
use crate::event::What;
use crate::head::{self, Kept};
use crate::line::Written;
use crate::recorder::{Backlog, Home, Message, OpenError, Opening};
use crate::signer::{Signer, Trusted};
use crate::spill::Spill;

mod checkpoint;
mod keep;

/// How long events wait for company.
const GATHER: Duration = Duration::from_millis(100);
/// Most events of one block.
const LARGEST_BLOCK: usize = 1000;
/// How long to wait before trying a failed write again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the database may take while there is another place to write to.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fewest events that a block reserves.
const LEAST_RESERVED: i64 = 256;
/// Most that it reserves because much came, which is what a crash may lose: what a fast server does in a moment.
const MOST_RESERVED: i64 = 4000;
/// Events that nobody asked for room for: what the server does by itself.
const UNASKED: i64 = 64;
/// The end of the chain is kept outside the database so often while a server runs, and when it stops. An end there
/// that is behind the one in the database is no sign of anything.
const KEEP_END: Duration = Duration::from_secs(1);

/// The task that writes; run it with [`Recording::start`].
#[derive(Debug)]
pub struct Recording {
    world: World,
    store: Arc<dyn Store>,
    signer: Arc<Signer>,
    trusted: Trusted,
    chain: Uuid,
    tip: Option<Tip>,
    /// What is kept outside the database.
    outside: Option<Outside>,
    queue: mpsc::UnboundedReceiver<Message>,
    backlog: Arc<Backlog>,
    /// Whether blocks reserve what may follow.
    begun: bool,
    /// When the other chains are to be named next.
    checkpoint: Duration,
}

#[derive(Debug)]
struct Outside {
    folder: PathBuf,
    spill: Spill,
    /// When the end of the chain is to be kept next.
    keep_at: Duration,
    /// When the database is to be tried next, while blocks wait.
    try_at: Duration,
}

/// What came in one round.
#[derive(Default)]
struct Round {
    events: Vec<Written>,
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether the other chains are named in any case.
    checkpoint: bool,
}

impl Recording {
    /// Finds the end of the chain. Gives what is to be recorded about how it was found.
    pub(crate) async fn open(
        opening: Opening,
        queue: mpsc::UnboundedReceiver<Message>,
        backlog: Arc<Backlog>,
    ) -> Result<(Self, Vec<What>), OpenError> {
        let Opening {
            world,
            store,
            signer,
            home,
            ..
        } = opening;
        let (kept, outside) = match home {
            Home::Nowhere(chain) => (Kept::of(chain), None),
            Home::Folder {
                path: folder,
                sealer,
                room,
            } => {
                let kept = head::read(&folder)?.unwrap_or_else(|| Kept::fresh(&world));
                let spill = Spill::open(&folder, sealer, room)?;
                let outside = Outside {
                    folder,
                    spill,
                    keep_at: Duration::ZERO,
                    try_at: Duration::ZERO,
                };
                (kept, Some(outside))
            }
        };
        let mut this = Self {
            trusted: Trusted::new(vec![signer.public().clone()]),
            world,
            store,
            signer,
            chain: kept.chain,
            tip: None,
            outside,
            queue,
            backlog,
            begun: false,
            checkpoint: Duration::ZERO,
        };
        while this.waits() {
            this.replay().await?;
        }
        let found = this.find_end(&kept).await?;
        Ok((this, found))
    }

    /// Compares what the database holds of the chain with what it should.
    async fn find_end(&mut self, kept: &Kept) -> Result<Vec<What>, StoreError> {
        let mut found = Vec::new();
        let last = self.store.last_audit_block(self.chain).await?;
        let is_whole = match (kept.number, &kept.hash) {
            (Some(number), Some(hash)) => {
                let block = self.store.audit_block(self.chain, number).await?;
                block.is_some_and(|block| HEXLOWER.encode(&block.hash) == *hash)
            }
            _ => true,
        };
        // What is beyond the known end was written in the last moments before a crash, by us.
        let is_ours = last.as_ref().is_none_or(|last| {
            kept.number.is_none_or(|number| number == last.number)
                || (last.hash == block::hash(last) && block::is_signed_by(last, &self.trusted))
        });
        if is_whole && is_ours {
            self.tip = last.as_ref().map(Tip::from);
            if let Some(tip) = self.tip.filter(|tip| tip.reserved > 0) {
                warn!(
                    at_most = tip.reserved,
                    "the last process was killed; its last events may be lost"
                );
                found.push(What::EventsLost {
                    chain: self.chain,
                    after: tip.sequence,
                    at_most: tip.reserved,
                });
            }
        } else {
            let at = last.map(|last| last.number);
            error!(
                chain = %self.chain, expected = kept.number, found = at,
                "the end of the audit record was cut off or replaced in the database; a new chain begins"
            );
            found.push(What::RecordCut {
                chain: self.chain,
                number: kept.number.unwrap_or_default(),
                hash: kept.hash.clone().unwrap_or_default(),
                found: at,
            });
            self.chain = Kept::fresh(&self.world).chain;
        }
        if kept.key.as_deref() != Some(self.signer.kid()) {
            found.push(What::AuditKey {
                kid: self.signer.kid().to_owned(),
                before: kept.key.clone(),
            });
        }
        Ok(found)
    }

    /// Writes until every recorder is gone.
    pub fn start(self, tasks: &Tasks) {
        tasks.spawn("audit", self.run());
    }

    async fn run(mut self) {
        loop {
            let mut round = Round::default();
            let backlog = Arc::clone(&self.backlog);
            let waits = self.waits();
            tokio::select! {
                message = self.queue.recv() => match message {
                    Some(message) => self.sort(message, &mut round),
                    None => return,
                },
                () = backlog.hungry.notified() => {
                    round.checkpoint = self.is_hungry();
                }
                () = tokio::time::sleep(RETRY), if waits => {
                    self.try_replay().await;
                    continue;
                }
            }
            self.take(&mut round);
            if round.waiting.is_empty() && !round.checkpoint {
                self.gather(&round).await;
                self.take(&mut round);
            }
            if self
                .outside
                .as_ref()
                .is_some_and(|outside| outside.try_at <= self.world.elapsed())
                && self.waits()
            {
                self.try_replay().await;
            }
            let handed = i64::try_from(round.events.len()).unwrap_or(i64::MAX);
            self.add_checkpoint(&mut round).await;
            self.write(&round, handed).await;
            for waiter in round.waiting {
                let _ = waiter.send(());
            }
        }
    }

    /// Takes what is there, as much as fits.
    fn take(&mut self, round: &mut Round) {
        while round.events.len() < LARGEST_BLOCK {
            match self.queue.try_recv() {
                Ok(message) => self.sort(message, round),
                Err(_) => break,
            }
        }
    }

    fn sort(&mut self, message: Message, round: &mut Round) {
        let waiter = match message {
            Message::Event(event) => return round.events.push(event),
            Message::Flush(waiter) => waiter,
            Message::Begin(waiter) => {
                self.begun = true;
                round.checkpoint = true;
                waiter
            }
            Message::Close(waiter) => {
                round.checkpoint = self.begun;
                self.begun = false;
                waiter
            }
        };
        round.waiting.push(waiter);
    }

    /// Waits for company, until somebody waits for us. Not woken by each event: that would cost more than the event.
    async fn gather(&self, round: &Round) {
        let backlog = &self.backlog;
        if round.events.len() < LARGEST_BLOCK {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = backlog.hungry.notified() => {}
                () = backlog.awaited.notified() => {}
            }
        }
    }

    /// Whether so much is under way that more must be reserved for it.
    fn is_hungry(&self) -> bool {
        self.begun && {
            let backlog = &self.backlog;
            backlog.written.load(Ordering::SeqCst) + backlog.outstanding()
                > backlog.low.load(Ordering::SeqCst)
        }
    }

    /// Makes a block of what came, or several if it is much, and brings it to where it is durable.
    async fn write(&mut self, round: &Round, handed: i64) {
        // What is in this block is not outstanding any more.
        let backlog = Arc::clone(&self.backlog);
        let outstanding = backlog.outstanding() - handed;
        // As much as came may come again before the next block, and more: else full blocks would never come about.
        let reserved = if self.begun {
            LEAST_RESERVED
                .max(2 * outstanding)
                .max((4 * handed).min(MOST_RESERVED))
        } else {
            0
        };
        // While the block is on its way no more may begin than it says; what began before this is counted.
        let allowed = backlog.written.load(Ordering::SeqCst) + handed + reserved;
        let reserved = if self.begun {
            backlog.allowed.fetch_min(allowed, Ordering::SeqCst);
            reserved.max(backlog.outstanding() - handed)
        } else {
            reserved
        };
        let begun = self.begun;
        let follow = |left: i64| if begun { left + reserved + UNASKED } else { 0 };
        let (world, signer) = (self.world.clone(), Arc::clone(&self.signer));
        let mut events = round.events.as_slice();
        while let Some(block) = block::write(&world, &signer, self.chain, self.tip.as_ref(), follow, events) {
            let taken = usize::try_from(block.events).unwrap_or(usize::MAX);
            events = events.get(taken..).unwrap_or_default();
            self.keep(block).await;
        }
        let written = backlog.written.fetch_add(handed, Ordering::SeqCst) + handed;
        if self.begun && !round.events.is_empty() {
            backlog.allowed.store(written + reserved, Ordering::SeqCst);
            // Half of what is left beside what is under way: streams are under way for long.
            backlog.low.store(
                written + i64::midpoint(outstanding.max(0), reserved),
                Ordering::SeqCst,
            );
        }
        backlog.full.store(false, Ordering::SeqCst);
        backlog.shrunk.notify_waiters();
    }
}
