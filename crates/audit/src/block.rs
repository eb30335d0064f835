//! The format of a block.
//!
//! `body` holds one JSON object a line: `id`, `at` (milliseconds), `event` with its members, and `person`,
//! the hex SHA-256 of the person's line. `personal` holds one JSON object a line, in the same order:
//! `salt` and what identifies the person. Erasing a person empties that line; the digest stays and nobody
//! can guess what it was of without the salt.
//!
//! ```text
//! hash      = SHA-256( "vestibule audit block 2\0" | chain (16) | number (8) | previous (32) | first_at (8)
//!                      | last_at (8) | events (8) | sequence (8) | reserved (8) | SHA-256(body) )
//! signature = Ed25519( "vestibule audit signature 2\0" | hash )
//! ```
//!
//! The first block of a chain has 32 zero bytes as `previous`. Blocks of the first format have no signature, and
//! their hash leaves out what lies between `previous` and the body.

use std::borrow::Borrow;

use data_encoding::{BASE64, HEXLOWER};
use keys::sha256;
use model::World;
use serde::{Deserialize, Serialize};
use store::{AuditBlock, AuditSignature};
use uuid::Uuid;

use crate::event::{Event, Person, What};
use crate::signer::{Signer, Trusted};

/// A line of the body; `W` and `T` are owned when it is read, and borrowed when it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line<W = What, T = String> {
    pub(crate) id: model::EventId,
    pub(crate) at: i64,
    #[serde(flatten)]
    pub(crate) what: W,
    pub(crate) person: T,
}

/// A line of what is personal.
#[derive(Serialize, Deserialize)]
pub(crate) struct PersonalLine<P = Person> {
    salt: String,
    #[serde(flatten)]
    pub(crate) person: P,
}

/// The end of a chain, as the next block needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Number of the last block.
    pub number: i64,
    /// Its hash.
    pub hash: [u8; 32],
    /// How many signed events the chain has.
    pub sequence: i64,
    /// How many events may come after it, at most, before the next block.
    pub reserved: i64,
}

impl From<&AuditBlock> for Tip {
    fn from(block: &AuditBlock) -> Self {
        let signed = i64::from(block.signature.is_some());
        Self {
            number: block.number,
            hash: block.hash,
            sequence: block.sequence + signed * block.events,
            reserved: block.reserved,
        }
    }
}

/// Most bytes of a block's lines; one event may be longer.
pub(crate) const LARGEST: usize = 1 << 20;
/// About as long as the line of a call is, and what is personal of it.
const USUAL: (usize, usize) = (800, 200);

/// Writes events as the block that follows `tip`, as many as it takes. `reserved` says how many may follow if so many are
/// left. `None` without events.
pub(crate) fn write(
    world: &World,
    signer: &Signer,
    chain: Uuid,
    tip: Option<&Tip>,
    reserved: impl Fn(i64) -> i64,
    events: &[impl Borrow<Event>],
) -> Option<AuditBlock> {
    let first: &Event = events.first()?.borrow();
    let [mut body, mut personal] =
        [USUAL.0, USUAL.1].map(|usual| Vec::with_capacity((events.len() * usual).min(LARGEST)));
    let mut salts = vec![[0; 16]; events.len()];
    world.fill(salts.as_flattened_mut());
    let (mut last, mut count) = (first, 0);
    for (event, salt) in events.iter().map(Borrow::borrow).zip(&salts) {
        let before = (body.len(), personal.len());
        let salted = PersonalLine {
            salt: BASE64.encode(salt),
            person: &event.person,
        };
        // Our own types: writing them cannot fail.
        let _ = serde_json::to_writer(&mut personal, &salted);
        let digest = sha256(personal.get(before.1..).unwrap_or_default());
        let line = Line {
            id: event.id,
            at: event.at.as_millis(),
            what: &event.what,
            person: HEXLOWER.encode(&digest),
        };
        let _ = serde_json::to_writer(&mut body, &line);
        body.push(b'\n');
        personal.push(b'\n');
        if count > 0 && body.len() + personal.len() > LARGEST {
            body.truncate(before.0);
            personal.truncate(before.1);
            break;
        }
        last = event;
        count += 1;
    }
    let left = events.len() - count;
    let block = AuditBlock {
        chain,
        number: 0,
        first_at: first.at,
        last_at: last.at,
        events: i64::try_from(count).unwrap_or(i64::MAX),
        sequence: 0,
        reserved: reserved(i64::try_from(left).unwrap_or(i64::MAX)),
        previous: [0; 32],
        hash: [0; 32],
        signature: None,
        body: text(body),
        personal: text(personal),
    };
    Some(follow(block, signer, tip))
}

/// What was written as JSON, which is text.
fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_default()
}

/// The same events as the block that follows `tip`, signed.
pub(crate) fn follow(block: AuditBlock, signer: &Signer, tip: Option<&Tip>) -> AuditBlock {
    let mut block = AuditBlock {
        number: tip.map_or(0, |tip| tip.number + 1),
        sequence: tip.map_or(0, |tip| tip.sequence),
        previous: tip.map_or([0; 32], |tip| tip.hash),
        ..block
    };
    block.hash = signed_hash(&block);
    sign(block, signer)
}

/// A block with a signature of its hash.
pub(crate) fn sign(block: AuditBlock, signer: &Signer) -> AuditBlock {
    let signature = AuditSignature {
        kid: signer.kid().to_owned(),
        bytes: signer.sign(&signed_bytes(&block.hash)),
    };
    AuditBlock {
        signature: Some(signature),
        ..block
    }
}

/// The hash that a block must have.
pub fn hash(block: &AuditBlock) -> [u8; 32] {
    if block.signature.is_some() {
        return signed_hash(block);
    }
    let mut bytes = b"vestibule audit block 1\0".to_vec();
    bytes.extend_from_slice(block.chain.as_bytes());
    bytes.extend_from_slice(&block.number.to_be_bytes());
    bytes.extend_from_slice(&block.previous);
    bytes.extend_from_slice(&sha256(block.body.as_bytes()));
    sha256(&bytes)
}

fn signed_hash(block: &AuditBlock) -> [u8; 32] {
    let mut bytes = b"vestibule audit block 2\0".to_vec();
    bytes.extend_from_slice(block.chain.as_bytes());
    bytes.extend_from_slice(&block.number.to_be_bytes());
    bytes.extend_from_slice(&block.previous);
    for number in [
        block.first_at.as_millis(),
        block.last_at.as_millis(),
        block.events,
        block.sequence,
        block.reserved,
    ] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&sha256(block.body.as_bytes()));
    sha256(&bytes)
}

fn signed_bytes(hash: &[u8; 32]) -> Vec<u8> {
    [b"vestibule audit signature 2\0".as_slice(), hash].concat()
}

/// Whether a block carries a signature of its hash by one of these keys. Says nothing of whether the hash is right.
pub fn is_signed_by(block: &AuditBlock, trusted: &Trusted) -> bool {
    block.signature.as_ref().is_some_and(|signature| {
        trusted
            .find(&signature.kid)
            .is_some_and(|key| key.verifies(&signed_bytes(&block.hash), &signature.bytes))
    })
}

/// Whether a personal line is the one that its line in the body was written with.
pub(crate) fn is_of(personal: &str, line: &str) -> bool {
    #[derive(Deserialize)]
    struct Digest {
        person: String,
    }
    serde_json::from_str::<Digest>(line)
        .is_ok_and(|line| line.person == HEXLOWER.encode(&sha256(personal.as_bytes())))
}

/// Whether a block is what its hash says, and every untouched personal line what its digest says.
pub fn is_sound(block: &AuditBlock) -> bool {
    let personal_fits = block
        .body
        .lines()
        .zip(block.personal.lines())
        .all(|(line, personal)| personal.is_empty() || is_of(personal, line));
    personal_fits && block.hash == hash(block)
}
