//! Deleting old blocks, on record: a signed event says first what goes, so that a chain that begins later proves
//! itself all the same.

use std::time::Duration;

use data_encoding::HEXLOWER;
use model::Timestamp;
use store::{AuditChain, Store, StoreError};
use tracing::error;

use crate::block;
use crate::event::{Person, Trim, What};
use crate::line::Line;
use crate::recorder::Recorder;

/// Most blocks of a chain that go in one round.
const ROUND: i64 = 500;
/// Most rounds at once.
const ROUNDS: usize = 40;

/// Deletes blocks whose events are all older than `keep`. Gives how many went. The last block of a chain stays twice
/// as long, so that whoever writes it finds its end.
pub async fn trim(
    store: &dyn Store,
    recorder: &Recorder,
    keep: Duration,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    for _ in 0..ROUNDS {
        let (mut trims, mut going) = (Vec::new(), Vec::new());
        for chain in store.audit_chains().await? {
            let mut through = through(store, &chain, keep, now).await?;
            if let Some(number) = through
                && !is_as_old(store, &chain, number, now - keep).await?
            {
                error!(chain = %chain.chain, number, "a block of the audit record is not what its hash says; nothing of its chain is deleted");
                through = None;
            }
            let trimmed = through.unwrap_or(chain.first - 1);
            if let Some(hash) = hash_of(store, &chain, trimmed).await? {
                // What went before is said again: the event that said it first may go too.
                trims.push(Trim {
                    chain: chain.chain,
                    through: trimmed,
                    hash,
                });
            }
            going.extend(through.map(|through| (chain.chain, through)));
        }
        if going.is_empty() {
            break;
        }
        let until = now - keep;
        recorder.record(What::RecordTrimmed { until, chains: trims }, Person::default());
        if recorder.flush().await.is_err() {
            break;
        }
        for (chain, through) in going {
            gone += store.delete_audit_blocks(chain, through).await?;
        }
    }
    Ok(gone)
}

/// The last block of a chain that goes in this round.
async fn through(
    store: &dyn Store,
    chain: &AuditChain,
    keep: Duration,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let end = match store.first_audit_block_after(chain.chain, now - keep).await? {
        Some(newer) => newer - 1,
        None => match store.first_audit_block_after(chain.chain, now - keep * 2).await? {
            Some(_) => chain.last - 1,
            None => chain.last,
        },
    };
    let through = end.min(chain.first + ROUND - 1);
    Ok((through >= chain.first).then_some(through))
}

/// Whether a block is what its hash says and older than `until` by what that covers. Whoever can write the database
/// could make a block look old, and would have its absence signed.
async fn is_as_old(
    store: &dyn Store,
    chain: &AuditChain,
    number: i64,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let Some(block) = store.audit_block(chain.chain, number).await? else {
        return Ok(false);
    };
    let last = block.body.lines().next_back();
    let line: Option<Line> = last.and_then(|line| serde_json::from_str(line).ok());
    let is_old = line.is_some_and(|line| Timestamp::from_millis(line.at) <= until);
    Ok(is_old && block.hash == block::hash(&block))
}

/// The hash of a block, which may be the one before the first.
async fn hash_of(store: &dyn Store, chain: &AuditChain, number: i64) -> Result<Option<String>, StoreError> {
    let hash = if number < chain.first {
        let first = store.audit_block(chain.chain, chain.first).await?;
        first.filter(|first| first.number > 0).map(|first| first.previous)
    } else {
        store
            .audit_block(chain.chain, number)
            .await?
            .map(|block| block.hash)
    };
    Ok(hash.map(|hash| HEXLOWER.encode(&hash)))
}
