//! A new configuration without a restart: on SIGHUP, and when the file or a file it names changes.

use std::path::PathBuf;
use std::sync::Arc;

use audit::What;
use keys::sha256;
use net::watch;
use tracing::{error, info, warn};
use vault::Recipe;

use crate::config::file;
use crate::config::{Config, Limits};
use crate::house::House;
use crate::system::HangUp;

/// Starts looking.
pub fn start(house: &Arc<House>) {
    on_signal(house);
    on_change(house);
    on_credential_change(house);
}

fn on_signal(house: &Arc<House>) {
    let mut hangup = match HangUp::listen() {
        Ok(hangup) => hangup,
        Err(error) => return warn!(%error, "SIGHUP cannot be heard"),
    };
    let this = Arc::clone(house);
    house.tasks.spawn("sighup", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = hangup.heard() => reload(&this).await,
            }
        }
    });
}

fn on_change(house: &Arc<House>) {
    let this = Arc::clone(house);
    let mut last = watch::look(&house.current.load().files);
    house.tasks.every("configuration", watch::PERIOD, move || {
        let now = watch::look(&this.current.load().files);
        let changed = now != last;
        let this = Arc::clone(&this);
        if changed {
            last = now;
        }
        async move {
            if changed {
                reload(&this).await;
            }
        }
    });
}

/// Credential files are read again by themselves: a new secret counts even while the configuration is being
/// edited.
fn on_credential_change(house: &Arc<House>) {
    let this = Arc::clone(house);
    let files = |house: &House| -> Vec<PathBuf> {
        let routes = house.gateway.routes();
        let mut names: Vec<_> = routes.servers.keys().cloned().collect();
        names.sort();
        let of = |name| routes.servers.get(name).into_iter();
        names
            .iter()
            .flat_map(|name| {
                of(name)
                    .flat_map(|route| {
                        let own = route.recipe.iter().flat_map(Recipe::files);
                        route.credential.files().chain(own).cloned()
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let mut last = watch::look(&files(house));
    house.tasks.every("credentials", watch::PERIOD, move || {
        let now = watch::look(&files(&this));
        if now != last {
            last = now;
            for (name, route) in &this.gateway.routes().servers {
                let environment = &this.foundation.environment;
                let own = route
                    .recipe
                    .as_ref()
                    .map_or(Ok(()), |recipe| recipe.reload(environment));
                match route.credential.reload(environment).and(own) {
                    Ok(()) => info!(server = %name, "upstream credential read again"),
                    Err(error) => {
                        warn!(server = %name, %error, "upstream credential not read; the one before stays");
                    }
                }
            }
        }
        std::future::ready(())
    });
}

/// Reads everything again. What is wrong is logged, and the configuration before stays.
async fn reload(house: &House) {
    let _turn = house.reloading.lock().await;
    let before = house.current.load_full();
    let Some(path) = before.loaded.path.clone() else {
        return;
    };
    let environment = &house.foundation.environment;
    let mut loaded = match file::load(&path, environment) {
        Ok(loaded) => loaded,
        Err(error) => return error!(%error, "configuration not reloaded; the one before stays"),
    };
    for key in keep_until_restart(&before.loaded.config, &mut loaded.config) {
        warn!(key, "this change counts after a restart");
    }
    let digest = digest(&loaded.config);
    match house.reconfigure(loaded).await {
        Ok(()) => {
            info!(file = %path.display(), "configuration reloaded");
            house.record(What::ConfigurationLoaded { digest });
        }
        Err(error) => error!(%error, "configuration not reloaded; the one before stays"),
    }
}

/// What names a configuration in the audit record.
pub fn digest(config: &Config) -> String {
    let text = serde_json::to_string(config).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&sha256(text.as_bytes())[..8])
}

/// Puts back what cannot change while running, so that no half of the server knows it before the other. Gives
/// the keys that wait for a restart.
fn keep_until_restart(before: &Config, after: &mut Config) -> Vec<&'static str> {
    fn keep<T: Clone + PartialEq>(
        key: &'static str,
        before: &T,
        after: &mut T,
        kept: &mut Vec<&'static str>,
    ) {
        if before != after {
            after.clone_from(before);
            kept.push(key);
        }
    }
    let mut kept = Vec::new();
    let limits = Limits {
        keep_alive: after.limits.keep_alive,
        ..before.limits.clone()
    };
    keep("limits", &limits, &mut after.limits, &mut kept);
    let (before_it, after_it) = (&before.audit.durability, &mut after.audit.durability);
    keep("audit.durability", before_it, after_it, &mut kept);
    macro_rules! keep {
        ($($key:ident),+) => {
            $(keep(stringify!($key), &before.$key, &mut after.$key, &mut kept);)+
        };
    }
    keep!(
        public_url,
        data_dir,
        listen,
        tls,
        database,
        log,
        metrics,
        otlp,
        sessions,
        client_document_networks
    );
    kept
}
