//! `vestibule check`: what is wrong with the configuration or its surroundings, in plain words.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use gateway::{Route, Transport};
use http::{HeaderMap, Method, Request, StatusCode, header};
use model::World;
use net::body;
use net::tls::Certificates;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::compose::{Snapshot, compose};
use crate::config::environment::{Environment, MASTER_KEY};
use crate::config::file::{ConfigError, Loaded};
use crate::output::Output;
use crate::storage::Storage;
use crate::{control, master_key, private_file};

/// How long an upstream may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A clock may differ by this much from those of the upstreams.
const CLOCK: Duration = Duration::from_secs(30);

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
        1 => Err(anyhow::anyhow!("there is 1 problem")),
        count => Err(anyhow::anyhow!("there are {count} problems")),
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
    hints(loaded, findings);
    data_dir(loaded, findings);
    keys(loaded, environment, findings);
    certificates(loaded, findings);
    listening(loaded, findings).await;
    database(loaded, findings).await;
    upstreams(&snapshot, world, findings).await;
}

/// What is allowed and yet most likely not meant.
fn hints(loaded: &Loaded, findings: &mut Findings) {
    let config = &loaded.config;
    if config.servers.is_empty() {
        findings.warning("servers", "there are none yet");
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
        for (header, text) in &server.credential.headers {
            let key = format!("servers.{name}.credential.headers.{header}");
            if vault::Template::parse(text, Path::new("")).is_ok_and(|template| template.is_plain()) {
                findings.warning(
                    key,
                    "the secret stands in the configuration file; put it into a file and write ${file:/path}",
                );
            }
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

fn data_dir(loaded: &Loaded, findings: &mut Findings) {
    let path = loaded.data_dir();
    let shown = path.display();
    if let Err(error) = private_file::create_folder(&path) {
        findings.problem("data_dir", format_args!("{shown} cannot be made: {error}"));
        return;
    }
    if let Err(error) = tempfile::NamedTempFile::new_in(&path) {
        findings.problem("data_dir", format_args!("{shown} cannot be written to: {error}"));
        return;
    }
    match std::fs::metadata(&path) {
        Ok(data) if data.mode() & 0o007 != 0 => findings.problem(
            "data_dir",
            format_args!("everybody on this machine can look into {shown}; `chmod 700 {shown}`"),
        ),
        _ => findings.good(
            "data_dir",
            format_args!("{shown} can be written to, by its owner alone"),
        ),
    }
}

fn keys(loaded: &Loaded, environment: &Environment, findings: &mut Findings) {
    if environment.get(MASTER_KEY).is_some() {
        findings.good("master key", format_args!("comes from {MASTER_KEY}"));
        return;
    }
    let path = master_key::path(loaded);
    if loaded.config.master_key_file.is_none() && !path.exists() {
        findings.good("master key", format_args!("will be made in {}", path.display()));
        return;
    }
    match master_key::read(&path) {
        Ok(key) => findings.good(
            "master key",
            format_args!("{} holds {}", path.display(), key.id()),
        ),
        Err(error) => findings.problem("master key", error),
    }
}

fn certificates(loaded: &Loaded, findings: &mut Findings) {
    let Some(tls) = &loaded.config.tls else { return };
    let (certificate, key) = (
        loaded.resolve(&tls.certificate_file),
        loaded.resolve(&tls.key_file),
    );
    match Certificates::load(&certificate, &key) {
        Ok(_) => findings.good("tls", format_args!("{} can be served", certificate.display())),
        Err(error) => findings.problem("tls", error),
    }
    if private_file::is_open_to_all(&key).unwrap_or(false) {
        findings.problem(
            "tls.key_file",
            format_args!(
                "everybody on this machine can read {}; `chmod 600` it",
                key.display()
            ),
        );
    }
}

async fn listening(loaded: &Loaded, findings: &mut Findings) {
    let address = loaded.config.listen;
    let ours = tokio::net::UnixStream::connect(control::path(&loaded.data_dir()))
        .await
        .is_ok();
    match TcpListener::bind(address).await {
        Ok(_) => findings.good("listen", format_args!("{address} is free")),
        Err(_) if ours => findings.good(
            "listen",
            format_args!("{address} is in use by the running server"),
        ),
        Err(error) => findings.problem("listen", format_args!("{address}: {error}")),
    }
}

async fn database(loaded: &Loaded, findings: &mut Findings) {
    let ours = tokio::net::UnixStream::connect(control::path(&loaded.data_dir()))
        .await
        .is_ok();
    if ours && loaded.config.database == crate::config::Database::default() {
        findings.good("database", "SQLite, in use by the running server");
        return;
    }
    match Storage::probe(loaded).await {
        Ok(found) => findings.good("database", found),
        Err(error) => findings.problem("database", error),
    }
}

async fn upstreams(snapshot: &Snapshot, world: &World, findings: &mut Findings) {
    let mut routes: Vec<_> = snapshot.routes.servers.values().collect();
    routes.sort_by(|a, b| a.name().cmp(b.name()));
    for route in routes {
        upstream(route, world, findings).await;
    }
}

/// Asks an upstream for a sign of life, with the credential that the door holds for it.
async fn upstream(route: &Route, world: &World, findings: &mut Findings) {
    let key = format!("servers.{}", route.name());
    let shown = &route.upstream;
    let answered = tokio::time::timeout(PATIENCE, route.client.call(ping(route))).await;
    let response = match answered {
        Err(_) => {
            let patience = PATIENCE.as_secs();
            return findings.problem(key, format_args!("{shown} did not answer within {patience} s"));
        }
        Ok(Err(error)) => return findings.problem(key, format_args!("{shown}: {error}")),
        Ok(Ok(response)) => response,
    };
    clock(&key, response.headers(), world, findings);
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if route.credential.names().next().is_none() => {
            findings.problem(
                key,
                format_args!("{shown} wants a credential; give one in `credential.headers`"),
            );
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            findings.problem(
                key,
                format_args!("{shown} refused the credential in `credential.headers`"),
            );
        }
        StatusCode::NOT_FOUND => {
            findings.problem(key, format_args!("{shown} answers 404; is the path right?"));
        }
        status if status.is_redirection() => {
            findings.problem(
                key,
                format_args!("{shown} answers {status}; redirects are not followed"),
            );
        }
        status if status.is_server_error() => {
            findings.warning(key, format_args!("{shown} answers {status}"));
        }
        _ => findings.good(key, format_args!("{shown} answers")),
    }
}

fn ping(route: &Route) -> Request<net::Body> {
    let (method, body, accept) = match route.transport {
        Transport::Streamable => (
            Method::POST,
            json!({ "jsonrpc": "2.0", "id": "vestibule-check", "method": "ping" }).to_string(),
            "application/json, text/event-stream",
        ),
        Transport::Sse => (Method::GET, String::new(), "text/event-stream"),
    };
    let mut request = Request::new(body::full(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = route.uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    for (name, value) in route.credential.headers().iter() {
        headers.append(name.clone(), value.clone());
    }
    request
}

/// Tokens are good or not by the clock: one that is wrong breaks sign-ins in ways that are hard to read.
fn clock(key: &str, headers: &HeaderMap, world: &World, findings: &mut Findings) {
    let theirs = headers
        .get(header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let Some(theirs) = theirs else { return };
    let theirs = model::Timestamp::from_seconds(theirs.timestamp().as_second());
    let now = world.now();
    let apart = now.since(theirs).max(theirs.since(now));
    if apart > CLOCK {
        findings.warning(
            "clock",
            format_args!(
                "this machine's clock and that of {key} are {} s apart",
                apart.as_secs()
            ),
        );
    }
}
