//! Supervised tasks: each has a name, a panic in one is logged, and shutting down waits for all.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, error_span};

/// All tasks of one running server.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` on its own. It must end by itself, or when [`Tasks::shutting_down`] says so.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker
            .spawn(supervised(name, work).instrument(error_span!("task", name)));
    }

    /// The same without a span: work that is woken for every request would enter and leave it each time.
    pub fn spawn_bare(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(supervised(name, work));
    }

    /// Runs `work` again and again, `pause` apart, until shutting down.
    pub fn every<F>(&self, name: &'static str, pause: Duration, mut work: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let shutdown = self.shutdown.clone();
        self.spawn(name, async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                work().await;
            }
        });
    }

    /// Resolves once shutting down has begun.
    pub fn shutting_down(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shutdown.clone().cancelled_owned()
    }

    /// Whether shutting down has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Begins shutting down and waits until every task has ended, at most `patience`. Gives whether all
    /// have.
    pub async fn shut_down(&self, patience: Duration) -> bool {
        self.shutdown.cancel();
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }
}

/// Made of combinators: an `async fn` would keep room for `work` twice, as its argument and as what it waits for.
pub(crate) fn supervised(
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    std::panic::AssertUnwindSafe(work)
        .catch_unwind()
        .map(move |outcome| {
            if outcome.is_err() {
                error!(task = name, "a task panicked");
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn waits_for_all_and_survives_a_panic() {
        let tasks = Tasks::new();
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&rounds);
        tasks.every("count", Duration::from_secs(1), move || {
            let counted = Arc::clone(&counted);
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        tasks.spawn("fall", async { panic!("on purpose") });
        tokio::time::sleep(Duration::from_millis(3500)).await;
        assert!(tasks.shut_down(Duration::from_secs(1)).await);
        assert_eq!(rounds.load(Ordering::Relaxed), 3);
    }
}
