//! Credentials that lie in files: in the configuration of MCP clients, `.env` files, what shells read when they start, and
//! anywhere else. Each is named by its kind, never by itself, with whose it is, where it stands and who else can read it.
//!
//! Nothing here asks a network or runs a program, and nothing but [`adopt`] writes. What a credential looks like is data
//! (`rules.yaml`). What is read is written by anybody, so every reader is bounded; and nothing that a finding holds can be
//! turned back into what was found.

pub mod adopt;
pub mod checksum;
mod detect;
pub mod door;
mod entropy;
pub mod entry;
pub mod exposure;
pub mod finding;
pub mod git;
mod name;
pub mod place;
mod placeholder;
#[cfg(any(test, feature = "testing"))]
pub mod planted;
pub mod reading;
pub mod revocation;
pub mod rules;
pub mod scan;
mod system;
pub mod walk;

pub use detect::Shape;
pub use door::{DoorServer, replaced_by};
pub use exposure::{Exposure, Readers};
pub use finding::{Finding, Place};
pub use git::Git;
pub use place::Client;
pub use rules::{Provider, Rule, Rules, RulesError, Severity};
pub use scan::{Report, Scan};
pub use walk::{Limits, Unread, Which, Why};

/// The rules that are code: what shows itself by what is around it.
pub const SHAPES: [Shape; 8] = detect::SHAPES;

#[cfg(test)]
mod tests;
