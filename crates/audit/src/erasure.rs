//! Taking a person out of the record: what identifies them goes, that something happened stays, and so does the
//! proof. A signed event says first which lines are emptied, so that nobody else can empty one unseen.

use model::{AccountId, id::Id as _};
use store::{AuditBlock, Store, StoreError};
use thiserror::Error;

use crate::event::{Lines, Person, What};
use crate::export::Pages;
use crate::line::{self, PersonalLine};
use crate::recorder::{Full, Recorder};

/// Lines that are emptied in one round.
const ROUND: usize = 1000;

/// An erasure that was not carried to its end; it can be begun anew.
#[derive(Debug, Error)]
pub enum ErasureError {
    /// The database.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// It could not be recorded.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Empties every line that is about this person: theirs by account, or by name. Gives how many.
pub async fn erase(
    store: &dyn Store,
    recorder: &Recorder,
    account: Option<AccountId>,
    username: &str,
) -> Result<usize, ErasureError> {
    // What was just recorded counts too.
    recorder.flush().await?;
    let (mut erased, mut round, mut size) = (0, Vec::new(), 0);
    for chain in store.audit_chains().await? {
        let mut pages = Pages::of(&chain);
        while let Some(blocks) = pages.next(store).await? {
            for block in blocks {
                let lines = lines_about(&block, account, username);
                size += lines.len();
                if !lines.is_empty() {
                    round.push((block, lines));
                }
            }
            if size >= ROUND {
                erased += empty(store, recorder, account, std::mem::take(&mut round)).await?;
                size = 0;
            }
        }
    }
    erased += empty(store, recorder, account, round).await?;
    Ok(erased)
}

fn lines_about(block: &AuditBlock, account: Option<AccountId>, username: &str) -> Vec<usize> {
    let account = account.map(|account| format!("\"account\":\"{}\"", account.uuid()));
    let lines = block.body.lines().zip(block.personal.split_terminator('\n'));
    let about = lines.enumerate().filter(|(_, (line, personal))| {
        let Ok(PersonalLine { person }) = serde_json::from_str(personal) else {
            return false;
        };
        let is_theirs = account.as_ref().is_some_and(|account| line.contains(account));
        // A line that was made to look like theirs is somebody else's, and stays for all to see.
        person != Person::default()
            && (is_theirs || person.username.as_deref() == Some(username))
            && line::is_of(personal, line)
    });
    about.map(|(at, _)| at).collect()
}

async fn empty(
    store: &dyn Store,
    recorder: &Recorder,
    account: Option<AccountId>,
    blocks: Vec<(AuditBlock, Vec<usize>)>,
) -> Result<usize, ErasureError> {
    if blocks.is_empty() {
        return Ok(0);
    }
    let lines = blocks.iter().map(|(block, lines)| Lines {
        chain: block.chain,
        number: block.number,
        lines: lines.clone(),
    });
    let what = What::PersonErased {
        account,
        lines: lines.collect(),
    };
    recorder.record(what, Person::default());
    recorder.flush().await?;
    let mut erased = 0;
    for (block, lines) in blocks {
        let mut before = block.personal;
        loop {
            let after = without(&before, &lines);
            let replaced = store
                .replace_audit_personal(block.chain, block.number, &before, &after)
                .await?;
            if replaced {
                erased += lines.len();
                break;
            }
            // Somebody else emptied a line in between, or the block is gone.
            match store.audit_block(block.chain, block.number).await? {
                Some(block) => before = block.personal,
                None => break,
            }
        }
    }
    Ok(erased)
}

fn without(personal: &str, lines: &[usize]) -> String {
    let mut kept = String::with_capacity(personal.len());
    for (at, line) in personal.split_terminator('\n').enumerate() {
        if !lines.contains(&at) {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}
