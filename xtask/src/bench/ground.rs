//! What every row of a run stands on: an upstream, a door with people in it, their tokens, and tokens that are bad.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tempfile::TempDir;

use super::machine::{self, BESIDE, MEASURED, Serving, ask, free_address, on};
use crate::command::run;

/// The account that is multiplied, as `bench` names it, and its password.
const FIRST: &str = "person-0";
const PASSWORD: &str = "correct horse battery staple";

/// What a door should be like.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    /// Servers in its configuration.
    pub(crate) servers: u32,
    /// Accounts, each with a live grant.
    pub(crate) accounts: u32,
    /// Rules of the server that is measured.
    pub(crate) rules: u32,
    /// A PostgreSQL instead of SQLite.
    pub(crate) postgres: Option<String>,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            servers: 10,
            accounts: 64,
            rules: 10,
            postgres: None,
        }
    }
}

/// The upstream and a door's data.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Holds everything; gone with this value.
    pub(crate) folder: TempDir,
    pub(crate) upstream: Serving,
    /// Where the door listens, whenever it runs.
    pub(crate) door: SocketAddr,
    /// The program that is the door.
    program: PathBuf,
    size: Size,
}

impl Ground {
    /// Makes the door's data and its people, with that build of it.
    pub(crate) fn lay(size: Size, program: PathBuf) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("vestibule-bench-").tempdir()?;
        let address = free_address()?;
        let upstream = Serving::start(
            machine::part(&["upstream", &address.to_string()]),
            address,
            &folder.path().join("upstream.log"),
        )?;
        let this = Self {
            folder,
            upstream,
            door: free_address()?,
            program,
            size,
        };
        this.settle()?;
        Ok(this)
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// How the door is known.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.door)
    }

    /// Starts the door as it is measured.
    pub(crate) fn open(&self) -> anyhow::Result<Serving> {
        self.configure(&self.url(), "4h")?;
        self.start(MEASURED)
    }

    /// 64 people sign in and get tokens.
    pub(crate) fn sign_in(&self) -> anyhow::Result<()> {
        let door = self.open()?;
        self.tokens(&door, &self.url(), "bench", "64", "tokens")
    }

    /// Tokens that are each wrong in one way, with everything else right, issued by this very door.
    pub(crate) fn issue_bad_tokens(&self) -> anyhow::Result<()> {
        {
            let door = self.open()?;
            self.tokens(&door, &self.url(), "server-1", "1", "audience")?;
            let pem = ask(&["public-key", &door.address.to_string()])?;
            std::fs::write(self.file("key.pem"), pem)?;
        }
        {
            let other = format!("http://localhost:{}", self.door.port());
            self.configure(&other, "4h")?;
            let door = self.start(BESIDE)?;
            self.tokens(&door, &other, "bench", "1", "issuer")?;
        }
        // Over at the moment at which it is issued.
        self.configure(&self.url(), "0s")?;
        let door = self.start(BESIDE)?;
        self.tokens(&door, &self.url(), "bench", "1", "expired")
    }

    /// One person signs in on SQLite; a backup of that, with as many people as there shall be, goes into the
    /// database that is measured.
    fn settle(&self) -> anyhow::Result<()> {
        self.configure_on(None, &self.url(), "4h")?;
        self.vestibule(&["group", "add", "developers"], None)?;
        let add = ["user", "add", FIRST, "--group", "developers", "--password-stdin"];
        self.vestibule(&add, Some(PASSWORD))?;
        {
            let door = self.start(BESIDE)?;
            self.tokens(&door, &self.url(), "bench", "1", "first")?;
            door.stop()?;
        }
        let (one, many) = (self.path("one.backup"), self.path("many.backup"));
        self.vestibule(&["backup", &one], None)?;
        let accounts = self.size.accounts.to_string();
        ask(&["multiply", &one, &many, &accounts])?;
        self.empty()?;
        self.configure(&self.url(), "4h")?;
        self.vestibule(&["restore", &many], None)?;
        std::fs::remove_file(many)?;
        Ok(())
    }

    /// Takes the database away, but not the keys.
    fn empty(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(self.file("vestibule-data"))? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with("vestibule.db") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn configure(&self, url: &str, access_token: &str) -> anyhow::Result<()> {
        self.configure_on(self.size.postgres.as_deref(), url, access_token)
    }

    fn configure_on(&self, postgres: Option<&str>, url: &str, access_token: &str) -> anyhow::Result<()> {
        let (door, upstream) = (self.door.to_string(), self.upstream.address.to_string());
        let (servers, rules) = (self.size.servers.to_string(), self.size.rules.to_string());
        let mut words = vec![
            "configure",
            "--url",
            url,
            "--listen",
            &door,
            "--upstream",
            &upstream,
        ];
        words.extend([
            "--access-token",
            access_token,
            "--servers",
            &servers,
            "--rules",
            &rules,
        ]);
        if let Some(postgres) = postgres {
            words.extend(["--postgres", postgres]);
        }
        Ok(std::fs::write(self.file("vestibule.yaml"), ask(&words)?)?)
    }

    fn start(&self, core: &str) -> anyhow::Result<Serving> {
        let config = self.path("vestibule.yaml");
        let words = ["serve", "--config", &config];
        let serving = Serving::start(
            on(core, &self.program, &words),
            self.door,
            &self.file("vestibule.log"),
        )?;
        // It listens before it has made everything ready: whatever it answers, it answers by then.
        let mut stream = TcpStream::connect(self.door)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        stream.read_exact(&mut [0])?;
        Ok(serving)
    }

    fn tokens(
        &self,
        door: &Serving,
        url: &str,
        server: &str,
        people: &str,
        name: &str,
    ) -> anyhow::Result<()> {
        let (address, out) = (door.address.to_string(), self.path(name));
        let words = ["sign-in", "--address", &address, "--url", url, "--server", server];
        ask(&[&words[..], &["--people", people, "--out", &out]].concat())?;
        Ok(())
    }

    /// Runs a command of the operator's to its end.
    fn vestibule(&self, words: &[&str], input: Option<&str>) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .arg("--config")
            .arg(self.file("vestibule.yaml"))
            .stdout(Stdio::null());
        let file = self.file("input");
        std::fs::write(&file, input.unwrap_or_default())?;
        command.stdin(std::fs::File::open(&file)?);
        run(&mut command).context("the door cannot be prepared")
    }
}

/// Asks with the six bad tokens.
pub(crate) fn turns_bad_tokens_away(address: SocketAddr, path: &str, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.display().to_string();
    ask(&["turn-away", &address.to_string(), path, &folder]).map(drop)
}
