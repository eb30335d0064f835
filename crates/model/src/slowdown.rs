//! How guessing is slowed (OS-44): pure functions of the time, one state per counter.
//!
//! ```text
//!            failure                     failure beyond the free ones
//!  Clear ───────────────▶ Counting ───────────────────────────────▶ Counting, waiting 2ⁿ seconds
//!    ▲                        │                                            │
//!    └── success, or a day ───┴────────────────────────────────────────────┘
//! ```
//!
//! A counter belongs to an account as seen from unknown browsers, to a network, or to one browser that
//! signed in before. So whoever hammers an account from outside slows other strangers, never its owner's
//! own browser. A network is many people: it has more free failures and forgets one at a time, and a success
//! gives back its own attempt alone. Otherwise whoever has an account could wipe out the trace of guessing at
//! all others.
//!
//! An attempt is counted *before* the password is looked at and forgiven afterwards: 64 guesses sent at the
//! same moment are 64 guesses.

use std::time::Duration;

use crate::time::Timestamp;

/// How many failures cost nothing, and how they are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Failures that cost nothing: people mistype.
    free: u32,
    /// One failure is forgotten so often; none before a quiet day if not given.
    fades: Option<Duration>,
    /// The first wait; each further failure doubles it.
    wait: Duration,
}

/// For one account, or one browser.
pub const ONE: Rule = Rule {
    free: 5,
    fades: None,
    wait: Duration::from_secs(1),
};
/// For a network: an office, a company's exit.
pub const NETWORK: Rule = Rule {
    free: 50,
    fades: Some(Duration::from_mins(2)),
    wait: Duration::from_secs(1),
};
/// For the user codes that one person types (OS-94): these are short, so that the wait is as long as one of them lives.
/// Five guesses at one of 20⁸ codes succeed once in 2³² times. Whoever has a program of their own can type a code that is
/// right: no success forgets more than its own attempt.
pub const USER_CODES: Rule = Rule {
    free: 5,
    fades: Some(LONGEST),
    wait: LONGEST,
};

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_mins(15);
/// After so long without an attempt a counter is forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// One counter of wrong guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// Attempts that were not followed by a success.
    pub failures: u32,
    /// When the last of them was.
    pub last: Timestamp,
}

impl Guesses {
    /// A counter that has counted nothing.
    pub const NONE: Self = Self {
        failures: 0,
        last: Timestamp::EPOCH,
    };

    /// Counts one attempt at `now`, or says how long to wait before one is looked at.
    pub fn attempt(self, rule: Rule, now: Timestamp) -> Result<Self, Duration> {
        let failures = self.left(rule, now);
        let open_at = self.last + wait_after(failures, rule);
        if failures > 0 && now < open_at {
            return Err(open_at.since(now));
        }
        Ok(Self {
            failures: failures.saturating_add(1),
            last: now,
        })
    }

    /// Failures that are not forgotten yet.
    fn left(self, rule: Rule, now: Timestamp) -> u32 {
        let quiet = now.since(self.last);
        if quiet >= FORGOTTEN_AFTER {
            return 0;
        }
        let faded = rule
            .fades
            .map_or(0, |fades| quiet.as_secs() / fades.as_secs().max(1));
        self.failures
            .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }
}

fn wait_after(failures: u32, rule: Rule) -> Duration {
    match failures.checked_sub(rule.free) {
        None => Duration::ZERO,
        Some(beyond) => rule.wait.saturating_mul(1 << beyond.min(10)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    #[test]
    fn the_first_five_are_free() {
        let mut guesses = Guesses::NONE;
        for _ in 0..5 {
            guesses = guesses.attempt(ONE, START).unwrap();
        }
        assert_eq!(guesses.attempt(ONE, START), Err(Duration::from_secs(1)));
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let mut guesses = Guesses::NONE;
        let mut now = START;
        let mut waits = Vec::new();
        while waits.len() < 14 {
            match guesses.attempt(ONE, now) {
                Ok(next) => guesses = next,
                Err(wait) => {
                    waits.push(wait.as_secs());
                    now = now + wait;
                }
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn os_94_after_five_user_codes_comes_a_wait_as_long_as_one_of_them_lives() {
        let mut guesses = Guesses::NONE;
        for _ in 0..5 {
            guesses = guesses.attempt(USER_CODES, START).unwrap();
        }
        assert_eq!(guesses.attempt(USER_CODES, START), Err(LONGEST));
        let later = START + LONGEST;
        let guesses = guesses.attempt(USER_CODES, later).unwrap();
        assert_eq!(guesses.attempt(USER_CODES, later), Err(LONGEST));
    }

    #[test]
    fn a_hundred_attempts_in_a_day_are_all_an_attacker_gets() {
        let mut guesses = Guesses::NONE;
        let (mut now, mut looked_at) = (START, 0);
        while now < START + Duration::from_hours(24) {
            match guesses.attempt(ONE, now) {
                Ok(next) => (guesses, looked_at) = (next, looked_at + 1),
                Err(wait) => now = now + wait,
            }
        }
        assert!(looked_at <= 112, "{looked_at}");
    }

    #[test]
    fn a_quiet_day_clears_it() {
        let guesses = Guesses {
            failures: 50,
            last: START,
        };
        assert_eq!(guesses.attempt(ONE, START + FORGOTTEN_AFTER).unwrap().failures, 1);
    }

    #[test]
    fn a_network_is_many_people_and_forgets_one_failure_at_a_time() {
        let mut guesses = Guesses::NONE;
        for _ in 0..50 {
            guesses = guesses.attempt(NETWORK, START).unwrap();
        }
        assert_eq!(guesses.attempt(NETWORK, START), Err(Duration::from_secs(1)));
        let later = START + Duration::from_mins(20);
        assert_eq!(guesses.attempt(NETWORK, later).unwrap().failures, 41);
    }
}
