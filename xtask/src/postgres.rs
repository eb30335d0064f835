//! A PostgreSQL of one run's own: an empty cluster in a temporary folder, on loopback, under a user that is not
//! root (PostgreSQL refuses root). It is gone when the run ends.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::command::{program, run};

/// The account that Debian's package makes.
const USER: &str = "postgres";

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes one and starts it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        // Durability is what the crash tests of SQLite look at; here the tests should be quick, and write little.
        Self::with(
            "-c fsync=off -c full_page_writes=off -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0",
        )
    }

    /// One that keeps what it has acknowledged, as people run it.
    pub(crate) fn durable() -> anyhow::Result<Self> {
        Self::with("")
    }

    fn with(more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("vestibule-postgres-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let this = Self {
            folder,
            programs: programs()?,
            port,
        };
        if is_root() {
            run(program("chown").arg(USER).arg(this.folder.path()))?;
        }
        let data = this.folder.path().join("data");
        run(this
            .under("initdb")
            .args([
                "--auth=trust",
                "--username=vestibule",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .stdout(std::process::Stdio::null()))?;
        let options = format!(
            "{more} -c listen_addresses=127.0.0.1 -c port={port} -c max_connections=400 -c unix_socket_directories={}",
            this.folder.path().display()
        );
        let log = this.folder.path().join("log");
        let started = run(this
            .under("pg_ctl")
            .args(["-w", "-s", "start", "-o", &options, "-D"])
            .arg(&data)
            .arg("-l")
            .arg(&log)
            .stdout(std::process::Stdio::null()));
        if let Err(error) = started {
            let mut said = String::new();
            let _ = std::fs::File::open(&log).and_then(|mut log| log.read_to_string(&mut said));
            bail!("{error}\n{said}");
        }
        Ok(this)
    }

    /// The address of the database that is always there; tests make their own beside it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://vestibule@127.0.0.1:{}/postgres", self.port)
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<String> {
        let port = self.port.to_string();
        run(self.under("createdb").args([
            "--host=127.0.0.1",
            "--username=vestibule",
            "--port",
            &port,
            name,
        ]))?;
        Ok(format!("postgres://vestibule@127.0.0.1:{port}/{name}"))
    }

    fn under(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let stopped = run(self
            .under("pg_ctl")
            .args(["-w", "-s", "-m", "immediate", "stop", "-D"])
            .arg(data));
        if let Err(error) = stopped {
            anstream::eprintln!("PostgreSQL was not stopped: {error}");
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where `initdb` and `pg_ctl` are: Debian keeps them off the path, by version.
fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort_by_key(|path| version(path));
    found
        .pop()
        .context("there is no PostgreSQL server in /usr/lib/postgresql; `apt-get install postgresql`")
}

fn version(path: &Path) -> u32 {
    let name = path.parent().and_then(Path::file_name);
    name.and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}
