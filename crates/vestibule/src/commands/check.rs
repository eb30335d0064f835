//! `vestibule check`: what is wrong with the configuration or its surroundings, in plain words.

use std::path::Path;

use anyhow::anyhow;
use data_encoding::HEXLOWER;
use keys::Sealed;
use model::World;
use people::Means;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::compose::{Snapshot, compose};
use crate::config::environment::Environment;
use crate::config::file::{ConfigError, Loaded};
use crate::config::policy::{Allow, Tools};
use crate::control;
use crate::output::{Output, Said};
use crate::storage::Storage;
use crate::system;

mod files;
mod upstreams;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    /// As it should be.
    Good,
    /// It will run, and somebody should look at it.
    Warning,
    /// It will not run, or not safely.
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    grade: Grade,
    about: String,
    text: String,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, grade: Grade, about: impl Into<String>, text: impl std::fmt::Display) {
        self.0.push(Finding {
            grade,
            about: about.into(),
            text: text.to_string(),
        });
    }

    fn good(&mut self, about: impl Into<String>, text: impl std::fmt::Display) {
        self.add(Grade::Good, about, text);
    }

    fn warning(&mut self, about: impl Into<String>, text: impl std::fmt::Display) {
        self.add(Grade::Warning, about, text);
    }

    fn problem(&mut self, about: impl Into<String>, text: impl std::fmt::Display) {
        self.add(Grade::Problem, about, text);
    }
}

/// Looks at everything. Fails if there is a problem.
///
/// # Errors
/// How many problems there are.
pub async fn run(
    loaded: anyhow::Result<Loaded>,
    environment: &Environment,
    world: &World,
    output: Output,
) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    match loaded {
        Ok(loaded) => look(&loaded, environment, world, &mut findings).await,
        Err(error) if error.downcast_ref::<ConfigError>().is_some() => {
            findings.problem("configuration", error);
        }
        Err(error) => return Err(error),
    }
    show(&findings, output);
    let problems = findings
        .0
        .iter()
        .filter(|finding| finding.grade == Grade::Problem)
        .count();
    match problems {
        0 => Ok(()),
        // The findings are the whole answer.
        _ if output.json => Err(Said.into()),
        1 => Err(anyhow!("there is 1 problem")),
        count => Err(anyhow!("there are {count} problems")),
    }
}

fn show(findings: &Findings, output: Output) {
    if output.json {
        output.print(&format!("{:#}", json!(findings.0)));
        return;
    }
    let (green, yellow, red) = (
        anstyle::AnsiColor::Green.on_default(),
        anstyle::AnsiColor::Yellow.on_default(),
        anstyle::AnsiColor::Red.on_default().bold(),
    );
    let plain = anstyle::Reset;
    for finding in &findings.0 {
        let (colour, word) = match finding.grade {
            Grade::Good => (green, "ok     "),
            Grade::Warning => (yellow, "warning"),
            Grade::Problem => (red, "problem"),
        };
        output.print(&format!(
            "{colour}{word}{plain}  {}: {}",
            finding.about, finding.text
        ));
    }
}

async fn look(loaded: &Loaded, environment: &Environment, world: &World, findings: &mut Findings) {
    for name in &loaded.unknown_variables {
        findings.warning("environment", format_args!("{name} sets nothing"));
    }
    let snapshot = match compose(loaded, environment, None) {
        Ok(snapshot) => snapshot,
        Err(problems) => {
            for problem in problems.0 {
                findings.problem(problem.key, problem.text);
            }
            return;
        }
    };
    findings.good("configuration", "is sound");
    hints(loaded, world, findings);
    files::data_dir(loaded, findings);
    files::certificates(loaded, world, findings);
    listening(loaded, findings).await;
    let sealed = database(loaded, findings).await;
    files::master_keys(loaded, environment, sealed, findings).await;
    upstreams::upstreams(&snapshot, world, findings).await;
    providers(&snapshot, world, findings).await;
    directories(&snapshot, world, findings).await;
    upstreams::connectors(&snapshot, world, findings).await;
}

/// What is allowed and yet most likely not meant.
fn hints(loaded: &Loaded, world: &World, findings: &mut Findings) {
    let config = &loaded.config;
    if config.servers.is_empty() {
        findings.warning("servers", "there are none yet");
    }
    if let Some(address) = config
        .metrics
        .listen
        .filter(|address| !address.ip().is_loopback())
    {
        let text =
            format!("{address} asks for no password; see that only the machine that collects can reach it");
        findings.warning("metrics.listen", text);
    }
    for (name, server) in &config.servers {
        if server
            .allow
            .iter()
            .all(|rule| rule.groups.is_empty() && rule.people.is_empty())
        {
            findings.warning(
                format!("servers.{name}.allow"),
                "names nobody: nobody may use this server",
            );
        }
        let reads_only = |rule: &Allow| rule.tools == Some(Tools::ReadOnly);
        if !server.trust_annotations && server.allow.iter().any(reads_only) {
            findings.warning(
                format!("servers.{name}.allow"),
                "`tools: read-only` covers nothing, because what the server says of its tools is not believed; set `trust_annotations: true` if you trust it",
            );
        }
        if let Some(legacy) = server
            .legacy
            .as_ref()
            .filter(|legacy| legacy.until.0 <= world.now())
        {
            findings.warning(
                format!("servers.{name}.legacy"),
                format_args!(
                    "{} has come: old tokens are refused, and this section can go",
                    legacy.until
                ),
            );
        }
        for (header, text) in &server.credential.headers {
            let key = format!("servers.{name}.credential.headers.{header}");
            // Where each person shows their own credential, other headers say which instance or mode is meant.
            let may_be_secret = server.credential.connector.is_none() || is_secret_by_name(header);
            let is_plain =
                vault::Template::parse(text, Path::new("")).is_ok_and(|template| template.is_plain());
            if is_plain && may_be_secret {
                findings.warning(
                    key,
                    "the secret stands in the configuration file; put it into a file and write ${file:/path}",
                );
            }
        }
    }
    for (name, provider) in &config.sign_in.providers {
        let is_plain = |text: &String| {
            vault::Template::parse(text, Path::new("")).is_ok_and(|template| template.is_plain())
        };
        if provider.client_secret.as_ref().is_some_and(is_plain) {
            findings.warning(
                format!("sign_in.providers.{name}.client_secret"),
                "the secret stands in the configuration file; put it into a file and name that in client_secret_file",
            );
        }
    }
    let public = config.public_url.as_ref();
    if public.is_some_and(protocol::Origin::is_https)
        && config.tls.is_none()
        && config.trusted_proxies.is_empty()
    {
        findings.warning(
            "trusted_proxies",
            "is empty and there is no `tls`: a proxy on this machine works, but every caller looks like 127.0.0.1; list the proxy",
        );
    }
}

/// Whether a header of this name carries a secret.
fn is_secret_by_name(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["authorization", "cookie", "key", "password", "secret", "token"]
        .iter()
        .any(|word| header.contains(word))
}

/// Whether the providers at which people sign in answer, as far as their metadata goes.
async fn providers(snapshot: &Snapshot, world: &World, findings: &mut Findings) {
    for provider in &snapshot.ways.providers {
        let key = format!("sign_in.providers.{}", provider.name);
        match provider.upstream.examine(world.now()).await {
            Ok(()) => findings.good(key, format_args!("{} answers", provider.issuer())),
            Err(error) => findings.problem(key, error),
        }
    }
}

/// Whether each server of each directory answers, lets us search, and has what is searched; and whether each service tells
/// nobody from somebody.
async fn directories(snapshot: &Snapshot, world: &World, findings: &mut Findings) {
    for directory in &snapshot.ways.directories {
        let key = format!("sign_in.directories.{}", directory.name);
        match &directory.means {
            Means::Ldap(ldap) => by_ldap(&key, ldap, findings).await,
            Means::Http(check) => {
                let nobody = format!("vestibule-check-{}", HEXLOWER.encode(&world.random::<8>()));
                for (url, found) in check.examine(&nobody).await {
                    match found {
                        Ok(()) => findings.good(
                            &key,
                            format_args!("{url} answers, and knows nobody who is nobody"),
                        ),
                        Err(error) => findings.problem(&key, format_args!("{url}: {error}")),
                    }
                }
            }
        }
    }
}

async fn by_ldap(key: &str, directory: &ldap::Directory, findings: &mut Findings) {
    for (url, found) in directory.examine().await {
        match found {
            Ok(()) => findings.good(key, format_args!("{url} answers, and people are found there")),
            Err(error) => findings.problem(key, format_args!("{url}: {error}")),
        }
    }
    let settings = directory.settings();
    if settings.urls.iter().any(|url| url.scheme() == "ldap") && !settings.start_tls {
        findings.warning(key, "passwords go there in the clear");
    }
}

async fn listening(loaded: &Loaded, findings: &mut Findings) {
    let address = loaded.config.listen;
    let ours = system::connect(&control::path(&loaded.data_dir())).await.is_ok();
    match TcpListener::bind(address).await {
        Ok(_) => findings.good("listen", format_args!("{address} is free")),
        Err(_) if ours => findings.good(
            "listen",
            format_args!("{address} is in use by the running server"),
        ),
        Err(error) => findings.problem("listen", format_args!("{address}: {error}")),
    }
}

/// Whether it can be opened. Gives the signing keys in it, sealed, if they could be read.
async fn database(loaded: &Loaded, findings: &mut Findings) -> Option<Vec<Sealed>> {
    let ours = system::connect(&control::path(&loaded.data_dir())).await.is_ok();
    if ours && loaded.config.database == crate::config::Database::default() {
        findings.good("database", "SQLite, in use by the running server");
        return None;
    }
    match Storage::probe(loaded).await {
        Ok((found, sealed)) => {
            findings.good("database", found);
            Some(sealed.into_iter().map(Sealed::from_bytes).collect())
        }
        Err(error) => {
            findings.problem("database", error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;

    #[test]
    fn a_header_is_taken_for_a_secret_where_it_may_be_one() {
        let warned = |credential: &str| {
            let text = format!(
                "servers:\n  a:\n    upstream: http://a/\n    allow: [{{ groups: [x], tools: all }}]\n    credential: {credential}\n"
            );
            let loaded = file::parse(
                &text,
                Path::new("vestibule.yaml"),
                "/etc".into(),
                &Environment::default(),
            );
            let mut findings = Findings::default();
            hints(&loaded.unwrap(), &crate::clock::system_world(), &mut findings);
            findings
                .0
                .iter()
                .filter(|finding| finding.text.contains("secret"))
                .count()
        };
        assert_eq!(warned("{ headers: { Authorization: Bearer x, X-Org: a } }"), 2);
        assert_eq!(warned("{ headers: { Authorization: \"Bearer ${file:x}\" } }"), 0);
        let jira = "connector: a, recipe: mcp-atlassian-jira, host: jira.example.com";
        assert_eq!(warned(&format!("{{ {jira} }}")), 0, "where it is asked is none");
        assert_eq!(
            warned(&format!("{{ {jira}, headers: {{ X-Door-Token: x }} }}")),
            1
        );
    }
}
