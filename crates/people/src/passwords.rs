//! Password hashing in a bounded pool: each hash costs tens of milliseconds and 19 MiB, so a flood of
//! sign-ins must not take the machine.

use std::sync::Arc;
use std::time::Duration;

use model::{ExposeSecret, SecretString, World};
use thiserror::Error;
use tokio::sync::Semaphore;

/// How long a sign-in waits for its turn before it is turned away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Too many sign-ins at once.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("too many sign-ins at once; try again in a moment")]
pub struct Busy;

/// The pool.
#[derive(Clone, Debug)]
pub struct Passwords {
    world: World,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// As many hashes at once as `parallel`.
    pub fn new(world: World, parallel: usize) -> Self {
        Self {
            world,
            places: Arc::new(Semaphore::new(parallel.max(1))),
        }
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: SecretString) -> Result<SecretString, Busy> {
        let world = self.world.clone();
        self.run(move || SecretString::from(keys::password::hash(&world, &password)))
            .await
    }

    /// Checks a password against a stored hash; takes as long without one.
    pub async fn verify(&self, password: SecretString, stored: Option<SecretString>) -> Result<bool, Busy> {
        self.run(move || keys::password::verify(&password, stored.as_ref().map(ExposeSecret::expose_secret)))
            .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(PATIENCE, place)
            .await
            .map_err(|_| Busy)?
            .map_err(|_| Busy)?;
        // The place is held until the work is done, even if whoever asked has gone away.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        done.await.map_err(|_| Busy)
    }
}
