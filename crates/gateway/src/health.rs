//! Whether an upstream can be reached, judged by the calls that go there anyway.
//!
//! After some failures in a row nobody is made to wait for it any more: calls fail at once, but for one now and
//! then that tries. The first that gets through opens the way again. Only failures to connect count: what a caller can
//! bring about with a request of their own, a broken or a slow answer, must not close the way for everybody.
//!
//! ```text
//! answers ──(FAILURES in a row)──▶ gone for a pause ──(one tries)──▶ answers, or gone for a longer pause
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::refusal::UpstreamTrouble;

/// So many failures in a row, and an upstream counts as gone.
const FAILURES: u32 = 5;
/// It is tried again after this, then after twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// What calls to one upstream have shown.
#[derive(Debug, Default)]
pub struct Health {
    /// In a row.
    failures: AtomicU32,
    /// Calls that tried in vain since it is gone.
    tries: AtomicU32,
    /// While it is gone: when the next call may try, in milliseconds of [`model::World::elapsed`].
    next_try: AtomicU64,
}

/// What became of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It answers again.
    Back,
    /// It counts as gone from now on.
    Gone,
}

impl Health {
    /// Whether a call may go there. While it is gone, one in each pause may, to see whether it is back.
    pub(crate) fn admits(&self, now: Duration) -> bool {
        if !self.is_gone() {
            return true;
        }
        let due = self.next_try.load(Ordering::Relaxed);
        let tries = self.tries.load(Ordering::Relaxed);
        let may = millis(now) >= due
            && self
                .next_try
                .compare_exchange(
                    due,
                    millis(now + pause(tries + 1)),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        if may {
            self.tries.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// Whether it counts as gone.
    pub fn is_gone(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    /// Takes over how a call went.
    pub(crate) fn note(&self, outcome: Result<StatusCode, UpstreamTrouble>, now: Duration) -> Option<Turn> {
        match outcome {
            Err(UpstreamTrouble::Unreachable) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if failures != FAILURES {
                    // Those that were under way when it went say nothing new.
                    return None;
                }
                self.tries.store(0, Ordering::Relaxed);
                self.next_try.store(millis(now + pause(0)), Ordering::Relaxed);
                Some(Turn::Gone)
            }
            Ok(_) | Err(UpstreamTrouble::Broken) => {
                // Read first: what all calls write, they would fight for.
                if self.failures.load(Ordering::Relaxed) == 0 {
                    return None;
                }
                let failures = self.failures.swap(0, Ordering::Relaxed);
                (failures >= FAILURES).then_some(Turn::Back)
            }
            Err(
                UpstreamTrouble::Slow
                | UpstreamTrouble::Credential
                | UpstreamTrouble::Forbidden
                | UpstreamTrouble::Connection,
            ) => None,
        }
    }
}

fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: Result<StatusCode, UpstreamTrouble> = Err(UpstreamTrouble::Unreachable);

    #[test]
    fn one_call_in_each_pause_tries_a_server_that_is_gone() {
        let health = Health::default();
        let mut now = Duration::from_secs(100);
        for _ in 1..FAILURES {
            assert!(health.admits(now));
            assert_eq!(health.note(GONE, now), None);
        }
        // Another tool that takes too long is no sign of anything.
        assert_eq!(health.note(Err(UpstreamTrouble::Slow), now), None);
        assert_eq!(health.note(GONE, now), Some(Turn::Gone));
        assert!(!health.admits(now));
        now += PAUSE;
        assert!(health.admits(now), "one tries");
        assert!(!health.admits(now), "the others do not");
        assert_eq!(health.note(GONE, now), None);
        now += PAUSE;
        assert!(!health.admits(now), "the pause grows");
        now += PAUSE;
        assert!(health.admits(now));
        assert_eq!(health.note(Ok(StatusCode::OK), now), Some(Turn::Back));
        assert!(health.admits(now) && health.admits(now) && !health.is_gone());
    }

    #[test]
    fn a_success_begins_the_count_again() {
        let health = Health::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                health.note(GONE, Duration::ZERO);
            }
            assert_eq!(health.note(Ok(StatusCode::NOT_FOUND), Duration::ZERO), None);
        }
        assert!(health.admits(Duration::ZERO));
    }

    #[test]
    fn what_a_caller_can_bring_about_closes_nothing() {
        let health = Health::default();
        for _ in 0..100 {
            health.note(Ok(StatusCode::BAD_GATEWAY), Duration::ZERO);
            health.note(Err(UpstreamTrouble::Broken), Duration::ZERO);
            health.note(Err(UpstreamTrouble::Slow), Duration::ZERO);
        }
        assert!(!health.is_gone());
        // However many were under way when it went, the pause is the first one.
        for _ in 0..100 {
            health.note(GONE, Duration::ZERO);
        }
        assert!(health.is_gone() && health.admits(PAUSE));
    }

    #[test]
    fn pauses_have_an_end() {
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}
