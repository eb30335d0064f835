//! The Model Context Protocol on the wire: message heads, revisions, mirrored headers, event streams.
//!
//! The gateway forwards bytes; of a message it reads only what a decision needs, but it reads that from the
//! very bytes it forwards and refuses whatever two parsers could read differently (DEC-19, TP-8).

pub mod answer;
pub mod elicitation;
pub mod json;
pub mod list;
pub mod message;
pub mod mirror;
pub mod revision;
pub mod sse;
pub mod task;

pub use message::{Body, Kind, Message};
pub use revision::Revision;
