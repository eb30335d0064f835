//! Processes on cores of their own, and what they have used.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::command::{cargo, output, root, run};

/// What is measured runs here.
pub(crate) const MEASURED: &str = "0";
/// Load and upstream run here.
pub(crate) const BESIDE: &str = "1";

/// How long a program may take to listen.
const PATIENCE: u32 = 3000;

/// Builds programs of this workspace as they are shipped.
pub(crate) fn build(names: &[&str]) -> anyhow::Result<()> {
    anstream::eprintln!("building {} for release", names.join(" and "));
    let packages = names.iter().flat_map(|name| ["-p", name]);
    run(cargo()
        .args(["build", "--quiet", "--locked", "--release"])
        .args(packages))
}

/// A program of this workspace.
pub(crate) fn built(name: &str) -> PathBuf {
    root().join("target").join("release").join(name)
}

/// `bench WORDS`.
pub(crate) fn part(words: &[&str]) -> Command {
    on(BESIDE, &built("bench"), words)
}

/// A program that runs on one core alone.
pub(crate) fn on(core: &str, program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program).args(words);
    command
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// A program that serves; it is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// Starts it and waits until it listens.
    pub(crate) fn start(mut command: Command, address: SocketAddr, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let mut this = Self { child, address };
        for _ in 0..PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Ok(this);
            }
            if let Some(status) = this.child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                bail!("{command:?} ended with {status}:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("{command:?} does not listen on {address}")
    }

    /// Lets it end in good order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id())?;
        if let Some(id) = rustix::process::Pid::from_raw(id) {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// What it has used so far.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        Used::of(self.child.id())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Microseconds on a processor, of all threads, also those that have ended.
    pub(crate) cpu: f64,
    /// Bytes in memory.
    pub(crate) resident: u64,
}

impl Used {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name, in parentheses, may hold spaces.
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or(0);
        let ticks = field(11) + field(12);
        let per_second = rustix::param::clock_ticks_per_second();
        let pages = field(21);
        Ok(Self {
            #[expect(clippy::cast_precision_loss, reason = "a measurement")]
            cpu: ticks as f64 * 1e6 / per_second as f64,
            resident: pages * u64::try_from(rustix::param::page_size())?,
        })
    }
}

/// A part of `bench` that is talked with over its standard streams.
#[derive(Debug)]
pub(crate) struct Talking {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Talking {
    /// Starts it.
    pub(crate) fn start(words: &[&str]) -> anyhow::Result<Self> {
        let mut child = part(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, said })
    }

    /// Its next line.
    pub(crate) fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        if line.is_empty() {
            bail!("bench ended with {}", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Tells it to go on.
    pub(crate) fn go_on(&mut self) -> anyhow::Result<()> {
        let input = self.child.stdin.as_mut().context("no standard input")?;
        Ok(input.write_all(b"\n")?)
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a part of `bench` to its end and gives what it printed.
pub(crate) fn ask(words: &[&str]) -> anyhow::Result<String> {
    output(&mut part(words))
}
