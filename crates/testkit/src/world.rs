//! A world in which the test says what time it is and how the dice fall.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::{Clock, Entropy, Timestamp, World};

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Moves it forward.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(
            i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        self.now().since(Timestamp::EPOCH)
    }
}

/// Dice that never show the same twice and always fall the same way in the same order.
#[derive(Debug)]
pub struct TestDice(AtomicU64);

impl Entropy for TestDice {
    fn fill(&self, bytes: &mut [u8]) {
        // SplitMix64: plenty for tests, worthless as a secret.
        for chunk in bytes.chunks_mut(8) {
            let mut state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^= state >> 31;
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A world that stands at 2026-11-20T12:00:00Z, and its clock.
pub fn world() -> (World, Arc<TestClock>) {
    let clock = Arc::new(TestClock(AtomicI64::new(1_795_176_000_000)));
    let dice = Arc::new(TestDice(AtomicU64::new(42)));
    (World::new(Arc::<TestClock>::clone(&clock), dice), clock)
}
