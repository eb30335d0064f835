//! What is counted on the way of a call, without a lock: one set of numbers per server, which its route carries.
//!
//! People, clients and tools are no part of it, so the number of series is bounded by the configuration; who called
//! what is in the audit record.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use audit::CallOutcome;
use papaya::HashMap;

/// Upper bounds of the histogram of durations, in milliseconds; what takes longer is in one more bucket.
pub const BOUNDS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000,
];

/// Every outcome, with its word.
pub const OUTCOMES: [(CallOutcome, &str); 5] = [
    (CallOutcome::Answered, "answered"),
    (CallOutcome::UpstreamFailed, "upstream_failed"),
    (CallOutcome::Abandoned, "abandoned"),
    (CallOutcome::Ended, "ended"),
    (CallOutcome::Refused, "refused"),
];

/// The numbers of one server.
#[derive(Debug, Default)]
pub struct ServerMetrics {
    calls: [AtomicU64; OUTCOMES.len()],
    durations: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    under_way: AtomicI64,
    streams: AtomicI64,
}

/// How calls went whose numbers are read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// By outcome, in the order of [`OUTCOMES`].
    pub calls: [u64; OUTCOMES.len()],
    /// By duration, in the order of [`BOUNDS`], each bucket alone. Listening streams are not in it.
    pub durations: [u64; BOUNDS.len() + 1],
    /// Of all durations.
    pub seconds: f64,
    /// From clients.
    pub bytes_in: u64,
    /// To clients.
    pub bytes_out: u64,
    /// Requests under way at this moment.
    pub under_way: i64,
    /// Listening streams open at this moment.
    pub streams: i64,
}

impl ServerMetrics {
    /// Reads them all.
    pub fn read(&self) -> Reading {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Reading {
            calls: self.calls.each_ref().map(read),
            durations: self.durations.each_ref().map(read),
            seconds: Duration::from_micros(read(&self.microseconds)).as_secs_f64(),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            under_way: self.under_way.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
        }
    }

    /// A request or a listening stream begins (1) or has ended (-1).
    pub(crate) fn under_way(&self, listens: bool, by: i64) {
        let gauge = if listens { &self.streams } else { &self.under_way };
        gauge.fetch_add(by, Ordering::Relaxed);
    }

    /// One has ended.
    pub(crate) fn ended(&self, outcome: CallOutcome, took: Option<Duration>, bytes_in: u64, bytes_out: u64) {
        let add = |number: Option<&AtomicU64>, by: u64| {
            number.map(|number| number.fetch_add(by, Ordering::Relaxed))
        };
        let at = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        add(at.and_then(|at| self.calls.get(at)), 1);
        add(Some(&self.bytes_in), bytes_in);
        add(Some(&self.bytes_out), bytes_out);
        if let Some(took) = took {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            let bucket = BOUNDS.partition_point(|bound| *bound * 1000 < micros);
            add(self.durations.get(bucket), 1);
            add(Some(&self.microseconds), micros);
        }
    }
}

/// How often each refusal was said, by its word.
#[derive(Debug, Default)]
pub struct Refusals(HashMap<&'static str, AtomicU64>);

impl Refusals {
    /// Counts one.
    pub(crate) fn count(&self, slug: &'static str) {
        let refusals = self.0.pin();
        refusals
            .get_or_insert_with(slug, AtomicU64::default)
            .fetch_add(1, Ordering::Relaxed);
    }

    /// All that were ever said, in the order of their words.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let refusals = self.0.pin();
        let read = refusals
            .iter()
            .map(|(slug, count)| (*slug, count.load(Ordering::Relaxed)));
        let mut all: Vec<_> = read.collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let metrics = ServerMetrics::default();
        for micros in [0, 1000, 1001, 60_000_000, 60_000_001] {
            metrics.ended(CallOutcome::Answered, Some(Duration::from_micros(micros)), 1, 2);
        }
        metrics.ended(CallOutcome::Ended, None, 0, 0);
        let read = metrics.read();
        assert_eq!((read.durations[0], read.durations[1]), (2, 1));
        assert_eq!((read.durations[13], read.durations[14]), (1, 1));
        assert_eq!((read.calls[0], read.calls[3]), (5, 1));
        assert_eq!((read.bytes_in, read.bytes_out), (5, 10));
    }
}
