//! Where a block goes: into the database, or beside it while that is away.

use std::sync::atomic::Ordering;

use store::{AuditBlock, StoreError};
use tracing::{error, warn};

use super::{KEEP_END, PATIENCE, RETRY, Recording};
use crate::block::{self, Tip};
use crate::head::{self, Kept};
use crate::recorder::OpenError;

impl Recording {
    /// Keeps a block: in the database, or beside it while that is away; again and again until one of them takes it.
    pub(super) async fn keep(&mut self, mut block: AuditBlock) {
        loop {
            if !self.waits() {
                match self.append(&mut block).await {
                    Ok(()) => break,
                    Err(error) => warn!(%error, waiting = block.events, "audit record not written yet"),
                }
            }
            match self.outside.as_mut().map(|outside| outside.spill.add(&block)) {
                Some(Ok(true)) => break,
                Some(Ok(false)) => {
                    if !self.backlog.full.swap(true, Ordering::SeqCst) {
                        error!(
                            "no room is left for the audit record until the database is back; calls are refused"
                        );
                    }
                    // Those who wait hear that it will not be soon.
                    self.backlog.shrunk.notify_waiters();
                }
                Some(Err(error)) => {
                    error!(%error, "the audit record cannot be written beside the database; calls are refused");
                    self.backlog.full.store(true, Ordering::SeqCst);
                    self.backlog.shrunk.notify_waiters();
                }
                None => {}
            }
            tokio::time::sleep(RETRY).await;
            self.try_replay().await;
        }
        self.ends_with(&block);
    }

    fn ends_with(&mut self, block: &AuditBlock) {
        let tip = Tip::from(block);
        self.tip = Some(tip);
        let now = self.world.elapsed();
        let Some(outside) = self
            .outside
            .as_mut()
            .filter(|outside| !self.begun || now >= outside.keep_at)
        else {
            return;
        };
        outside.keep_at = now + KEEP_END;
        let kept = Kept::at(self.chain, &tip, self.signer.kid());
        if let Err(error) = head::write(&outside.folder, &kept) {
            warn!(%error, "the end of the audit record is not kept outside the database");
        }
    }

    /// Appends a block to the database. If its place is taken, by itself, as the answer of an earlier attempt was
    /// lost, or by somebody who writes to our chain, then it comes after that.
    async fn append(&self, block: &mut AuditBlock) -> Result<(), StoreError> {
        loop {
            let appended = self.store.append_audit_block(block);
            let appended = if self.outside.is_some() {
                let late = |_| StoreError::Unavailable("it takes too long".to_owned());
                tokio::time::timeout(PATIENCE, appended).await.map_err(late)??
            } else {
                appended.await?
            };
            if appended {
                return Ok(());
            }
            let there = self.store.audit_block(block.chain, block.number).await?;
            if there.is_some_and(|there| there.hash == block.hash) {
                return Ok(());
            }
            error!(chain = %block.chain, "another process writes to this audit chain");
            let last = self.store.last_audit_block(block.chain).await?;
            let tip = last.as_ref().map(Tip::from);
            *block = block::follow(block.clone(), &self.signer, tip.as_ref());
        }
    }

    /// Whether blocks wait beside the database.
    pub(super) fn waits(&self) -> bool {
        self.outside
            .as_ref()
            .is_some_and(|outside| !outside.spill.is_empty())
    }

    pub(super) async fn try_replay(&mut self) {
        if let Err(error) = self.replay().await {
            warn!(%error, "audit record still waits beside the database");
        }
        let next = self.world.elapsed() + RETRY;
        if let Some(outside) = &mut self.outside {
            outside.try_at = next;
        }
    }

    /// Puts what waits into the database, in order.
    pub(super) async fn replay(&mut self) -> Result<(), OpenError> {
        let mut moved: Option<Tip> = None;
        while let Some(outside) = &mut self.outside {
            let Some((block, end)) = outside.spill.next()? else {
                outside.spill.done(u64::MAX)?;
                break;
            };
            if let Some(mut block) = block {
                // If one had to move, those after it follow it.
                if let Some(tip) = &moved {
                    block = block::follow(block, &self.signer, Some(tip));
                }
                let before = block.hash;
                self.append(&mut block).await?;
                if block.hash != before || moved.is_some() {
                    moved = Some(Tip::from(&block));
                }
            }
            if let Some(outside) = &mut self.outside {
                outside.spill.done(end)?;
            }
        }
        if let Some(tip) = moved {
            self.tip = Some(tip);
        }
        Ok(())
    }
}
