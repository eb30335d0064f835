#![expect(clippy::too_many_lines, reason = "a table of mutations")]

use super::*;
use crate::export::Export;
use crate::proof::Proof;
use crate::signer::Signer;
use crate::testing::{Writer, sealer};
use crate::{erasure, retention};
use model::{Timestamp, World};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Database, databases};

/// What is done to an export, by name.
type Mutation<'a> = (&'static str, Box<dyn Fn() -> Vec<u8> + 'a>);

/// How many mutations of each kind.
const ROUNDS: usize = 60;

/// A record of two chains, the first of which begins late and lost a person, and its export.
async fn record(
    database: &Database,
    world: &World,
    clock: &testkit::TestClock,
    signer: &Arc<Signer>,
) -> String {
    let store = &database.store;
    let first = Writer::chain(world, store, signer, 1).await;
    first.recorder.begin().await;
    for round in 0..3 {
        first.block(2 + round, "ana").await;
    }
    clock.advance(Duration::from_hours(1));
    first.block(3, "ben").await;
    let second = Writer::chain(world, store, signer, 2).await;
    second.recorder.begin().await;
    second.block(4, "ana").await;
    second.block(1, "ben").await;
    clock.advance(Duration::from_mins(1));
    let trimmed = retention::trim(&**store, &first.recorder, Duration::from_mins(10), world.now());
    assert_eq!(trimmed.await.unwrap(), 4, "{}", database.engine);
    assert_eq!(
        erasure::erase(&**store, &second.recorder, None, "ana")
            .await
            .unwrap(),
        4
    );
    first.block(2, "cleo").await;
    first.close().await;
    second.block(2, "cleo").await;
    second.close().await;
    exported(&**store, world, signer).await
}

async fn exported(store: &dyn Store, world: &World, signer: &Arc<Signer>) -> String {
    let begun = Export::begin(world, store, Arc::clone(signer), &sealer(world)).await;
    let (mut export, mut text) = (begun.unwrap(), String::new());
    while let Some(piece) = export.next(store).await.unwrap() {
        text.push_str(&piece);
    }
    text
}

fn verified(bytes: &[u8], signer: &Signer) -> Report {
    let trusted = Trusted::new(vec![signer.public().clone()]);
    file(|| Ok(Cursor::new(bytes)), &trusted, false).unwrap()
}

#[tokio::test]
async fn a_record_and_its_export_prove_themselves() {
    for database in databases().await {
        let (world, clock) = testkit::world();
        let signer = Arc::new(Signer::generate().unwrap());
        let text = record(&database, &world, &clock, &signer).await;
        let report = verified(text.as_bytes(), &signer);
        assert!(report.sound, "{}\n{text}", report.words());
        assert_eq!((report.chains.len(), report.erased), (2, 4), "{}", report.words());
        assert!(report.chains[0].first > 0 && report.chains[1].first == 0);

        let trusted = Trusted::new(vec![signer.public().clone()]);
        let same = store(&*database.store, &trusted, false, &mut |_| {})
            .await
            .unwrap();
        assert!(same.sound, "{}", same.words());
        assert_eq!((same.events, same.chains), (report.events, report.chains));

        let stranger = Signer::generate().unwrap();
        let report = verified(text.as_bytes(), &stranger);
        assert!(
            report.words().contains("is signed by another key"),
            "{}",
            report.words()
        );
        let header = header(Cursor::new(text.as_bytes())).unwrap().unwrap();
        let unsealed = crate::export::unseal(&sealer(&world), &header).unwrap();
        assert_eq!(unsealed.kid(), signer.kid());
    }
}

/// Truncation, reordering and edits of exports are all found.
#[tokio::test]
async fn every_mutation_of_an_export_is_found() {
    let database = testkit::databases::sqlite().await;
    let (world, clock) = testkit::world();
    let signer = Arc::new(Signer::generate().unwrap());
    let text = record(&database, &world, &clock, &signer).await;
    let lines: Vec<&str> = text.lines().collect();
    let dice = |below: usize| usize::try_from(u64::from_be_bytes(world.random())).unwrap() % below;
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    let mutations: Vec<Mutation<'_>> = vec![
        (
            "a byte changed",
            Box::new(|| {
                let mut bytes = text.as_bytes().to_vec();
                let at = dice(bytes.len());
                bytes[at] ^= 1 << dice(8);
                bytes
            }),
        ),
        (
            "a byte missing",
            Box::new(|| {
                let mut bytes = text.as_bytes().to_vec();
                bytes.remove(dice(bytes.len()));
                bytes
            }),
        ),
        (
            "a byte more",
            Box::new(|| {
                let mut bytes = text.as_bytes().to_vec();
                bytes.insert(dice(bytes.len()), [b' ', b'0', b'\n', b'{'][dice(4)]);
                bytes
            }),
        ),
        (
            "cut off at the end",
            Box::new(|| text.as_bytes()[..dice(text.len())].to_vec()),
        ),
        (
            "cut off at the beginning",
            Box::new(|| text.as_bytes()[1 + dice(text.len() - 1)..].to_vec()),
        ),
        (
            "lines missing at the beginning",
            Box::new(|| joined(&lines[1 + dice(lines.len() - 1)..]).into_bytes()),
        ),
        (
            "lines missing at the end",
            Box::new(|| joined(&lines[..dice(lines.len())]).into_bytes()),
        ),
        (
            "a line missing",
            Box::new(|| {
                let mut lines = lines.clone();
                lines.remove(dice(lines.len()));
                joined(&lines).into_bytes()
            }),
        ),
        (
            "a line twice",
            Box::new(|| {
                let mut lines = lines.clone();
                let line = lines[dice(lines.len())];
                lines.insert(dice(lines.len()), line);
                joined(&lines).into_bytes()
            }),
        ),
        (
            "two lines changed places",
            Box::new(|| {
                let mut lines = lines.clone();
                let (one, other) = (dice(lines.len()), dice(lines.len()));
                lines.swap(one, other);
                joined(&lines).into_bytes()
            }),
        ),
        (
            "people changed places",
            Box::new(|| {
                let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                let events: Vec<_> = (0..lines.len())
                    .filter(|at| lines[*at].starts_with("{\"event\""))
                    .collect();
                let (one, other) = (events[dice(events.len())], events[dice(events.len())]);
                let (a, b) = (lines[one].clone(), lines[other].clone());
                let cut = |line: &str| {
                    line.find(",\"person\":{\"salt")
                        .or(line.find(",\"person\":null"))
                        .unwrap()
                };
                lines[one] = format!("{}{}", &a[..cut(&a)], &b[cut(&b)..]);
                lines[other] = format!("{}{}", &b[..cut(&b)], &a[cut(&a)..]);
                format!("{}\n", lines.join("\n")).into_bytes()
            }),
        ),
        (
            "somebody taken out",
            Box::new(|| {
                let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                let named: Vec<_> = (0..lines.len())
                    .filter(|at| lines[*at].contains("\"person\":{\"salt"))
                    .collect();
                let at = named[dice(named.len())];
                let cut = lines[at].find("\"person\":{\"salt").unwrap();
                lines[at] = format!("{}\"person\":null}}", &lines[at][..cut]);
                format!("{}\n", lines.join("\n")).into_bytes()
            }),
        ),
        (
            "a block missing",
            Box::new(|| {
                let heads: Vec<_> = (0..lines.len())
                    .filter(|at| lines[*at].starts_with("{\"block\""))
                    .collect();
                let at = dice(heads.len());
                let end = heads.get(at + 1).copied().unwrap_or(lines.len() - 1);
                joined(&[&lines[..heads[at]], &lines[end..]].concat()).into_bytes()
            }),
        ),
    ];
    for (name, mutate) in &mutations {
        for _ in 0..ROUNDS {
            let mutated = mutate();
            if mutated == text.as_bytes() {
                continue;
            }
            let report = verified(&mutated, &signer);
            assert!(
                !report.sound && !report.problems.is_empty(),
                "not found: {name}\n{}",
                String::from_utf8_lossy(&mutated)
            );
        }
    }
}

/// What somebody can do who writes the database and lacks the master key.
#[tokio::test]
async fn what_is_done_to_the_blocks_is_found() {
    let database = testkit::databases::sqlite().await;
    let (world, clock) = testkit::world();
    let signer = Arc::new(Signer::generate().unwrap());
    record(&database, &world, &clock, &signer).await;
    let store = &*database.store;
    let mut blocks = Vec::new();
    for chain in store.audit_chains().await.unwrap() {
        blocks.extend(
            store
                .audit_chain_blocks(chain.chain, 0, i64::MAX, 1000)
                .await
                .unwrap(),
        );
    }
    let judge = |blocks: &[AuditBlock]| {
        let mut proof = Proof::new(Trusted::new(vec![signer.public().clone()]), false);
        for block in blocks {
            proof.learn(block);
        }
        for block in blocks {
            proof.check(block);
        }
        proof.finish()
    };
    assert!(judge(&blocks).sound);
    let chain = |n: u128| Uuid::from_u128(n);
    let position = |n: u128, number: i64| {
        let found = blocks
            .iter()
            .position(|block| block.chain == chain(n) && block.number == number);
        found.unwrap()
    };
    let last = |n: u128| {
        blocks
            .iter()
            .filter(|block| block.chain == chain(n))
            .map(|block| block.number)
            .max()
            .unwrap()
    };
    let says = |report: Report, words: &str| {
        assert!(report.words().contains(words), "{words}: {}", report.words());
    };

    // The last block of the first chain is named by the second one's last checkpoint.
    let mut cut = blocks.clone();
    cut.remove(position(1, last(1)));
    says(
        judge(&cut),
        "the end of chain 00000000-0000-0000-0000-000000000001 is missing",
    );
    let vanished: Vec<_> = blocks
        .iter()
        .filter(|block| block.chain == chain(2))
        .cloned()
        .collect();
    says(
        judge(&vanished),
        "chain 00000000-0000-0000-0000-000000000001 is missing",
    );
    let mut beginning = blocks.clone();
    beginning.remove(position(1, 4));
    says(judge(&beginning), "the beginning of chain");
    let mut gap = blocks.clone();
    gap.remove(position(2, 1));
    says(judge(&gap), "block 1 is missing");

    let stranger = Signer::generate().unwrap();
    for at in 0..blocks.len() {
        let mut edited = blocks.clone();
        edited[at].body = edited[at].body.replacen("\"at\":1", "\"at\":2", 1);
        says(judge(&edited), "was changed: it is not what its hash says");
        // With a hash that fits, but without the key.
        edited[at].hash = crate::block::hash(&edited[at]);
        says(judge(&edited), "has a wrong signature");
        let mut resigned = edited.clone();
        resigned[at] = crate::block::sign(edited[at].clone(), &stranger);
        says(judge(&resigned), "is signed by another key");
        let mut unsigned = edited.clone();
        unsigned[at].signature = None;
        unsigned[at].hash = crate::block::hash(&unsigned[at]);
        assert!(!judge(&unsigned).sound);
        let mut emptied = blocks.clone();
        emptied[at].personal = "\n".repeat(emptied[at].personal.lines().count());
        if emptied[at].personal != blocks[at].personal {
            says(judge(&emptied), "nothing on record erased them");
        }
        let mut moved = blocks.clone();
        moved[at].last_at = Timestamp::EPOCH;
        assert!(!judge(&moved).sound);
        let mut counted = blocks.clone();
        counted[at].reserved += 1;
        assert!(!judge(&counted).sound);
    }
    // A chain that nobody signed, as versions before wrote it, is not believed by itself.
    let mut invented = blocks[0].clone();
    (
        invented.chain,
        invented.number,
        invented.previous,
        invented.signature,
    ) = (chain(3), 0, [0; 32], None);
    invented.hash = crate::block::hash(&invented);
    invented.personal = "\n".repeat(invented.personal.lines().count());
    let with = [blocks.clone(), vec![invented]].concat();
    says(judge(&with), "is not signed up to its end");
}

/// Blocks of the first format are vouched for by the first signed block that finds them.
#[tokio::test]
async fn a_record_of_before_is_taken_over() {
    for database in databases().await {
        let (world, _) = testkit::world();
        let signer = Arc::new(Signer::generate().unwrap());
        let store = &database.store;
        for chain in [1, 2] {
            let writer = Writer::chain(&world, store, &signer, chain + 10).await;
            writer.block(3, "ana").await;
            writer.kill().await;
            // As an earlier version would have left it.
            let mut block = store
                .last_audit_block(Uuid::from_u128(chain + 10))
                .await
                .unwrap()
                .unwrap();
            store.delete_audit_blocks(block.chain, i64::MAX).await.unwrap();
            (block.chain, block.signature, block.sequence) = (Uuid::from_u128(chain), None, 0);
            block.hash = crate::block::hash(&block);
            store.append_audit_block(&block).await.unwrap();
        }
        let trusted = Trusted::new(vec![signer.public().clone()]);
        let judged = async || crate::verify::store(&**store, &trusted, false, &mut |_| {}).await;
        assert!(!judged().await.unwrap().sound, "nobody signed anything yet");
        let writer = Writer::chain(&world, store, &signer, 1).await;
        writer.recorder.begin().await;
        writer.block(1, "ben").await;
        writer.close().await;
        let report = judged().await.unwrap();
        assert!(report.sound, "{}: {}", database.engine, report.words());
        // One that turns up later is not.
        let mut late = store.last_audit_block(Uuid::from_u128(2)).await.unwrap().unwrap();
        late.chain = Uuid::from_u128(3);
        late.hash = crate::block::hash(&late);
        store.append_audit_block(&late).await.unwrap();
        let writer = Writer::chain(&world, store, &signer, 1).await;
        writer.recorder.begin().await;
        writer.close().await;
        assert!(!judged().await.unwrap().sound);
    }
}

/// Whoever can write the database waits for a replica with a new chain to vouch for what they put in.
#[tokio::test]
async fn a_new_chain_vouches_for_nothing_that_is_not_signed() {
    for database in databases().await {
        let (world, _) = testkit::world();
        let (store, sealer) = (&database.store, crate::testing::sealer(&world));
        let first = Arc::new(Signer::open(&world, &**store, &sealer).await.unwrap());
        let writer = Writer::chain(&world, store, &first, 1).await;
        writer.recorder.begin().await;
        writer.block(3, "ana").await;
        writer.close().await;
        let mut forged = store.last_audit_block(Uuid::from_u128(1)).await.unwrap().unwrap();
        store.delete_audit_blocks(forged.chain, i64::MAX).await.unwrap();
        (forged.chain, forged.number, forged.sequence) = (Uuid::from_u128(9), 0, 0);
        (forged.signature, forged.previous) = (None, [0; 32]);
        forged.hash = crate::block::hash(&forged);
        store.append_audit_block(&forged).await.unwrap();
        let later = Arc::new(Signer::open(&world, &**store, &sealer).await.unwrap());
        let writer = Writer::chain(&world, store, &later, 2).await;
        writer.recorder.begin().await;
        writer.close().await;
        let trusted = Trusted::new(vec![later.public().clone()]);
        let report = crate::verify::store(&**store, &trusted, false, &mut |_| {})
            .await
            .unwrap();
        assert!(!report.sound, "{}: {}", database.engine, report.words());
    }
}

/// Rows that were made to look old are not deleted on record, and so not without being found.
#[tokio::test]
async fn what_only_looks_old_is_not_trimmed() {
    for database in databases().await {
        let (world, clock) = testkit::world();
        let signer = Arc::new(Signer::generate().unwrap());
        let store = &database.store;
        let writer = Writer::chain(&world, store, &signer, 1).await;
        writer.recorder.begin().await;
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            writer.block(2, "ana").await;
        }
        database
            .execute("UPDATE audit_blocks SET last_at = 0 WHERE number < 2")
            .await;
        let trimmed = retention::trim(&**store, &writer.recorder, Duration::from_hours(1), world.now()).await;
        assert_eq!(trimmed.unwrap(), 0, "{}", database.engine);
        writer.close().await;
        let trusted = Trusted::new(vec![signer.public().clone()]);
        let report = crate::verify::store(&**store, &trusted, false, &mut |_| {})
            .await
            .unwrap();
        assert!(!report.sound, "{}: {}", database.engine, report.words());
    }
}

/// An erasure empties no line that was only made to look like the person's.
#[tokio::test]
async fn what_only_looks_like_a_persons_is_not_erased() {
    for database in databases().await {
        let (world, _) = testkit::world();
        let signer = Arc::new(Signer::generate().unwrap());
        let store = &database.store;
        let writer = Writer::chain(&world, store, &signer, 1).await;
        writer.recorder.begin().await;
        writer.block(1, "eve").await;
        let chain = Uuid::from_u128(1);
        let block = store.last_audit_block(chain).await.unwrap().unwrap();
        let doctored = block.personal.replace("eve", "ana");
        let replaced = store
            .replace_audit_personal(chain, block.number, &block.personal, &doctored)
            .await;
        assert!(replaced.unwrap());
        let erased = crate::erasure::erase(&**store, &writer.recorder, None, "ana").await;
        assert_eq!(erased.unwrap(), 0, "{}", database.engine);
        writer.close().await;
    }
}
