//! From the configuration to what the rooms decide by. Everything that is wrong is found at once, so that
//! one round of mending is enough.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use gateway::Routes;
use issuer::{IssFlag, KnownClients, Lifetimes, Machines, RefreshRules, Registration, Resource, Settings};
use model::Requirements;
use net::TrustedProxies;
use people::Ways;
use protocol::{Issuer, Origin, Origins};
use relying::TrustedIssuer;
use store::{NewClient, Retention};
use vault::Connectors;

use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::config::{Auth, Config, Iss, RegistrationMode};

mod api;
mod arguments;
mod clients;
mod connectors;
mod directories;
mod issuers;
mod legacy;
mod machines;
mod policies;
mod providers;
mod quotas;
mod requirements;
mod servers;
mod ways;

pub use policies::policies_of;

/// Something in the configuration that cannot stay so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, as `servers.gitea.upstream`.
    pub key: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// Everything that is wrong.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let break_before = if at == 0 { "" } else { "\n" };
            write!(f, "{break_before}{problem}")?;
        }
        Ok(())
    }
}

impl Problems {
    pub(crate) fn add(&mut self, key: impl Into<String>, text: impl fmt::Display) {
        self.0.push(Problem {
            key: key.into(),
            text: text.to_string(),
        });
    }

    /// Keeps what worked, or notes what did not.
    pub(crate) fn take<T, E: fmt::Display>(
        &mut self,
        key: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(key, error);
                None
            }
        }
    }
}

/// What a running server decides by; replaced as one when the configuration changes.
#[derive(Debug)]
pub struct Snapshot {
    /// For the authorization server.
    pub settings: Settings,
    /// For the gateway.
    pub routes: Routes,
    /// For the pages.
    pub site: web::Site,
    /// How people sign in.
    pub ways: Ways,
    /// At which providers people link accounts.
    pub connectors: Connectors,
    /// Who is believed about who is calling.
    pub proxies: TrustedProxies,
    /// Clients of the configuration, with the digests of their secrets.
    pub clients: Vec<NewClient>,
    /// Known programs.
    pub known_clients: KnownClients,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// Files whose change means that everything is made anew.
    pub files: Vec<PathBuf>,
}

/// What is decided by at this moment, for taking over what does not change.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The gateway's part.
    pub routes: &'a Routes,
    /// How people sign in.
    pub ways: &'a Ways,
    /// At which providers people link accounts.
    pub connectors: &'a Connectors,
}

/// Makes a snapshot. Ways to upstreams that `before` has are taken over, with their open connections, and what is known
/// of providers.
///
/// # Errors
/// Everything that is wrong with the configuration and the files it names.
pub fn compose(
    loaded: &Loaded,
    environment: &Environment,
    before: Option<Before<'_>>,
) -> Result<Snapshot, Problems> {
    let mut problems = Problems::default();
    let config = &loaded.config;
    let ways_before = before.map(|before| before.ways);
    let connectors_before = before.map(|before| before.connectors);
    let before = before.map(|before| before.routes);
    let Some(public) = config.public_url.clone() else {
        problems.add(
            "public_url",
            "is missing: it is the address under which people and clients reach this door, for example https://mcp.example.com",
        );
        return Err(problems);
    };
    let origins = Origins::new(public, config.public_names.clone());
    check_listening(config, origins.public(), &mut problems);
    let issuer = Issuer::of(origins.public());
    let mut sources = Sources {
        loaded,
        environment,
        files: loaded.path.iter().cloned().collect(),
        issuers: HashMap::new(),
    };
    let policies = policies::policies(&mut sources, &mut problems);
    requirements::check(config, &mut problems);
    quotas::check(config, &mut problems);
    arguments::check(config, &mut problems);
    sources.issuers = issuers::issuers(&mut sources, before, &mut problems);
    let machines = machines::machines(&sources, &mut problems);
    let programs = machines.all();
    let ways = ways::ways(&mut sources, ways_before, &mut problems);
    let connectors = connectors::connectors(&mut sources, connectors_before, &mut problems);
    let mut resources = Vec::new();
    let mut servers = HashMap::new();
    for (name, server) in &config.servers {
        let known = before.and_then(|routes| routes.servers.get(name));
        if let Some(route) = servers::route(
            &mut sources,
            (&policies, &connectors, (&machines, &programs)),
            origins.public(),
            name,
            server,
            known,
            &mut problems,
        ) {
            // Nobody is given a token of ours for a server that takes none.
            if route.trust.as_ref().is_none_or(|trust| !trust.alone) {
                resources.push(Arc::clone(&route.resource));
            }
            servers.insert(name.clone(), Arc::new(route));
        }
    }
    issuers::no_audience_twice(&servers, &mut problems);
    let clients = clients::clients(&mut sources, &mut problems);
    let known_clients = known_clients(&mut sources, &mut problems);
    if let Some(name) = &config.default_server
        && !config.servers.contains_key(name)
    {
        problems.add("default_server", format_args!("there is no server called {name}"));
    }
    if let Some(name) = &config.default_server
        && config
            .servers
            .get(name)
            .is_some_and(|server| server.auth == Auth::Issuer)
    {
        problems.add(
            "default_server",
            format_args!("{name} takes no tokens of this door"),
        );
    }
    let settings = Settings {
        machines,
        ..settings(config, origins.clone(), issuer.clone(), resources)
    };
    let Some(known_clients) = known_clients.filter(|_| problems.0.is_empty()) else {
        return Err(problems);
    };
    Ok(Snapshot {
        settings,
        ways,
        connectors,
        site: web::Site {
            title: config.title.clone(),
            origin: origins.public().clone(),
        },
        routes: Routes {
            origins,
            issuer,
            title: config.title.clone(),
            allowed_origins: config.allowed_origins.clone(),
            keep_alive: config.limits.keep_alive.0,
            issuers: sources.issuers,
            servers,
        },
        proxies: TrustedProxies::new(config.trusted_proxies.clone()),
        clients,
        known_clients,
        retention: retention(config),
        files: sources.files,
    })
}

/// The ways in of a configuration alone, for commands.
///
/// # Errors
/// Everything that is wrong with them.
pub fn ways_of(loaded: &Loaded, environment: &Environment) -> Result<Ways, Problems> {
    let mut problems = Problems::default();
    let mut sources = Sources {
        loaded,
        environment,
        files: Vec::new(),
        issuers: HashMap::new(),
    };
    let ways = ways::ways(&mut sources, None, &mut problems);
    if problems.0.is_empty() {
        Ok(ways)
    } else {
        Err(problems)
    }
}

/// Where the composing reads from; every file that it reads is noted.
struct Sources<'a> {
    loaded: &'a Loaded,
    environment: &'a Environment,
    files: Vec<PathBuf>,
    /// The issuers that servers may trust.
    issuers: HashMap<String, Arc<TrustedIssuer>>,
}

impl Sources<'_> {
    /// A path of the configuration, noted.
    fn path(&mut self, path: &std::path::Path) -> PathBuf {
        let path = self.loaded.resolve(path);
        self.files.push(path.clone());
        path
    }

    /// A file's text, noted.
    fn read(&mut self, path: &std::path::Path) -> Result<String, String> {
        let path = self.path(path);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn check_listening(config: &Config, public: &Origin, problems: &mut Problems) {
    if !public.is_https() && !public.is_loopback() {
        problems.add(
            "public_url",
            format_args!(
                "{public} is plain http, which is safe on this machine alone; tokens and passwords need https"
            ),
        );
    }
    let alone = config.listen.ip().is_loopback();
    if !alone && config.tls.is_none() && config.trusted_proxies.is_empty() {
        problems.add(
            "listen",
            format_args!(
                "{} can be reached from other machines in plain http; give certificate files in `tls`, or list the proxy that ends TLS in `trusted_proxies`, or listen on 127.0.0.1",
                config.listen
            ),
        );
    }
    check_master_key(config, problems);
    if config.limits.keep_alive.0.is_zero() {
        problems.add("limits.keep_alive", "must be longer than nothing");
    }
    if config.lifetimes.access_token.0 > issuer::settings::LONGEST_ACCESS {
        problems.add(
            "lifetimes.access_token",
            "an access token may live for 24h at most",
        );
    }
}

fn check_master_key(config: &Config, problems: &mut Problems) {
    if config.master_key_file.is_some() && config.master_key_command.is_some() {
        problems.add(
            "master_key_command",
            "there is `master_key_file` too; the key that seals comes from one place",
        );
    }
    let older = config.older_master_key_commands.iter();
    for words in config.master_key_command.iter().chain(older) {
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            problems.add(
                "master_key_command",
                "names no program; it is a list of words, as [aws, kms, decrypt]",
            );
        }
    }
}

fn known_clients(sources: &mut Sources<'_>, problems: &mut Problems) -> Option<KnownClients> {
    let key = "known_clients_file";
    let text = match &sources.loaded.config.known_clients_file {
        Some(path) => Some(problems.take(key, sources.read(path))?),
        None => None,
    };
    problems.take(key, KnownClients::load(text.as_deref()))
}

fn settings(config: &Config, origins: Origins, issuer: Issuer, resources: Vec<Arc<Resource>>) -> Settings {
    let lives = &config.lifetimes;
    Settings {
        origins,
        issuer,
        resources,
        default_server: config.default_server.clone(),
        lifetimes: Lifetimes {
            access: lives.access_token.0,
            id_token: lives.id_token.0,
            code: lives.code.0,
            device_code: lives.device_code.0,
            transaction: lives.consent.0,
            refresh_idle: lives.refresh_idle.0,
            refresh_absolute: lives.refresh_absolute.0,
        },
        refresh: RefreshRules {
            redelivery: config.refresh.redelivery.0,
            overlap: config.refresh.overlap.0,
            ..RefreshRules::default()
        },
        registration: match config.registration {
            RegistrationMode::Open => Registration::Open,
            RegistrationMode::Closed => Registration::Closed,
        },
        device: config.device_authorization,
        unlimited_registration: config.unlimited_registration.clone(),
        allowed_hosts: config.allowed_client_hosts.clone(),
        strict_loopback: config.strict_loopback,
        iss: match config.iss {
            Iss::Always => IssFlag::On,
            Iss::Auto => IssFlag::Auto,
            Iss::Never => IssFlag::Off,
        },
        elsewhere: config.copy_callback,
        contact: config.contact.clone(),
        require: Requirements::new(requirements::of_people(config)),
        machines: Machines::default(),
    }
}

fn retention(config: &Config) -> Retention {
    let kept = &config.retention;
    Retention {
        unused_client: kept.unused_client.0,
        replaced_grant: kept.replaced_grant.0,
        idle_session: config.sessions.idle.0,
        redelivery: config.refresh.redelivery.0,
        rotated_token: kept.rotated_token.0,
        ended_grant: kept.ended_grant.0,
        audit: kept.audit.0,
    }
}

#[cfg(test)]
mod tests;
