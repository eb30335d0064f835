//! Who waits for a person's decision, and who asked when. Both are kept in memory: what a restart forgets costs one question
//! that comes too soon, or one that is answered early.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Change, DeviceId, TokenDigest, World};
use people::limits::Limit;
use quick_cache::unsync::Cache;
use store::Store;
use tokio::sync::Notify;

/// More do not wait at once; whoever comes then is answered like those who do not ask for it.
const MOST_WAITING: usize = 4096;
/// So many questions a minute are looked up at all for one device code.
const LOOKED_UP: u32 = 120;
/// Most codes of which it is known when they were asked with.
const CODES: usize = 50_000;
/// A question may come that much early: clocks and networks are not exact.
const EARLY: Duration = Duration::from_millis(500);

/// Those who wait. None of them holds anything of the database.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    // Not on the way of a call; held for a look-up and an insert.
    by_device: Mutex<HashMap<DeviceId, Arc<Notify>>>,
    stopped: AtomicBool,
}

impl Waiting {
    /// Nobody yet. Woken by the change log, whichever replica the person is at.
    pub(crate) fn follow(store: &Arc<dyn Store>) -> Arc<Self> {
        let waiting = Arc::new(Self::default());
        let follower = Arc::downgrade(&waiting);
        store.listen(Arc::new(move |change| {
            if let (Change::DeviceDecided { device }, Some(waiting)) = (change, follower.upgrade()) {
                waiting.wake(*device);
            }
        }));
        waiting
    }

    /// Waits for this decision from now on. Who waited for it before is answered: it is the same program, which gave up and
    /// came again. `None` if too many wait, or the server stops.
    pub(crate) fn enter(self: &Arc<Self>, device: DeviceId) -> Option<Waiter> {
        let notify = Arc::new(Notify::new());
        let mut by_device = self.lock();
        let full = by_device.len() >= MOST_WAITING && !by_device.contains_key(&device);
        if full || self.stopped.load(Ordering::Acquire) {
            return None;
        }
        if let Some(before) = by_device.insert(device, Arc::clone(&notify)) {
            before.notify_one();
        }
        drop(by_device);
        Some(Waiter {
            device,
            notify,
            waiting: Arc::clone(self),
        })
    }

    /// Answers everybody, and lets nobody wait any more.
    pub(crate) fn stop(&self) {
        let by_device = self.lock();
        self.stopped.store(true, Ordering::Release);
        for notify in by_device.values() {
            notify.notify_one();
        }
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn wake(&self, device: DeviceId) {
        if let Some(notify) = self.lock().get(&device) {
            notify.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, Arc<Notify>>> {
        self.by_device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits, until it is dropped: the program may hang up.
#[derive(Debug)]
pub(crate) struct Waiter {
    device: DeviceId,
    notify: Arc<Notify>,
    waiting: Arc<Waiting>,
}

impl Waiter {
    /// Resolves when the person may have decided, and after so long at the latest.
    pub(crate) async fn decided(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.notify.notified()).await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut by_device = self.waiting.lock();
        if by_device
            .get(&self.device)
            .is_some_and(|notify| Arc::ptr_eq(notify, &self.notify))
        {
            by_device.remove(&self.device);
        }
    }
}

/// When device codes were last asked with.
#[derive(Debug)]
pub(crate) struct Polls {
    world: World,
    looked_up: Limit<TokenDigest>,
    // Not on the way of a call; held for a look-up and an insert.
    last: Mutex<Cache<TokenDigest, Duration>>,
}

impl Polls {
    /// None yet.
    pub(crate) fn new(world: World) -> Self {
        Self {
            looked_up: Limit::new(world.clone(), LOOKED_UP, Duration::from_mins(1)),
            last: Mutex::new(Cache::new(CODES)),
            world,
        }
    }

    /// Notes that somebody asks, and says how long ago they asked before; or how long to wait before it is looked up.
    pub(crate) fn ask(&self, code: &TokenDigest) -> Result<Option<Duration>, Duration> {
        self.looked_up.take(code)?;
        let now = self.world.elapsed();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.get(code).copied();
        last.insert(*code, now);
        Ok(before.map(|before| now.saturating_sub(before) + EARLY))
    }
}
