//! The system's clock: the one place that reads it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keys::SystemEntropy;
use model::{Clock, Timestamp, World};

struct SystemClock {
    started: Instant,
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is what the others use instead")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The world outside: the system's clock and random numbers.
#[expect(clippy::disallowed_methods, reason = "the zero of the monotonic clock")]
pub fn system_world() -> World {
    let started = Instant::now();
    World::new(Arc::new(SystemClock { started }), Arc::new(SystemEntropy))
}
