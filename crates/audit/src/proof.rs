//! Whether a record is complete and unaltered: what every block must be, and what blocks say of each other.
//!
//! Blocks are shown twice. [`Proof::learn`] takes in what signed blocks say of others (checkpoints name the ends of
//! chains, and so on); [`Proof::check`] looks at each block, in the order of its chain; [`Proof::finish`] tells.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use data_encoding::HEXLOWER;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::AuditBlock;
use uuid::Uuid;

use crate::block;
use crate::event::What;
use crate::export::Ending;
use crate::line::Line;
use crate::signer::Trusted;

/// Problems that are told one by one; the others are only counted.
const TOLD: usize = 50;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the record is complete and unaltered.
    pub sound: bool,
    /// The chains.
    pub chains: Vec<ChainReport>,
    /// How many blocks there are.
    pub blocks: i64,
    /// How many events.
    pub events: i64,
    /// Lines that say nothing any more about a person, as a signed event says they should.
    pub erased: i64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// How many problems more there are.
    pub more_problems: usize,
    /// What is worth knowing and no fault of the record.
    pub notes: Vec<String>,
}

/// What was found of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// Which.
    pub chain: Uuid,
    /// Number of its first block.
    pub first: i64,
    /// Number of its last block.
    pub last: i64,
    /// How many blocks it has.
    pub blocks: i64,
    /// How many events it holds.
    pub events: i64,
    /// Hash of its last block.
    pub hash: String,
}

impl Report {
    /// In a few sentences.
    pub fn words(&self) -> String {
        let mut lines = Vec::new();
        let verdict = if self.sound {
            "complete and unaltered"
        } else {
            "NOT SOUND"
        };
        let erased = match self.erased {
            0 => String::new(),
            count => format!("; {count} lines about people erased on record"),
        };
        lines.push(format!(
            "{verdict}: {}, in {} of {}{erased}",
            counted(self.events, "event"),
            counted(self.blocks, "block"),
            counted(i64::try_from(self.chains.len()).unwrap_or(i64::MAX), "chain")
        ));
        lines.extend(self.problems.iter().map(|problem| format!("wrong: {problem}")));
        if self.more_problems > 0 {
            lines.push(format!("wrong: and {} problems more", self.more_problems));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.join("\n")
    }
}

fn counted(count: i64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// What is known of a chain so far.
#[derive(Debug)]
struct Chain {
    first: i64,
    /// What the first block says was before it.
    before: [u8; 32],
    last: i64,
    hash: [u8; 32],
    blocks: i64,
    events: i64,
    /// Signed events so far, as the last signed block counts.
    sequence: Option<i64>,
    /// Whether nobody signed its end.
    is_unsigned: bool,
}

/// Looks at a record.
#[derive(Debug)]
pub struct Proof {
    trusted: Trusted,
    chains: BTreeMap<Uuid, Chain>,
    /// Blocks that must be there, with their hashes.
    named: HashMap<(Uuid, i64), String>,
    /// The latest block of each chain that a checkpoint names.
    vouched: HashMap<Uuid, i64>,
    /// Up to where chains were deleted on record.
    trims: HashMap<Uuid, BTreeMap<i64, String>>,
    /// Lines that were erased on record.
    erasures: HashMap<(Uuid, i64), BTreeSet<usize>>,
    /// Lines that are empty.
    empty: BTreeMap<(Uuid, i64), BTreeSet<usize>>,
    allow_erased: bool,
    report: Report,
}

impl Proof {
    /// Of a record that these keys sign. With `allow_erased`, lines about people may be empty though no event says so.
    pub fn new(trusted: Trusted, allow_erased: bool) -> Self {
        Self {
            trusted,
            chains: BTreeMap::new(),
            named: HashMap::new(),
            vouched: HashMap::new(),
            trims: HashMap::new(),
            erasures: HashMap::new(),
            empty: BTreeMap::new(),
            allow_erased,
            report: Report::default(),
        }
    }

    /// Notes that something is wrong.
    pub fn wrong(&mut self, problem: impl Into<String>) {
        if self.report.problems.len() < TOLD {
            self.report.problems.push(problem.into());
        } else {
            self.report.more_problems += 1;
        }
    }

    /// Takes in what a block says of others. Only what is signed counts.
    pub fn learn(&mut self, block: &AuditBlock) {
        const SAYS_OF_OTHERS: [&str; 5] = [
            "\"checkpoint\"",
            "\"record_trimmed\"",
            "\"person_erased\"",
            "\"record_cut\"",
            "\"events_lost\"",
        ];
        let says = SAYS_OF_OTHERS.iter().any(|word| block.body.contains(word));
        if !says || block.hash != block::hash(block) || !block::is_signed_by(block, &self.trusted) {
            return;
        }
        for line in block.body.lines() {
            if let Ok(line) = serde_json::from_str::<Line>(line) {
                self.hear(block, line);
            }
        }
    }

    fn hear(&mut self, block: &AuditBlock, line: Line) {
        let at = Timestamp::from_millis(line.at);
        match line.what {
            What::Checkpoint { heads } => {
                for head in heads {
                    let place = (head.chain, head.number);
                    let vouched = self.vouched.entry(head.chain).or_insert(head.number);
                    *vouched = head.number.max(*vouched);
                    let named = self.named.entry(place).or_insert_with(|| head.hash.clone());
                    if *named != head.hash {
                        let problem = format!(
                            "chain {} had two blocks {}: block {} of chain {} names another than one before",
                            head.chain, head.number, block.number, block.chain
                        );
                        self.wrong(problem);
                    }
                }
            }
            What::RecordTrimmed { chains, .. } => {
                for trim in chains {
                    self.trims
                        .entry(trim.chain)
                        .or_default()
                        .insert(trim.through, trim.hash);
                }
            }
            What::PersonErased { lines, .. } => {
                for erased in lines {
                    let place = (erased.chain, erased.number);
                    self.erasures.entry(place).or_default().extend(erased.lines);
                }
            }
            What::RecordCut { chain, number, found, .. } => {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("block {found}"));
                self.wrong(format!(
                    "chain {chain} ended with block {number}, and at the start at {at} the database held {found} as its end or another block in its place"
                ));
            }
            What::EventsLost { chain, at_most, .. } => self.report.notes.push(format!(
                "the process that wrote chain {chain} was killed before {at}; at most {at_most} of its events were lost"
            )),
            _ => {}
        }
    }

    /// Looks at the next block of its chain.
    pub fn check(&mut self, block: &AuditBlock) {
        let place = format!("chain {} block {}", block.chain, block.number);
        self.check_content(block, &place);
        let key = (block.chain, block.number);
        if let Some(named) = self.named.remove(&key)
            && named != HEXLOWER.encode(&block.hash)
        {
            self.wrong(format!("{place} is not the block that a checkpoint names"));
        }
        self.count(block);
    }

    /// Looks at the place of the next block in its chain alone.
    pub(crate) fn count(&mut self, block: &AuditBlock) {
        let place = format!("chain {} block {}", block.chain, block.number);
        self.report.blocks += 1;
        self.report.events = self.report.events.saturating_add(block.events);
        let is_signed = block.signature.is_some();
        let sequence = is_signed.then(|| block.sequence.saturating_add(block.events));
        let Some(chain) = self.chains.get_mut(&block.chain) else {
            let chain = Chain {
                first: block.number,
                before: block.previous,
                last: block.number,
                hash: block.hash,
                blocks: 1,
                events: block.events,
                sequence,
                is_unsigned: !is_signed,
            };
            self.chains.insert(block.chain, chain);
            return;
        };
        let mut problems = Vec::new();
        let next = chain.last.saturating_add(1);
        if block.number > next {
            let last = block.number.saturating_sub(1);
            let missing = if last == next {
                format!("block {next} is missing")
            } else {
                format!("blocks {next} to {last} are missing")
            };
            problems.push(format!("chain {}: {missing}", block.chain));
        } else if block.number < next {
            problems.push(format!(
                "{place} comes after block {}: twice, or out of order",
                chain.last
            ));
        } else if block.previous != chain.hash {
            problems.push(format!("{place} does not follow the block before it"));
        } else if is_signed && chain.sequence.is_some_and(|sequence| sequence != block.sequence) {
            problems.push(format!("{place} counts other events before it than there are"));
        }
        if !is_signed && chain.sequence.is_some() {
            problems.push(format!("{place} is not signed, but blocks before it are"));
        }
        chain.last = block.number;
        chain.hash = block.hash;
        chain.blocks += 1;
        chain.events = chain.events.saturating_add(block.events);
        chain.sequence = sequence.or(chain.sequence);
        chain.is_unsigned = !is_signed;
        for problem in problems {
            self.wrong(problem);
        }
    }

    /// Whether a block agrees with itself.
    fn check_content(&mut self, block: &AuditBlock, place: &str) {
        if block.hash != block::hash(block) {
            self.wrong(format!("{place} was changed: it is not what its hash says"));
        }
        if let Some(signature) = &block.signature
            && !block::is_signed_by(block, &self.trusted)
        {
            let problem = if self.trusted.find(&signature.kid).is_some() {
                format!("{place} has a wrong signature")
            } else {
                format!("{place} is signed by another key, {}", signature.kid)
            };
            self.wrong(problem);
        }
        let lines: Vec<_> = block.body.lines().collect();
        let personal: Vec<_> = block.personal.split_terminator('\n').collect();
        let counted = usize::try_from(block.events).unwrap_or(usize::MAX);
        if lines.len() != counted {
            self.wrong(format!("{place} has {} events instead of {counted}", lines.len()));
        }
        if personal.len() != lines.len() {
            self.wrong(format!(
                "{place} has {} lines about people instead of {}",
                personal.len(),
                lines.len()
            ));
        }
        for (at, (line, personal)) in lines.iter().zip(&personal).enumerate() {
            if personal.is_empty() {
                let key = (block.chain, block.number);
                self.empty.entry(key).or_default().insert(at);
            } else if !crate::line::is_of(personal, line) {
                self.wrong(format!("{place} event {at}: who it was about was changed"));
            }
        }
    }

    /// What there is of each chain so far, and what was before its first block.
    pub(crate) fn counts(&self) -> BTreeMap<Uuid, (Ending, String)> {
        let counted = self.chains.iter().map(|(id, chain)| {
            let ending = Ending {
                chain: *id,
                first: chain.first,
                last: chain.last,
                blocks: chain.blocks,
                events: chain.events,
                hash: HEXLOWER.encode(&chain.hash),
            };
            (*id, (ending, HEXLOWER.encode(&chain.before)))
        });
        counted.collect()
    }

    /// Notes something that is no fault of the record.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// Tells.
    pub fn finish(mut self) -> Report {
        self.check_beginnings();
        self.check_named();
        self.check_unsigned();
        self.check_erased();
        self.report.chains = self
            .chains
            .iter()
            .map(|(id, chain)| ChainReport {
                chain: *id,
                first: chain.first,
                last: chain.last,
                blocks: chain.blocks,
                events: chain.events,
                hash: HEXLOWER.encode(&chain.hash),
            })
            .collect();
        self.report.sound = self.report.problems.is_empty();
        self.report
    }

    /// A chain begins with block 0, or where a signed event says that what was before was deleted.
    fn check_beginnings(&mut self) {
        let mut problems = Vec::new();
        for (id, chain) in &self.chains {
            if chain.first == 0 {
                if chain.before != [0; 32] {
                    problems.push(format!("chain {id} begins with block 0, which follows another"));
                }
                continue;
            }
            let before = chain.first.saturating_sub(1);
            let trims = self.trims.get(id);
            let fits = trims.is_some_and(|trims| match trims.get(&before) {
                Some(hash) => *hash == HEXLOWER.encode(&chain.before),
                // What is to be deleted next may still be there.
                None => trims.keys().next_back().is_some_and(|through| *through > before),
            });
            if !fits {
                problems.push(format!(
                    "the beginning of chain {id} is missing: block {} is its first, and nothing on record deleted those before",
                    chain.first
                ));
            }
        }
        for problem in problems {
            self.wrong(problem);
        }
    }

    /// Every block that a checkpoint names was there, or was deleted on record.
    fn check_named(&mut self) {
        let mut problems = BTreeMap::new();
        for (id, number) in self.named.keys() {
            let trimmed = self.trims.get(id).and_then(|trims| trims.keys().next_back());
            let is_trimmed = trimmed.is_some_and(|through| through >= number);
            let problem = match self.chains.get(id) {
                Some(chain) if *number > chain.last => format!(
                    "the end of chain {id} is missing: its last block is {}, and a checkpoint names block {number}",
                    chain.last
                ),
                None if !is_trimmed => {
                    format!("chain {id} is missing; a checkpoint names its block {number}")
                }
                // Before its first block, or within it and told of already.
                _ => continue,
            };
            problems.insert(*id, problem);
        }
        for problem in problems.into_values() {
            self.wrong(problem);
        }
    }

    fn check_erased(&mut self) {
        let mut problems = Vec::new();
        let mut unexplained = 0;
        for (place, lines) in &self.empty {
            let on_record = self.erasures.get(place);
            let without: Vec<_> = lines
                .iter()
                .filter(|at| !on_record.is_some_and(|erased| erased.contains(at)))
                .collect();
            self.report.erased += i64::try_from(lines.len() - without.len()).unwrap_or(0);
            unexplained += without.len();
            if !without.is_empty() && !self.allow_erased {
                problems.push(format!(
                    "chain {} block {}: {} lines about people are empty, and nothing on record erased them",
                    place.0,
                    place.1,
                    without.len()
                ));
            }
        }
        for problem in problems {
            self.wrong(problem);
        }
        if unexplained > 0 && self.allow_erased {
            self.note(format!(
                "{unexplained} lines about people are empty without a record of it"
            ));
        }
    }

    /// What nobody signed at the end of a chain, as versions before did not, must be vouched for by a checkpoint.
    fn check_unsigned(&mut self) {
        let mut problems = Vec::new();
        for (id, chain) in &self.chains {
            let vouched = self.vouched.get(id).is_some_and(|number| *number >= chain.last);
            if chain.is_unsigned && !vouched {
                problems.push(format!(
                    "chain {id} is not signed up to its end, and no signed block vouches for it"
                ));
            }
        }
        for problem in problems {
            self.wrong(problem);
        }
    }
}
