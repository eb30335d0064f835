//! Reading the record back.

use model::{EventId, Timestamp};
use serde::Serialize;
use store::{AuditBlock, Store, StoreError};

use crate::block::{self, Line, PersonalLine};
use crate::event::{Person, What};

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// Who and from where; empty if erased.
    #[serde(flatten)]
    pub person: Person,
    /// Whether the block it stands in is what its hash says.
    pub sound: bool,
}

/// The latest events before `before`, latest first, at most `limit`.
pub async fn latest(store: &dyn Store, before: Timestamp, limit: usize) -> Result<Vec<Entry>, StoreError> {
    // Every block holds at least one event, so this many blocks are enough.
    let blocks = store
        .audit_blocks(before, i64::try_from(limit).unwrap_or(i64::MAX))
        .await?;
    let mut entries: Vec<_> = blocks.iter().flat_map(entries_of).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    entries.truncate(limit);
    Ok(entries)
}

/// The events of one block.
pub fn entries_of(block: &AuditBlock) -> Vec<Entry> {
    let sound = block::is_sound(block);
    let lines = block
        .body
        .lines()
        .zip(block.personal.lines().chain(std::iter::repeat("")));
    lines
        .filter_map(|(line, personal)| {
            let line: Line = serde_json::from_str(line).ok()?;
            let person = serde_json::from_str::<PersonalLine>(personal)
                .map(|line| line.person)
                .unwrap_or_default();
            Some(Entry {
                id: line.id,
                at: Timestamp::from_millis(line.at),
                what: line.what,
                person,
                sound,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Recorder;
    use net::Tasks;
    use std::sync::Arc;
    use std::time::Duration;
    use testkit::databases;
    use uuid::Uuid;

    fn somebody(name: &str) -> Person {
        Person {
            username: Some(name.to_owned()),
            address: "203.0.113.7".parse().ok(),
            user_agent: None,
        }
    }

    #[tokio::test]
    async fn what_was_recorded_is_read_back_in_a_sound_chain() {
        for database in databases().await {
            let (world, clock) = testkit::world();
            let chain = Uuid::from_u128(7);
            let tasks = Tasks::new();
            let (recorder, recording) = Recorder::open(world.clone(), Arc::clone(&database.store), chain)
                .await
                .unwrap();
            recording.start(&tasks);
            for round in 0..3 {
                for n in 0..5 {
                    let what = What::Started {
                        version: format!("{round}.{n}"),
                    };
                    recorder.record(what, somebody("ana"));
                    clock.advance(Duration::from_millis(1));
                }
                recorder.flush().await;
            }
            drop(recorder);
            assert!(tasks.shut_down(Duration::from_secs(5)).await);

            let entries = latest(&*database.store, Timestamp::NEVER, 100).await.unwrap();
            assert_eq!(entries.len(), 15, "{}", database.engine);
            assert!(
                entries
                    .iter()
                    .all(|entry| entry.sound && entry.person.username.as_deref() == Some("ana"))
            );
            assert_eq!(
                entries[0].what,
                What::Started {
                    version: "2.4".into()
                }
            );

            let mut blocks = database.store.audit_blocks(Timestamp::NEVER, 100).await.unwrap();
            blocks.reverse();
            assert_eq!(blocks[0].previous, [0; 32]);
            assert!(
                blocks
                    .windows(2)
                    .all(|pair| pair[1].previous == pair[0].hash && pair[1].number == pair[0].number + 1)
            );

            let mut erased = blocks[1].clone();
            erased.personal = "\n".repeat(erased.personal.lines().count());
            assert!(block::is_sound(&erased), "erasing people keeps the chain whole");
            let mut forged = blocks[1].clone();
            forged.personal = forged.personal.replace("ana", "bob");
            assert!(!block::is_sound(&forged));
            let mut edited = blocks[1].clone();
            edited.body = edited.body.replace("1.0", "9.9");
            assert!(!block::is_sound(&edited));
        }
    }

    #[tokio::test]
    async fn a_restart_continues_the_chain() {
        for database in databases().await {
            let (world, _) = testkit::world();
            for number in 0..2 {
                let tasks = Tasks::new();
                let (recorder, recording) =
                    Recorder::open(world.clone(), Arc::clone(&database.store), Uuid::from_u128(7))
                        .await
                        .unwrap();
                recording.start(&tasks);
                recorder.record(What::Stopped, Person::default());
                recorder.flush().await;
                let last = database
                    .store
                    .last_audit_block(Uuid::from_u128(7))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(last.number, number);
            }
        }
    }
}
