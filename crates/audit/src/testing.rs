//! Records for tests.

use std::sync::Arc;
use std::time::Duration;

use keys::{MasterKey, MasterKeys, Sealer};
use model::World;
use net::Tasks;
use store::Store;
use uuid::Uuid;

use crate::event::{Person, What};
use crate::recorder::{Durability, Home, Opening, Recorder};
use crate::signer::Signer;

pub(crate) fn sealer(world: &World) -> Sealer {
    let master = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    Sealer::new(MasterKeys::new(master, vec![]), world.clone())
}

pub(crate) fn somebody(name: &str) -> Person {
    Person {
        username: Some(name.to_owned()),
        address: "203.0.113.7".parse().ok(),
        ..Person::default()
    }
}

/// A writer of one chain.
pub(crate) struct Writer {
    pub(crate) recorder: Recorder,
    tasks: Tasks,
}

impl Writer {
    pub(crate) async fn open(
        world: &World,
        store: &Arc<dyn Store>,
        signer: &Arc<Signer>,
        home: Home,
    ) -> Self {
        let (recorder, recording) = Recorder::open(Opening {
            world: world.clone(),
            store: Arc::clone(store),
            signer: Arc::clone(signer),
            home,
            durability: Durability::Grouped,
        })
        .await
        .unwrap();
        let tasks = Tasks::new();
        recording.start(&tasks);
        Self { recorder, tasks }
    }

    pub(crate) async fn chain(
        world: &World,
        store: &Arc<dyn Store>,
        signer: &Arc<Signer>,
        chain: u128,
    ) -> Self {
        Self::open(world, store, signer, Home::Nowhere(Uuid::from_u128(chain))).await
    }

    /// One block of so many events.
    pub(crate) async fn block(&self, events: usize, name: &str) {
        for n in 0..events {
            let what = What::Started {
                version: format!("{name}.{n}"),
            };
            self.recorder.record(what, somebody(name));
        }
        self.recorder.flush().await.unwrap();
    }

    /// Ends as after SIGTERM.
    pub(crate) async fn close(self) {
        self.recorder.close().await;
        drop(self.recorder);
        assert!(self.tasks.shut_down(Duration::from_secs(5)).await);
    }

    /// Ends as after SIGKILL: nothing more is written.
    pub(crate) async fn kill(self) {
        drop(self.recorder);
        assert!(self.tasks.shut_down(Duration::from_secs(5)).await);
    }
}
