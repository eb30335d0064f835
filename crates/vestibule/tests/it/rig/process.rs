//! The real program as a process of its own, on the data of a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::Ask;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vestibule");

/// A running `vestibule serve`.
pub(crate) struct Process {
    child: Child,
    pub(crate) config: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(config: &Path, address: SocketAddr) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(config.with_extension("log"))
            .unwrap();
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut this = Self {
            child,
            config: config.to_owned(),
            address,
        };
        this.until_ready().await;
        this
    }

    async fn until_ready(&mut self) {
        for _ in 0..1500 {
            if let Ok(stream) = Ask::get("/readyz").try_open(self.address).await
                && stream.status() == 200
            {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status} instead of serving:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not ready after 15 s:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }

    /// As a power cut does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and gives how it ended.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .expect("it stops")
            .unwrap()
    }
}

/// Runs a command to its end, with this on its standard input.
pub(crate) async fn run(config: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(words)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .await
        .unwrap();
    child.wait_with_output().await.unwrap()
}

/// The same, which must succeed; gives what it printed.
pub(crate) async fn done(config: &Path, words: &[&str], input: &str) -> String {
    let output = run(config, words, input).await;
    let shown = format!(
        "{words:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{shown}");
    String::from_utf8(output.stdout).unwrap()
}
