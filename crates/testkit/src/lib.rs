//! What tests share: a clock and dice of their own, and a fresh database on either engine.
//!
//! Development only; nothing that ships depends on it.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests may fail loudly"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "what panics here fails the test that asked"
)]

pub mod databases;
pub mod world;

pub use databases::{Database, databases};
pub use world::{TestClock, TestDice, world};
