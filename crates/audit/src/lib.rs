//! The audit record: every sign-in, consent, issue, refresh, revocation, call and administrative act.
//!
//! Events are handed over in memory and written behind the act in blocks, one row per block, because a row
//! per event would cost more than the act ([`recorder`]). Blocks of one writing process form a hash chain
//! ([`block`]). What identifies a person stands apart from the rest and is chained as a salted digest, so
//! that erasing a person keeps the chain whole.

pub mod block;
pub mod chosen;
pub mod credentials;
pub mod erasure;
pub mod event;
pub mod export;
pub mod head;
mod line;
mod ocsf;
pub mod proof;
pub mod readable;
pub mod reading;
pub mod recorder;
pub mod retention;
pub mod signer;
mod spill;
#[cfg(test)]
mod testing;
pub mod verify;
mod writer;

pub use chosen::Chosen;
pub use event::{CallOutcome, Issue, Person, Proof, What};
pub use reading::{Entry, Filter};
pub use recorder::{Durability, Full, Home, OpenError, Opening, Recorder, Seat};
pub use signer::{Signer, Trusted};
pub use spill::ROOM;
pub use writer::Recording;
