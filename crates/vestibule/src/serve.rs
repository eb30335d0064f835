//! Running the server: listener, schedule, control socket, signals, drain.

use std::sync::Arc;

use anyhow::Context as _;
use audit::What;
use model::World;
use net::tls::Certificates;
use net::{Limits, Server};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::config::Config;
use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::door::Door;
use crate::first_administrator::{self, Hand};
use crate::health::Health;
use crate::house::House;
use crate::metrics::Metrics;
use crate::system::Told;
use crate::{control, reload, scheduled};

/// A server that takes requests.
#[derive(Debug)]
pub struct Running {
    /// The rooms.
    pub house: Arc<House>,
    /// Whether it can serve.
    pub health: Health,
}

impl Running {
    /// Begins to take requests on `listener`, and asks for metrics on the other one.
    pub fn start(
        house: Arc<House>,
        uses: tokio::sync::mpsc::UnboundedReceiver<issuer::verify::Use>,
        listener: TcpListener,
        for_metrics: Option<TcpListener>,
    ) -> anyhow::Result<Self> {
        let health = Health::new(house.tasks.clone());
        let current = house.current.load_full();
        let config = &current.loaded.config;
        let certificates = match &config.tls {
            Some(tls) => {
                let certificates = Certificates::load(
                    &current.loaded.resolve(&tls.certificate_file),
                    &current.loaded.resolve(&tls.key_file),
                )?;
                certificates.reload_on_change(&house.tasks);
                Some(certificates)
            }
            None => None,
        };
        scheduled::start(&house, &health, uses);
        reload::start(&house);
        control::start(&house)?;
        house.record(What::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        house.record(What::ConfigurationLoaded {
            digest: reload::digest(config),
        });
        Server::new(limits(config), house.tasks.clone()).serve(
            listener,
            certificates,
            Door::new(Arc::clone(&house), health.clone()),
        );
        if let Some(listener) = for_metrics {
            let metrics = Metrics::of(Arc::clone(&house), health.clone());
            Server::new(Limits::default(), house.tasks.clone()).serve(listener, None, metrics);
        }
        Ok(Self { house, health })
    }

    /// Drains and closes.
    pub async fn stop(self) {
        if !self.house.close().await {
            warn!("some work did not end in time and was broken off");
        }
    }
}

/// Runs the server until SIGTERM or Ctrl-C.
///
/// # Errors
/// If it cannot be started.
pub async fn serve(loaded: Loaded, environment: Environment, world: World) -> anyhow::Result<()> {
    for name in &loaded.unknown_variables {
        warn!("the environment variable {name} sets nothing");
    }
    let mut told = Told::listen()?;
    let address = loaded.config.listen;
    let listener = net::listener::bind(address)
        .await
        .with_context(|| format!("listen: {address}"))?;
    let for_metrics = match loaded.config.metrics.listen {
        Some(address) => {
            let bound = net::listener::bind(address).await;
            Some(bound.with_context(|| format!("metrics.listen: {address}"))?)
        }
        None => None,
    };
    let (house, uses) = Box::pin(House::open(loaded, environment, world)).await?;
    let current = house.current.load_full();
    let public = current.origins.public().as_str();
    first_administrator::invite(&house.foundation, public, &Hand::here()).await?;
    let running = Running::start(house, uses, listener, for_metrics)?;
    info!(
        %address,
        public_url = public,
        servers = current.loaded.config.servers.len(),
        database = running.house.foundation.storage.engine(),
        "ready"
    );
    told.to_stop().await;
    info!("stopping; answers that are under way are finished first");
    tokio::select! {
        () = running.stop() => {}
        () = told.to_stop() => warn!("stopped at once"),
    }
    Ok(())
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connections: limits.connections,
        streams: limits.streams,
        head_bytes: limits.head.0,
        head_time: limits.head_time.0,
        drain_time: limits.drain.0,
        ..Limits::default()
    }
}
