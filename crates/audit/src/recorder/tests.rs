use super::*;
use crate::block;
use crate::reading::{Filter, latest};
use crate::testing::{Writer, sealer, somebody};
use crate::{head, spill, verify};
use std::time::Duration;
use testkit::{Database, databases};

struct Place {
    world: World,
    folder: tempfile::TempDir,
    signer: Arc<Signer>,
}

impl Place {
    fn new() -> Self {
        Self {
            world: testkit::world().0,
            folder: tempfile::tempdir().unwrap(),
            signer: Arc::new(Signer::generate().unwrap()),
        }
    }

    async fn open(&self, database: &Database, room: u64) -> Writer {
        let home = Home::Folder {
            path: self.folder.path().to_owned(),
            sealer: sealer(&self.world),
            room,
        };
        Writer::open(&self.world, &database.store, &self.signer, home).await
    }

    fn chain(&self) -> Uuid {
        head::read(self.folder.path()).unwrap().unwrap().chain
    }

    /// What `verify` says.
    async fn words(&self, database: &Database) -> String {
        let trusted = crate::Trusted::new(vec![self.signer.public().clone()]);
        let report = verify::store(&*database.store, &trusted, false, &mut |_| {}).await;
        report.unwrap().words()
    }

    async fn events(&self, database: &Database, event: &str) -> Vec<crate::Entry> {
        let filter = Filter {
            members: vec![("event".to_owned(), vec![event.to_owned()])],
            ..Filter::default()
        };
        latest(&*database.store, filter, 10_000).await.unwrap()
    }
}

/// Much that comes at once is a few blocks, each of a size that a database likes, and none of it is lost.
#[tokio::test]
async fn a_block_is_bounded_in_bytes() {
    for database in databases().await {
        let place = Place::new();
        let writer = place.open(&database, spill::ROOM).await;
        writer.recorder.begin().await;
        let long = |at: usize| Person {
            username: Some(format!("{at:03}")),
            user_agent: Some("x".repeat(if at == 7 {
                2 * block::LARGEST
            } else {
                block::LARGEST / 10
            })),
            ..Person::default()
        };
        for at in 0..40 {
            writer.recorder.record(What::Stopped, long(at));
        }
        writer.recorder.flush().await.unwrap();
        let mut pages = crate::export::Pages::of(&database.store.audit_chains().await.unwrap()[0]);
        let (mut names, mut sizes) = (Vec::new(), Vec::new());
        while let Some(blocks) = pages.next(&*database.store).await.unwrap() {
            for block in blocks {
                let size = block.body.len() + block.personal.len();
                assert!(size <= block::LARGEST || block.events == 1, "{size}");
                assert!(block.reserved > 0, "a crash after it says how many are lost");
                sizes.push(size);
                let entries = crate::reading::entries_of(&block);
                names.extend(entries.into_iter().filter_map(|entry| entry.person.username));
            }
        }
        let expected: Vec<_> = (0..40).map(|at| format!("{at:03}")).collect();
        assert_eq!(names, expected);
        assert!((6..12).contains(&sizes.len()), "{sizes:?}");
        writer.close().await;
        let words = place.words(&database).await;
        assert!(words.starts_with("complete and unaltered"), "{words}");
    }
}

#[tokio::test]
async fn what_was_recorded_is_read_back_in_a_sound_chain() {
    for database in databases().await {
        let place = Place::new();
        let writer = place.open(&database, spill::ROOM).await;
        for round in ["a", "b", "c"] {
            writer.block(5, round).await;
        }
        writer.close().await;
        let entries = place.events(&database, "started").await;
        assert_eq!(entries.len(), 15, "{}", database.engine);
        assert!(
            entries
                .iter()
                .all(|entry| entry.sound && entry.person.username.is_some())
        );
        let mut block = database
            .store
            .last_audit_block(place.chain())
            .await
            .unwrap()
            .unwrap();
        assert!(block::is_sound(&block));
        block.personal = "\n".repeat(block.personal.lines().count());
        assert!(block::is_sound(&block), "erasing people keeps the chain whole");
        assert!(place.words(&database).await.starts_with("complete and unaltered"));
    }
}

#[tokio::test]
async fn a_restart_continues_the_chain_and_a_crash_is_told_with_its_bound() {
    for database in databases().await {
        let place = Place::new();
        let writer = place.open(&database, spill::ROOM).await;
        writer.recorder.begin().await;
        writer.block(3, "ana").await;
        writer.close().await;
        let writer = place.open(&database, spill::ROOM).await;
        assert!(
            place.events(&database, "events_lost").await.is_empty(),
            "a clean stop loses nothing"
        );
        writer.recorder.begin().await;
        writer.block(3, "ana").await;
        let mut seats = Vec::new();
        for _ in 0..1000 {
            seats.push(writer.recorder.ready(1).await.unwrap());
        }
        writer.kill().await;
        drop(seats);
        let writer = place.open(&database, spill::ROOM).await;
        writer.block(1, "ben").await;
        let lost = place.events(&database, "events_lost").await;
        let What::EventsLost { at_most, .. } = lost[0].what else {
            panic!("{lost:?}")
        };
        assert!(at_most >= 1000, "{at_most}: so many were under way");
        writer.close().await;
        let words = place.words(&database).await;
        assert!(
            words.starts_with("complete and unaltered") && words.contains("at most"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn no_more_is_under_way_than_was_reserved() {
    let database = testkit::databases::sqlite().await;
    let place = Place::new();
    let writer = place.open(&database, spill::ROOM).await;
    writer.recorder.begin().await;
    let mut seats = Vec::new();
    for _ in 0..2000 {
        // Each waits, if need be, until a block that reserves more is durable.
        seats.push(writer.recorder.ready(1).await.unwrap());
        let last = database
            .store
            .last_audit_block(place.chain())
            .await
            .unwrap()
            .unwrap();
        assert!(last.reserved >= i64::try_from(seats.len()).unwrap());
    }
    drop(seats);
    writer.close().await;
}

#[tokio::test]
async fn an_end_that_was_cut_off_while_nothing_ran_is_found_and_recorded() {
    for database in databases().await {
        let place = Place::new();
        let writer = place.open(&database, spill::ROOM).await;
        writer.block(3, "ana").await;
        writer.block(3, "ana").await;
        writer.close().await;
        let chain = place.chain();
        let last = database.store.last_audit_block(chain).await.unwrap().unwrap();
        database
            .execute("DELETE FROM audit_blocks WHERE number > 0")
            .await;
        let writer = place.open(&database, spill::ROOM).await;
        writer.block(1, "ben").await;
        writer.close().await;
        assert_ne!(place.chain(), chain, "a new chain begins");
        let cut = place.events(&database, "record_cut").await;
        let What::RecordCut {
            chain: of,
            number,
            found,
            ..
        } = cut[0].what
        else {
            panic!("{cut:?}")
        };
        assert_eq!(
            (of, number, found),
            (chain, last.number, Some(0)),
            "{}",
            database.engine
        );
        let words = place.words(&database).await;
        assert!(words.starts_with("NOT SOUND"), "{words}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_events_wait_beside_it() {
    // Longer than what chance writes among sealed letters.
    let name = "anastasia.blackwood";
    for database in databases().await {
        let place = Place::new();
        let path = place.folder.path().join(spill::FILE);
        let writer = place.open(&database, spill::ROOM).await;
        writer.recorder.begin().await;
        writer.block(3, name).await;
        database.execute("ALTER TABLE audit_blocks RENAME TO away").await;
        writer.block(3, name).await;
        writer.block(2, "ben").await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(name), "what is about people is sealed");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        database.execute("ALTER TABLE away RENAME TO audit_blocks").await;
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(
            place.events(&database, "started").await.len(),
            8,
            "{}",
            database.engine
        );

        // The same, but the process is killed meanwhile.
        database.execute("ALTER TABLE audit_blocks RENAME TO away").await;
        writer.block(4, "cleo").await;
        writer.kill().await;
        database.execute("ALTER TABLE away RENAME TO audit_blocks").await;
        let writer = place.open(&database, spill::ROOM).await;
        assert!(!path.exists(), "put back at the start");
        writer.close().await;
        assert_eq!(
            place.events(&database, "started").await.len(),
            12,
            "{}",
            database.engine
        );
        let words = place.words(&database).await;
        assert!(words.starts_with("complete and unaltered"), "{words}");
    }
}

#[tokio::test]
async fn when_no_room_is_left_nothing_goes_on_and_nothing_is_dropped() {
    let database = testkit::databases::sqlite().await;
    let place = Place::new();
    let writer = place.open(&database, 4096).await;
    writer.recorder.begin().await;
    database.execute("ALTER TABLE audit_blocks RENAME TO away").await;
    let mut recorded = 0;
    while writer.recorder.flush().await.is_ok() {
        writer.recorder.record(What::Stopped, somebody("ana"));
        recorded += 1;
    }
    assert!(recorded > 1);
    assert_eq!(writer.recorder.ready(1).await.err(), Some(Full));
    database.execute("ALTER TABLE away RENAME TO audit_blocks").await;
    while writer.recorder.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(writer.recorder.ready(1).await.is_ok());
    writer.close().await;
    assert_eq!(place.events(&database, "stopped").await.len(), recorded);
    let words = place.words(&database).await;
    assert!(words.starts_with("complete and unaltered"), "{words}");
}
