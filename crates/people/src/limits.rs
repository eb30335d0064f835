//! Limits kept in memory: how much one source may ask of what costs us something. Keyed so that one
//! attacker cannot use up what another needs (OS-141).

use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use model::World;
use model::bucket::Rate;
use quick_cache::unsync::Cache;

/// Most sources that are remembered; the least active are forgotten first.
const SOURCES: usize = 50_000;

/// A token bucket per source.
#[derive(Debug)]
pub struct Limit<K> {
    world: World,
    rate: Rate,
    // Not on the way of a call; held for a look-up and an insert.
    buckets: Mutex<Cache<K, Duration>>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    /// `count` in each `span` for each source.
    pub fn new(world: World, count: u32, span: Duration) -> Self {
        Self {
            world,
            rate: Rate::per(count, span),
            buckets: Mutex::new(Cache::new(SOURCES)),
        }
    }

    /// Takes one, or says how long to wait.
    pub fn take(&self, source: &K) -> Result<(), Duration> {
        let mut buckets = self
            .buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let full_at = buckets.get(source).copied().unwrap_or_default();
        let next = self.rate.take(full_at, self.world.elapsed())?;
        buckets.insert(source.clone(), next);
        Ok(())
    }

    /// Gives one back that was taken in vain.
    pub fn give_back(&self, source: &K) {
        let mut buckets = self
            .buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(mut full_at) = buckets.get_mut(source) {
            *full_at = full_at.saturating_sub(self.rate.every);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own() {
        let (world, clock) = testkit::world();
        let limit = Limit::new(world, 2, Duration::from_secs(10));
        assert!(limit.take(&"a").is_ok() && limit.take(&"a").is_ok());
        assert_eq!(limit.take(&"a"), Err(Duration::from_secs(5)));
        assert!(limit.take(&"b").is_ok());
        limit.give_back(&"a");
        assert!(limit.take(&"a").is_ok() && limit.take(&"a").is_err());
        clock.advance(Duration::from_secs(5));
        assert!(limit.take(&"a").is_ok());
    }
}
