//! All rooms, opened in order and wired to each other.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::{Person, What};
use gateway::trace::Tracing;
use gateway::{Catalogue, Gateway, HumanPages};
use http::{HeaderMap, header};
use issuer::documents::Fetch;
use issuer::verify::Use;
use issuer::{AuthorizationServer, ClientNames, ServiceTokens, Standing, Verifier};
use model::World;
use net::strangers::FetchRules;
use net::{Strangers, Tasks};
use people::{
    Company, Directory, Identities, ProviderGrants, Readings, SessionPolicy, Sessions, SignIn, WaysIn,
};
use store::ConnectionUse;
use thiserror::Error;
use tokio::sync::mpsc;
use vault::Connections;
use web::Web;

use crate::compose::{Problems, Snapshot, compose};
use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::master_key::MasterKeyError;
use crate::storage::StorageError;
use crate::telemetry::otlp::Spans;

mod foundation;
mod master_keys;
mod reconfigure;

pub use foundation::Foundation;

/// How long the last tasks may take after connections have drained.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Why the house cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The database cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The master key cannot be used.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The audit record cannot be gone on with.
    #[error(transparent)]
    Audit(#[from] audit::OpenError),
    /// The key of the audit record cannot be used.
    #[error(transparent)]
    AuditKey(#[from] audit::signer::SignerError),
    /// The secrets of authenticator apps cannot be used.
    #[error(transparent)]
    Factors(#[from] people::FactorError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    KeyRing(#[from] issuer::key_ring::KeyRingError),
    /// The database does not answer.
    #[error("database: {0}")]
    Store(#[from] store::StoreError),
    /// The system's trusted authorities cannot be read.
    #[error("{0}")]
    Tls(#[from] net::tls::TlsError),
    /// The collector's settings are wrong.
    #[error("{0}")]
    Otlp(String),
}

/// A running server, but for its listener.
#[derive(Debug)]
pub struct House {
    /// Persistence and what rests on it.
    pub foundation: Foundation,
    /// Every supervised task.
    pub tasks: Tasks,
    /// Who everybody is.
    pub directory: Arc<Directory>,
    /// What has been taken back.
    pub standing: Arc<Standing>,
    /// Checks our own tokens.
    pub verifier: Arc<Verifier>,
    /// The authorization server.
    pub server: Arc<AuthorizationServer>,
    /// The data plane.
    pub gateway: Arc<Gateway>,
    /// The pages.
    pub web: Arc<Web>,
    /// How people sign in.
    pub ways: Arc<WaysIn>,
    /// What people linked at providers.
    pub connections: Arc<Connections>,
    /// Their uses, to be written behind the calls; taken once.
    pub(crate) connection_uses: Mutex<Option<mpsc::Receiver<ConnectionUse>>>,
    /// What servers say they have.
    pub catalogue: Arc<Catalogue>,
    /// Who collects spans of calls.
    spans: Option<Arc<Spans>>,
    /// What is decided by at this moment.
    pub current: ArcSwap<Current>,
    /// One configuration at a time is read and taken up: of two that were, the later one stays.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// Other master keys were taken up, and not everything is sealed under them yet.
    resealing: AtomicBool,
}

/// What the configuration says and no room keeps.
#[derive(Debug)]
pub struct Current {
    /// The configuration itself.
    pub loaded: Loaded,
    /// Who is believed about who is calling.
    pub proxies: net::TrustedProxies,
    /// The names of this door.
    pub origins: protocol::Origins,
    /// How long what has ended is kept.
    pub retention: store::Retention,
    /// Files whose change means that everything is made anew.
    pub files: Vec<std::path::PathBuf>,
}

impl Current {
    fn of(loaded: Loaded, snapshot: &Snapshot) -> Self {
        Self {
            loaded,
            proxies: snapshot.proxies.clone(),
            origins: snapshot.routes.origins.clone(),
            retention: snapshot.retention,
            files: snapshot.files.clone(),
        }
    }
}

impl House {
    /// Opens all rooms. Gives the uses of grants too, to be written behind the calls.
    pub async fn open(
        loaded: Loaded,
        environment: Environment,
        world: World,
    ) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<Use>), OpenError> {
        let rules = FetchRules {
            also: loaded.config.client_document_networks.clone(),
            ..FetchRules::default()
        };
        Box::pin(Self::open_with(
            loaded,
            environment,
            world,
            Arc::new(Strangers::new(rules)?),
        ))
        .await
    }

    /// The same with another way to fetch what strangers name, for tests.
    #[expect(
        clippy::too_many_lines,
        reason = "the rooms in their order, one after the other"
    )]
    pub async fn open_with(
        loaded: Loaded,
        environment: Environment,
        world: World,
        fetch: Arc<dyn Fetch>,
    ) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<Use>), OpenError> {
        let snapshot = compose(&loaded, &environment, None)?;
        let foundation = Foundation::open(loaded.clone(), environment, world.clone()).await?;
        foundation.recorder.begin().await;
        let store = &foundation.store;
        store.configure_clients(&snapshot.clients, world.now()).await?;
        let current = Current::of(loaded, &snapshot);
        let tasks = Tasks::new();
        let directory = Directory::new(store);
        let identities = Identities::new(world.clone(), store, foundation.recorder.clone());
        // After the two: it makes open streams look again, and they must not find what was before the change.
        let standing = Standing::load(world.clone(), store).await?;
        let key_ring = Arc::clone(&foundation.key_ring);
        let (verifier, uses) = Verifier::new(
            world.clone(),
            snapshot.settings.issuer.clone(),
            Arc::clone(&key_ring),
            Arc::clone(&standing),
            ClientNames::load(store).await?,
        );
        let service_tokens = Arc::new(ServiceTokens::new(
            world.clone(),
            Arc::clone(store),
            Arc::clone(&standing),
            verifier.uses(),
        ));
        let ways = WaysIn::new(snapshot.ways);
        let grants = ProviderGrants::new(
            world.clone(),
            Arc::clone(store),
            foundation.sealer.clone(),
            tasks.clone(),
        );
        let company = Company::new(
            world.clone(),
            Arc::clone(store),
            Arc::clone(&identities),
            foundation.recorder.clone(),
            (grants, Arc::clone(&ways)),
        );
        let readings = Readings::new(
            world.clone(),
            Arc::clone(store),
            company.clone(),
            Arc::clone(&ways),
        );
        let server = AuthorizationServer::new(
            issuer::Parts {
                world: world.clone(),
                store: Arc::clone(store),
                sealer: foundation.sealer.clone(),
                directory: Arc::clone(&directory),
                readings,
                recorder: foundation.recorder.clone(),
                key_ring: Arc::clone(&key_ring),
                standing: Arc::clone(&standing),
                verifier: Arc::clone(&verifier),
                known_clients: snapshot.known_clients,
                fetch,
            },
            snapshot.settings,
        );
        let (waiting, stop) = (Arc::clone(&server), tasks.shutting_down());
        tasks.spawn("device codes", async move {
            stop.await;
            waiting.stop_waiting();
        });
        let spans = Spans::open(&current.loaded).map_err(|error| OpenError::Otlp(format!("{error:#}")))?;
        let (connections, connection_uses) = Connections::new(
            world.clone(),
            (store, tasks.clone()),
            foundation.sealer.clone(),
            foundation.recorder.clone(),
            snapshot.connectors,
        );
        let people = (&directory, &ways, company);
        let web = pages(
            &foundation,
            &current,
            people,
            (&server, &connections),
            snapshot.site,
        );
        let (catalogue, learning) =
            Catalogue::new(world.clone(), Arc::clone(store), foundation.recorder.clone());
        for (name, route) in &snapshot.routes.servers {
            catalogue.load(name, route.credential_class()).await?;
        }
        let stop = tasks.clone();
        tasks.spawn("catalogue", async move {
            learning.run(stop.shutting_down()).await;
        });
        let gateway = Gateway::new(
            gateway::Parts {
                world,
                issuer: Arc::clone(&server),
                store: Arc::clone(store),
                verifier: Arc::clone(&verifier),
                service_tokens,
                identities,
                connections: Arc::clone(&connections),
                directory: Arc::clone(&directory),
                standing: Arc::clone(&standing),
                key_ring,
                sealer: foundation.sealer.clone(),
                recorder: foundation.recorder.clone(),
                tasks: tasks.clone(),
                pages: Arc::new(Pages(Arc::clone(&web))),
                catalogue: Arc::clone(&catalogue),
                tracing: spans.clone().map(|spans| spans as Arc<dyn Tracing>),
            },
            snapshot.routes,
        );
        let house = Self {
            foundation,
            tasks,
            directory,
            standing,
            verifier,
            server,
            gateway,
            web,
            ways,
            connections,
            connection_uses: Mutex::new(Some(connection_uses)),
            catalogue,
            spans,
            current: ArcSwap::from_pointee(current),
            reloading: tokio::sync::Mutex::default(),
            resealing: AtomicBool::new(false),
        };
        Ok((Arc::new(house), uses))
    }

    /// Records something that no person did.
    pub fn record(&self, what: What) {
        self.foundation.recorder.record(what, Person::default());
    }

    /// Waits for what is under way, writes what is left, and closes the database. Gives whether everything
    /// ended by itself.
    pub async fn close(&self) -> bool {
        let drain = self.current.load().loaded.config.limits.drain.0;
        let ended = self.tasks.shut_down(drain + LAST_TASKS).await;
        if let Some(spans) = &self.spans {
            spans.close().await;
        }
        self.record(What::Stopped);
        self.foundation.close().await;
        ended
    }
}

fn pages(
    foundation: &Foundation,
    current: &Current,
    (directory, ways, company): (&Arc<Directory>, &Arc<WaysIn>, Company),
    (server, connections): (&Arc<AuthorizationServer>, &Arc<Connections>),
    site: web::Site,
) -> Arc<Web> {
    let (world, store) = (foundation.world.clone(), Arc::clone(&foundation.store));
    let lives = &current.loaded.config.sessions;
    let policy = SessionPolicy {
        idle: lives.idle.0,
        absolute: lives.absolute.0,
    };
    let parts = web::Parts {
        sign_in: SignIn::new(
            world.clone(),
            Arc::clone(&store),
            foundation.passwords.clone(),
            foundation.recorder.clone(),
            company.clone(),
            Arc::clone(ways),
        ),
        company,
        factors: people::Factors::new(
            world.clone(),
            Arc::clone(&store),
            foundation.sealer.clone(),
            foundation.recorder.clone(),
        ),
        sessions: Sessions::new(
            world.clone(),
            Arc::clone(&store),
            Arc::clone(directory),
            foundation.recorder.clone(),
            policy,
        ),
        accounts: foundation.accounts.clone(),
        connections: Arc::clone(connections),
        recorder: foundation.recorder.clone(),
        server: Arc::clone(server),
        store,
        world,
    };
    Web::new(parts, site)
}

/// The gateway's pages for people are the web's.
#[derive(Debug)]
struct Pages(Arc<Web>);

impl HumanPages for Pages {
    fn endpoint_opened(
        &self,
        server: &str,
        endpoint: &str,
        asked: &HeaderMap,
        answer: &mut HeaderMap,
    ) -> String {
        let languages = asked
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        web::opened_in_browser(&self.0, languages, server, endpoint, answer)
    }
}
