//! Token buckets, as the generic cell rate algorithm: one timestamp per bucket and no timer.
//!
//! A bucket holds up to `burst` tokens and gains one each `every`. The state is the "theoretical arrival
//! time": the moment at which the bucket will be full again, on a clock that only goes forward
//! ([`World::elapsed`](crate::World::elapsed)).

use std::time::Duration;

/// How much and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, at least 1.
    pub burst: u32,
    /// How long until one more.
    pub every: Duration,
}

impl Rate {
    /// `count` in each `span`, all of them at once if need be.
    pub fn per(count: u32, span: Duration) -> Self {
        let burst = count.max(1);
        Self {
            burst,
            every: span / burst,
        }
    }

    /// Takes one token at `now` from a bucket that will be full at `full_at`.
    ///
    /// Returns the new `full_at`, or how long to wait for a token.
    pub fn take(self, full_at: Duration, now: Duration) -> Result<Duration, Duration> {
        let next = full_at.max(now).saturating_add(self.every);
        let limit = now.saturating_add(self.every.saturating_mul(self.burst));
        if next <= limit {
            Ok(next)
        } else {
            Err(next.saturating_sub(limit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_burst_through_then_one_at_a_time() {
        let rate = Rate::per(3, Duration::from_secs(30));
        let mut full_at = Duration::ZERO;
        let now = Duration::from_secs(1000);
        for _ in 0..3 {
            full_at = rate.take(full_at, now).unwrap();
        }
        assert_eq!(rate.take(full_at, now), Err(Duration::from_secs(10)));
        let later = now + Duration::from_secs(10);
        full_at = rate.take(full_at, later).unwrap();
        assert_eq!(rate.take(full_at, later), Err(Duration::from_secs(10)));
    }
}
