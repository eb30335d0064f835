//! The authorization server: the parts that its decisions need, in one place.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use audit::Recorder;
use ipnet::IpNet;
use keys::Sealer;
use model::{AccountId, World};
use people::limits::Limit;
use people::{Directory, Readings};
use store::Store;

use crate::device_code::waiting::{Polls, Waiting};
use crate::documents::{Documents, Fetch};
use crate::key_ring::KeyRing;
use crate::known_clients::KnownClients;
use crate::registration::PER_NETWORK;
use crate::settings::Settings;
use crate::standing::Standing;
use crate::verify::Verifier;

/// What the server is built from.
#[derive(Debug)]
pub struct Parts {
    /// Clock and dice.
    pub world: World,
    /// Persistence.
    pub store: Arc<dyn Store>,
    /// Sealing.
    pub sealer: Sealer,
    /// Who everybody is.
    pub directory: Arc<Directory>,
    /// Whether they still are.
    pub readings: Arc<Readings>,
    /// The audit record.
    pub recorder: Recorder,
    /// The signing keys.
    pub key_ring: Arc<KeyRing>,
    /// What has been taken back.
    pub standing: Arc<Standing>,
    /// Checks our own tokens.
    pub verifier: Arc<Verifier>,
    /// Known programs.
    pub known_clients: KnownClients,
    /// Fetches documents.
    pub fetch: Arc<dyn Fetch>,
}

/// The authorization server. Its decisions are in the files named after them.
#[derive(Debug)]
pub struct AuthorizationServer {
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Sealer,
    pub(crate) directory: Arc<Directory>,
    pub(crate) readings: Arc<Readings>,
    pub(crate) recorder: Recorder,
    pub(crate) key_ring: Arc<KeyRing>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) verifier: Arc<Verifier>,
    known_clients: ArcSwap<KnownClients>,
    pub(crate) documents: Documents,
    pub(crate) registrations: Limit<IpNet>,
    pub(crate) client_failures: Limit<IpNet>,
    pub(crate) code_failures: Limit<IpNet>,
    pub(crate) device_failures: Limit<IpNet>,
    pub(crate) device_requests: Limit<IpNet>,
    pub(crate) polls: Polls,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) authorizations: Limit<AccountId>,
    pub(crate) challenges: Limit<[u8; 32]>,
    settings: ArcSwap<Settings>,
}

impl AuthorizationServer {
    /// From its parts and the settings it begins with.
    pub fn new(parts: Parts, settings: Settings) -> Arc<Self> {
        let Parts {
            world,
            store,
            sealer,
            directory,
            readings,
            recorder,
            key_ring,
            standing,
            verifier,
            known_clients,
            fetch,
        } = parts;
        let (count, span) = PER_NETWORK;
        let waiting = Waiting::follow(&store);
        Arc::new(Self {
            device_failures: Limit::new(world.clone(), 100, Duration::from_mins(10)),
            device_requests: Limit::new(world.clone(), 120, Duration::from_mins(10)),
            polls: Polls::new(world.clone()),
            waiting,
            documents: Documents::new(world.clone(), fetch),
            registrations: Limit::new(world.clone(), count, span),
            client_failures: Limit::new(world.clone(), 100, Duration::from_mins(10)),
            code_failures: Limit::new(world.clone(), 100, Duration::from_mins(10)),
            authorizations: Limit::new(world.clone(), 300, Duration::from_mins(10)),
            challenges: Limit::new(world.clone(), 1, Duration::from_hours(24)),
            settings: ArcSwap::from_pointee(settings),
            world,
            store,
            sealer,
            directory,
            readings,
            recorder,
            key_ring,
            standing,
            verifier,
            known_clients: ArcSwap::from_pointee(known_clients),
        })
    }

    /// The settings of this moment.
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Puts new settings in place of the ones before. Open streams look again whether they are allowed.
    pub fn reconfigure(&self, settings: Settings, known_clients: KnownClients) {
        self.known_clients.store(Arc::new(known_clients));
        self.settings.store(Arc::new(settings));
        self.standing.look_again();
    }

    /// The signing keys.
    pub fn key_ring(&self) -> &Arc<KeyRing> {
        &self.key_ring
    }

    /// Answers everybody who waits for a person's decision: the server stops.
    pub fn stop_waiting(&self) {
        self.waiting.stop();
    }

    /// How many programs without a browser wait at this moment for a person's decision.
    pub fn devices_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Checks our own tokens.
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// Known programs.
    pub fn known_clients(&self) -> Arc<KnownClients> {
        self.known_clients.load_full()
    }
}
