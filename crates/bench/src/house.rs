//! The door that is measured: its configuration, as an operator would write it, with everything on.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;

use clap::Args;
use data_encoding::HEXLOWER;
use keys::digest::Sha256;
use serde_json::json;

/// The server whose calls are measured.
pub const SERVER: &str = "bench";
/// The client that people sign in with. Its name is as long as it is so that access tokens have 800 bytes.
pub const CLIENT: &str =
    "agents.platform.example.com/clients/coding-assistant/production/2026-11/client-of-the-benchmark";
/// Where it is sent back to.
pub const REDIRECT: &str = "http://127.0.0.1:43117/callback";

/// What a door is like.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// How it is known
    #[arg(long)]
    pub url: String,
    /// Where it listens
    #[arg(long)]
    pub listen: SocketAddr,
    /// The upstream of its servers
    #[arg(long)]
    pub upstream: SocketAddr,
    /// How long access tokens live
    #[arg(long, default_value = "4h")]
    pub access_token: String,
    /// A PostgreSQL instead of SQLite
    #[arg(long)]
    pub postgres: Option<String>,
    /// Servers in all
    #[arg(long, default_value_t = 10)]
    pub servers: usize,
    /// Rules of the server that is measured, in all
    #[arg(long, default_value_t = 10)]
    pub rules: usize,
}

impl Plan {
    /// Its `vestibule.yaml`.
    pub fn configuration(&self) -> String {
        let Self {
            url,
            listen,
            upstream,
            access_token,
            ..
        } = self;
        let mut text = format!(
            "public_url: {url}\nlisten: {listen}\nlifetimes: {{ access_token: {access_token}, code: 10m }}\n"
        );
        // A collector asks an address of its own; any free one will do, nobody asks.
        text.push_str("log: { level: warn }\nmetrics: { listen: \"127.0.0.1:0\" }\n");
        // Each call takes of two buckets and is counted while it is under way; none is ever refused.
        text.push_str("quotas:\n  people: { per: [person, server], rate: 100000000/1s, calls: 100000 }\n");
        text.push_str("  tools: { per: [client, tool], rate: 100000000/1s }\n");
        if let Some(postgres) = &self.postgres {
            let _ = writeln!(text, "database: {{ url: \"{postgres}\" }}");
        }
        let _ = writeln!(
            text,
            "clients:\n  \"{CLIENT}\": {{ name: Benchmark, redirect_uris: [\"{REDIRECT}\"] }}\nservers:"
        );
        let _ = writeln!(
            text,
            "  {SERVER}:\n    upstream: http://{upstream}/mcp\n    credential: {{ headers: {{ Authorization: \"Bearer the-credential-of-the-upstream\" }} }}\n    allow:"
        );
        text.push_str(
            "      - groups: [developers]\n        tools: [echo, event, hold, page, \"list-0*\"]\n",
        );
        for number in 1..self.rules {
            let _ = writeln!(
                text,
                "      - {{ groups: [team-{number}], tools: [\"deploy-{number}\", \"release-{number}-*\"] }}"
            );
        }
        for number in 1..self.servers {
            let _ = writeln!(
                text,
                "  server-{number}: {{ upstream: \"http://{upstream}/{number}\", allow: [{{ groups: [developers], tools: all }}] }}"
            );
        }
        text
    }
}

/// A backup that is being written.
pub(crate) struct Archive<W> {
    out: W,
    digest: Sha256,
    rows: u64,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            digest: Sha256::new(),
            rows: 0,
        }
    }

    pub(crate) fn line(&mut self, line: &str) -> std::io::Result<()> {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        writeln!(self.out, "{line}")
    }

    pub(crate) fn row(&mut self, row: &str) -> std::io::Result<()> {
        self.rows += 1;
        self.line(row)
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let foot = json!({ "rows": self.rows, "sha256": HEXLOWER.encode(&self.digest.finish()) });
        writeln!(self.out, "{foot}")?;
        self.out.flush()?;
        Ok(())
    }
}
