//! The outside world as a parameter: what time it is, and dice.
//!
//! `clippy.toml` forbids every other way to read either, so a test that hands in its own [`World`] controls
//! all of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::Id;
use crate::time::Timestamp;
use crate::token::{OpaqueToken, TokenKind};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// A monotonic reading, for measuring how long something took.
    fn elapsed(&self) -> Duration;
}

/// Throws dice of cryptographic quality.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bits.
    fn fill(&self, bytes: &mut [u8]);
}

/// Clock and dice together, cheap to clone into every room.
#[derive(Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl World {
    /// From a clock and a source of randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A monotonic reading, for measuring how long something took.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// `N` unpredictable bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Fills `bytes` with unpredictable bits: cheaper than asking for each part of them.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }

    /// A fresh id, a UUID version 7 made from this clock and these dice.
    pub fn new_id<I: Id>(&self) -> I {
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(0);
        I::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid())
    }

    /// A fresh opaque token of the given kind.
    pub fn new_token(&self, kind: TokenKind) -> OpaqueToken {
        OpaqueToken::from_random(kind, &self.random())
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({})", self.now())
    }
}
