//! The rows: what stands between the load and the upstream.

use std::net::SocketAddr;
use std::path::Path;

use super::ground::{Ground, turns_bad_tokens_away};
use super::machine::{MEASURED, Serving, built, free_address, on};

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Row {
    /// The upstream itself, on the core where proxies are measured
    Direct,
    /// A proxy in Rust that only copies
    Hyper,
    /// HAProxy that only copies
    Haproxy,
    /// HAProxy that verifies each token and its claims
    HaproxyJwt,
    /// nginx that only copies
    Nginx,
    /// The door, with everything on
    Vestibule,
    /// Another build of the door, given with `--before`
    #[value(skip)]
    Before,
}

impl Row {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 6] = [
        Self::Direct,
        Self::Hyper,
        Self::Haproxy,
        Self::HaproxyJwt,
        Self::Nginx,
        Self::Vestibule,
    ];

    /// What the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Hyper => "bare hyper",
            Self::Haproxy => "HAProxy",
            Self::HaproxyJwt => "HAProxy jwt_verify",
            Self::Nginx => "nginx",
            Self::Vestibule => "Vestibule",
            Self::Before => "Vestibule before",
        }
    }

    /// Whether it looks at tokens.
    pub(crate) fn verifies(self) -> bool {
        matches!(self, Self::HaproxyJwt | Self::Vestibule | Self::Before)
    }

    /// Starts it, on the core where it is measured. One that verifies must turn away what is bad.
    pub(crate) fn start(self, ground: &Ground) -> anyhow::Result<Serving> {
        let upstream = ground.upstream.address;
        let address = free_address()?;
        let log = ground.file(&format!("{self:?}.log"));
        let serving = match self {
            Self::Direct => {
                let words = ["upstream", &address.to_string()];
                Serving::start(on(MEASURED, &built("bench"), &words), address, &log)?
            }
            Self::Hyper => {
                let words = ["bare", &address.to_string(), &upstream.to_string()];
                Serving::start(on(MEASURED, &built("bench"), &words), address, &log)?
            }
            Self::Haproxy | Self::HaproxyJwt => {
                let file = ground.file(&format!("{self:?}.cfg"));
                let checks = match self {
                    Self::HaproxyJwt => checks(&ground.url(), &ground.path("key.pem")),
                    _ => String::new(),
                };
                std::fs::write(&file, haproxy(address, upstream, &checks))?;
                let words = ["-db", "-f", &file.display().to_string()];
                Serving::start(
                    on(MEASURED, Path::new("/usr/sbin/haproxy"), &words),
                    address,
                    &log,
                )?
            }
            Self::Nginx => {
                let file = ground.file("nginx.conf");
                std::fs::write(&file, nginx(address, upstream, ground.folder.path()))?;
                let words = ["-c", &file.display().to_string()];
                Serving::start(on(MEASURED, Path::new("/usr/sbin/nginx"), &words), address, &log)?
            }
            Self::Vestibule | Self::Before => ground.open()?,
        };
        if self.verifies() {
            turns_bad_tokens_away(serving.address, PATH, ground.folder.path())?;
        }
        Ok(serving)
    }
}

/// The path that is asked for, everywhere.
pub(crate) const PATH: &str = "/mcp/bench";

fn haproxy(address: SocketAddr, upstream: SocketAddr, checks: &str) -> String {
    format!(
        "global
    nbthread 1
    maxconn 9500
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    option http-keep-alive
    http-reuse always
    # Else the first event of a stream that stays open waits for 0.2 s.
    option http-no-delay
frontend door
    bind {address}
{checks}    default_backend upstream
backend upstream
    server upstream {upstream} pool-max-conn -1
"
    )
}

/// Signature, algorithm, issuer, audience and expiry; from HAProxy's own documentation of `jwt_verify`.
fn checks(url: &str, key: &str) -> String {
    format!(
        "    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {url} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {url}{PATH} }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 1 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") -m int 1 }}
"
    )
}

fn nginx(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    upstream upstream {{ server {upstream}; keepalive 10000; keepalive_requests 1000000000; }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://upstream;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"
    )
}
