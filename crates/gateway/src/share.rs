//! A fair share of an upstream that takes only so many calls at once.
//!
//! While there is room, everybody gets in. When there is none, whoever comes waits, and the next place goes to the
//! person with the fewest calls under way, so that one agent in a loop does not keep everybody else out. Only
//! servers with `concurrency` have this, and its lock is held for a look at who waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::AccountId;
use tokio::sync::oneshot;

/// More callers than this do not wait; they are told at once. Nor do more of one person, who would fill the room.
const WAITING: usize = 1024;
const WAITING_OF_ONE: usize = 64;

/// How many calls an upstream takes at once, and how long callers wait for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Calls under way.
    pub calls: usize,
    /// How long a call waits before it is refused.
    pub wait: Duration,
}

/// The places of one upstream.
#[derive(Debug, Default)]
pub struct Share {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    people: HashMap<AccountId, usize>,
    waiting: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    person: AccountId,
    place: oneshot::Sender<Place>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    share: Arc<Share>,
    person: AccountId,
    most: usize,
}

impl Share {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a call of this person. `None` if none came free in time.
    pub(crate) async fn enter(self: &Arc<Self>, person: AccountId, limit: Concurrency) -> Option<Place> {
        let waiting = {
            let mut places = self.places();
            places.waiting.retain(|waiter| !waiter.place.is_closed());
            if places.taken < limit.calls {
                return Some(places.take(self, person, limit.calls));
            }
            let of_them = places.waiting.iter().filter(|waiter| waiter.person == person);
            if places.waiting.len() >= WAITING || of_them.count() >= WAITING_OF_ONE {
                return None;
            }
            let (place, waiting) = oneshot::channel();
            places.waiting.push(Waiter { person, place });
            waiting
        };
        tokio::time::timeout(limit.wait, waiting).await.ok()?.ok()
    }
}

impl Places {
    fn take(&mut self, share: &Arc<Share>, person: AccountId, most: usize) -> Place {
        self.taken += 1;
        *self.people.entry(person).or_default() += 1;
        Place {
            share: Arc::clone(share),
            person,
            most,
        }
    }

    /// Who is next: of those with the fewest calls under way, whoever waits longest.
    fn next(&mut self) -> Option<Waiter> {
        self.waiting.retain(|waiter| !waiter.place.is_closed());
        let held = |waiter: &Waiter| self.people.get(&waiter.person).copied().unwrap_or(0);
        let at = self
            .waiting
            .iter()
            .enumerate()
            .min_by_key(|(_, waiter)| held(waiter))?
            .0;
        Some(self.waiting.remove(at))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.share.places();
        places.taken -= 1;
        if let Some(held) = places.people.get_mut(&self.person) {
            *held -= 1;
            if *held == 0 {
                places.people.remove(&self.person);
            }
        }
        while places.taken < self.most
            && let Some(waiter) = places.next()
        {
            let place = places.take(&self.share, waiter.person, self.most);
            // Whoever went away in this moment gives it back: outside the lock, which that takes again.
            if let Err(place) = waiter.place.send(place) {
                drop(places);
                drop(place);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::Id as _;
    use uuid::Uuid;

    const LIMIT: Concurrency = Concurrency {
        calls: 2,
        wait: Duration::from_secs(5),
    };

    fn person(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_place_is_for_whoever_has_least() {
        let share = Arc::new(Share::default());
        let (greedy, modest) = (person(1), person(2));
        let first = share.enter(greedy, LIMIT).await.unwrap();
        let second = share.enter(greedy, LIMIT).await.unwrap();
        let third = share.enter(greedy, LIMIT);
        let other = share.enter(modest, LIMIT);
        tokio::pin!(third, other);
        assert!(futures_util::poll!(&mut third).is_pending());
        assert!(futures_util::poll!(&mut other).is_pending());
        drop(first);
        assert!(
            futures_util::poll!(&mut third).is_pending(),
            "came first, and has one already"
        );
        let other = other.await.unwrap();
        drop(second);
        let third = third.await.unwrap();
        drop((other, third));
        let places = share.places();
        assert!(places.taken == 0 && places.people.is_empty() && places.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_takes_no_place() {
        let share = Arc::new(Share::default());
        let one = Concurrency { calls: 1, ..LIMIT };
        let first = share.enter(person(1), one).await.unwrap();
        assert!(
            share.enter(person(2), one).await.is_none(),
            "nothing came free in time"
        );
        {
            let gone = share.enter(person(3), one);
            tokio::pin!(gone);
            assert!(futures_util::poll!(&mut gone).is_pending());
            drop(first);
            // It has been given the place, and goes away without having looked.
        }
        assert_eq!(share.places().taken, 0);
        assert!(share.enter(person(2), one).await.is_some());
    }
}
