//! The audit record: every sign-in, consent, issue, refresh, revocation, call and administrative act.
//!
//! Events are handed over in memory and written behind the act in blocks, one row per block, because a row
//! per event would cost more than the act ([`recorder`]). Blocks of one writing process form a hash chain
//! ([`block`]). What identifies a person stands apart from the rest and is chained as a salted digest, so
//! that erasing a person keeps the chain whole.

pub mod block;
pub mod event;
pub mod reading;
pub mod recorder;

pub use event::{CallOutcome, Event, Issue, Person, What};
pub use reading::Entry;
pub use recorder::{Recorder, Recording};
