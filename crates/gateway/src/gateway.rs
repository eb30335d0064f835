//! The data plane: what it is built from, and what its steps share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::Recorder;
use http::Response;
use issuer::verify::Use;
use issuer::{AuthorizationServer, KeyRing, ServiceTokens, Standing, Verifier};
use keys::Sealer;
use model::{Timestamp, World};
use net::{Body, Tasks};
use papaya::HashMap;
use people::{Directory, Identities};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vault::Connections;

use crate::catalogue::Catalogue;
use crate::filter::Remembered;
use crate::in_flight::Ids;
use crate::metrics::Refusals;
use crate::old_tokens::Guesses;
use crate::quota::Quotas;
use crate::refusal::{Circumstances, HumanPages, Refusal};
use crate::route::Routes;
use crate::step_up::Challenges;
use crate::task::Owners;
use crate::trace::Tracing;
use crate::{legacy_sse, metadata};

/// What the gateway is built from.
#[derive(Debug)]
pub struct Parts {
    /// Clock and dice.
    pub world: World,
    /// Knows who the programs are.
    pub issuer: Arc<AuthorizationServer>,
    /// The database; asked on the way of a call only about tasks.
    pub store: Arc<dyn Store>,
    /// Checks our tokens.
    pub verifier: Arc<Verifier>,
    /// Checks our service tokens.
    pub service_tokens: Arc<ServiceTokens>,
    /// Which account somebody at another issuer has here.
    pub identities: Arc<Identities>,
    /// What people linked at providers.
    pub connections: Arc<Connections>,
    /// Who everybody is.
    pub directory: Arc<Directory>,
    /// What has been taken back.
    pub standing: Arc<Standing>,
    /// Signs assertions.
    pub key_ring: Arc<KeyRing>,
    /// Seals session ids.
    pub sealer: Sealer,
    /// The audit record.
    pub recorder: Recorder,
    /// Supervised tasks.
    pub tasks: Tasks,
    /// What servers say they have.
    pub catalogue: Arc<Catalogue>,
    /// Pages for people who open an endpoint in a browser.
    pub pages: Arc<dyn HumanPages>,
    /// Who collects spans, if anybody does.
    pub tracing: Option<Arc<dyn Tracing>>,
}

/// The data plane.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) parts: Parts,
    routes: ArcSwap<Routes>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) guesses: Guesses,
    pub(crate) uses: mpsc::UnboundedSender<Use>,
    /// The listening stream of each session, by server and upstream session id.
    pub(crate) listening: HashMap<String, Arc<CancellationToken>>,
    /// Where answers of ours to a caller of the legacy transport go.
    pub(crate) mailboxes: HashMap<String, legacy_sse::Slot>,
    /// What is asked in each session.
    pub(crate) ids: Arc<Ids>,
    pub(crate) quotas: Quotas,
    /// Who was told already which scope is lacking.
    pub(crate) challenges: Challenges,
    /// Whose which task is.
    pub(crate) owners: Owners,
    refusals: Refusals,
    /// Lists as they were shown.
    pub(crate) remembered: Remembered,
}

impl Gateway {
    /// From its parts and the routes it begins with.
    pub fn new(parts: Parts, routes: Routes) -> Arc<Self> {
        Arc::new(Self {
            verifier: Arc::clone(&parts.verifier),
            directory: Arc::clone(&parts.directory),
            guesses: Guesses::new(parts.world.clone()),
            uses: parts.verifier.uses(),
            owners: Owners::new(Arc::clone(&parts.store)),
            parts,
            routes: ArcSwap::from_pointee(routes),
            listening: HashMap::new(),
            mailboxes: HashMap::new(),
            ids: Arc::default(),
            quotas: Quotas::default(),
            challenges: Challenges::default(),
            refusals: Refusals::default(),
            remembered: Remembered::default(),
        })
    }

    /// Puts new routes in place of the ones before; open streams look again.
    pub fn reconfigure(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
        self.parts.standing.look_again();
    }

    /// The routes of this moment.
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.world.now()
    }

    pub(crate) fn world(&self) -> &World {
        &self.parts.world
    }

    /// How often each refusal was said.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// An answer to a request of which nobody knows yet whose it is.
    pub(crate) fn refuse(&self, refusal: &Refusal, circumstances: &Circumstances<'_>) -> Response<Body> {
        self.refusals.count(refusal.slug());
        refusal.answer(circumstances)
    }

    /// Forgets what quotas do not need any more.
    pub fn sweep(&self) {
        self.quotas.sweep(self.elapsed());
    }

    /// Since the program began; measures how long things take.
    pub(crate) fn elapsed(&self) -> Duration {
        self.parts.world.elapsed()
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.parts.catalogue
    }

    pub(crate) fn service_tokens(&self) -> &ServiceTokens {
        &self.parts.service_tokens
    }

    pub(crate) fn identities(&self) -> &Identities {
        &self.parts.identities
    }

    pub(crate) fn issuer(&self) -> &AuthorizationServer {
        &self.parts.issuer
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.parts.recorder
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.parts.standing
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.parts.sealer
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.parts.tasks
    }

    /// Whether a path is the gateway's.
    pub fn owns(path: &str) -> bool {
        path == "/mcp"
            || path.starts_with("/mcp/")
            || path.starts_with("/api/")
            || metadata::is_metadata(path)
    }
}
