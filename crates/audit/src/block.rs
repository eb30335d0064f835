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

use keys::sha256;
use model::World;
use store::{AuditBlock, AuditSignature};
use uuid::Uuid;

use crate::line::{Written, is_of};
use crate::signer::{Signer, Trusted};

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

/// Puts events together as the block that follows `tip`, as many as it takes. `reserved` says how many may follow if so
/// many are left. `None` without events.
pub(crate) fn write(
    world: &World,
    signer: &Signer,
    chain: Uuid,
    tip: Option<&Tip>,
    reserved: impl Fn(i64) -> i64,
    events: &[Written],
) -> Option<AuditBlock> {
    let first = events.first()?;
    let [mut body, mut personal] =
        [USUAL.0, USUAL.1].map(|usual| String::with_capacity((events.len() * usual).min(LARGEST)));
    let mut salts = vec![[0; 16]; events.len()];
    world.fill(salts.as_flattened_mut());
    let (mut last, mut count) = (first, 0);
    for (event, salt) in events.iter().zip(&salts) {
        let before = (body.len(), personal.len());
        event.join(salt, &mut body, &mut personal);
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
        body,
        personal,
    };
    Some(follow(block, signer, tip))
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

/// Whether a block is what its hash says, and every untouched personal line what its digest says.
pub fn is_sound(block: &AuditBlock) -> bool {
    let personal_fits = block
        .body
        .lines()
        .zip(block.personal.lines())
        .all(|(line, personal)| personal.is_empty() || is_of(personal, line));
    personal_fits && block.hash == hash(block)
}
