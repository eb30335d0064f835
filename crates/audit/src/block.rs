//! The format of a block.
//!
//! `body` holds one JSON object a line: `id`, `at` (milliseconds), `event` with its members, and `person`,
//! the hex SHA-256 of the person's line. `personal` holds one JSON object a line, in the same order:
//! `salt` and what identifies the person. Erasing a person empties that line; the digest stays and nobody
//! can guess what it was of without the salt.
//!
//! ```text
//! hash = SHA-256( "vestibule audit block 1\0" | chain (16) | number (8) | previous (32) | SHA-256(body) )
//! ```
//!
//! The first block of a chain has 32 zero bytes as `previous`.

use std::fmt::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use keys::sha256;
use model::World;
use serde::{Deserialize, Serialize};
use store::AuditBlock;
use uuid::Uuid;

use crate::event::{Event, Person, What};

#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: model::EventId,
    pub(crate) at: i64,
    #[serde(flatten)]
    pub(crate) what: What,
    pub(crate) person: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PersonalLine {
    salt: String,
    #[serde(flatten)]
    pub(crate) person: Person,
}

/// Writes events as the block that follows `previous`. `None` without events.
pub(crate) fn write(
    world: &World,
    chain: Uuid,
    previous: Option<&AuditBlock>,
    events: &[Event],
) -> Option<AuditBlock> {
    let (first, last) = (events.first()?, events.last()?);
    let (mut body, mut personal) = (String::new(), String::new());
    for event in events {
        let salted = PersonalLine {
            salt: BASE64.encode(&world.random::<16>()),
            person: event.person.clone(),
        };
        let salted = serde_json::to_string(&salted).unwrap_or_default();
        let line = Line {
            id: event.id,
            at: event.at.as_millis(),
            what: event.what.clone(),
            person: HEXLOWER.encode(&sha256(salted.as_bytes())),
        };
        // Our own types: writing them cannot fail.
        let _ = writeln!(body, "{}", serde_json::to_string(&line).unwrap_or_default());
        let _ = writeln!(personal, "{salted}");
    }
    let number = previous.map_or(0, |block| block.number + 1);
    let previous = previous.map_or([0; 32], |block| block.hash);
    Some(AuditBlock {
        chain,
        number,
        first_at: first.at,
        last_at: last.at,
        events: i64::try_from(events.len()).unwrap_or(i64::MAX),
        previous,
        hash: hash(chain, number, &previous, &body),
        body,
        personal,
    })
}

/// The hash of a block.
pub fn hash(chain: Uuid, number: i64, previous: &[u8; 32], body: &str) -> [u8; 32] {
    let mut bytes = b"vestibule audit block 1\0".to_vec();
    bytes.extend_from_slice(chain.as_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(&sha256(body.as_bytes()));
    sha256(&bytes)
}

/// Whether a block is what its hash says, and every untouched personal line what its digest says.
pub fn is_sound(block: &AuditBlock) -> bool {
    let personal_fits = block
        .body
        .lines()
        .zip(block.personal.lines())
        .all(|(line, personal)| {
            personal.is_empty()
                || serde_json::from_str::<Line>(line)
                    .is_ok_and(|line| line.person == HEXLOWER.encode(&sha256(personal.as_bytes())))
        });
    personal_fits && block.hash == hash(block.chain, block.number, &block.previous, &block.body)
}
