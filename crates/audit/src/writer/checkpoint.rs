//! Blocks that name the ends of the other chains, so that none of them can vanish unseen.

use std::time::Duration;

use data_encoding::HEXLOWER;
use store::StoreError;
use tracing::warn;

use super::{Recording, Round};
use crate::block;
use crate::event::{Head, Person, What};
use crate::line::Written;

/// The other chains are named so often, if anything happens at all.
const CHECKPOINT: Duration = Duration::from_mins(10);

impl Recording {
    /// Names the other chains, if it is time.
    pub(super) async fn add_checkpoint(&mut self, round: &mut Round) {
        let now = self.world.elapsed();
        let is_due = self.begun && !round.events.is_empty() && now >= self.checkpoint;
        if !is_due && !round.checkpoint {
            return;
        }
        let heads = match self.heads().await {
            Ok(heads) => heads,
            Err(error) => {
                warn!(%error, "the other chains of the audit record are named later");
                if !round.checkpoint {
                    return;
                }
                Vec::new()
            }
        };
        self.checkpoint = now + CHECKPOINT;
        let (id, at) = (self.world.new_id(), self.world.now());
        let (what, person) = (What::Checkpoint { heads }, Person::default());
        round.events.push(Written::new(id, at, &what, &person));
    }

    /// The ends of the other chains. What nobody signed is named by the start alone that made the key, when everything of
    /// before is taken over; later it would be somebody's invention.
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let chains = self.store.audit_chains().await?;
        let mut blocks = Vec::new();
        for chain in chains.iter().filter(|chain| chain.chain != self.chain) {
            blocks.extend(self.store.audit_block(chain.chain, chain.last).await?);
        }
        let is_first = self.signer.is_new() && self.tip.is_none_or(|tip| tip.sequence == 0);
        let named = blocks.iter().filter(|block| {
            block.hash == block::hash(block) && (is_first || block::is_signed_by(block, &self.trusted))
        });
        Ok(named
            .map(|block| Head {
                chain: block.chain,
                number: block.number,
                hash: HEXLOWER.encode(&block.hash),
            })
            .collect())
    }
}
