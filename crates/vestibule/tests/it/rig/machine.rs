//! The command line on somebody's machine: a folder of its own, tokens in plain files. On Windows that is Wine, and its
//! folder is below that of the profile there.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::process::PROGRAM;
use super::{Ask, Door};

/// The program for Windows, as `cargo xtask windows` names it.
const FOR_WINDOWS: &str = "VESTIBULE_TEST_WINDOWS";

/// Somebody's machine.
pub(crate) struct Machine {
    home: TempDir,
    /// The folder as Windows names it, and the place for tokens there.
    windows: Option<(String, &'static str)>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            windows: None,
        }
    }

    /// One with Windows, where tokens are kept so.
    pub(crate) fn with_windows(store: &'static str) -> Self {
        let home = tempfile::tempdir_in(Self::windows_profile()).unwrap();
        let (profile, name) = (Self::windows_profile(), home.path().file_name().unwrap());
        let user = profile.file_name().unwrap().to_str().unwrap();
        Self {
            windows: Some((format!(r"C:\users\{user}\{}", name.to_str().unwrap()), store)),
            home,
        }
    }

    /// The folder of the profile there.
    pub(crate) fn windows_profile() -> PathBuf {
        let users = PathBuf::from(std::env::var_os("WINEPREFIX").unwrap()).join("drive_c/users");
        let folders = std::fs::read_dir(users).unwrap();
        let mut folders = folders.map(|folder| folder.unwrap().path());
        folders.find(|folder| !folder.ends_with("Public")).unwrap()
    }

    /// Its folder, as programs there name it.
    pub(crate) fn windows_home(&self) -> &str {
        &self.windows.as_ref().unwrap().0
    }

    /// Its folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.windows {
            None => {
                let mut command = Command::new(PROGRAM);
                command
                    .env("VESTIBULE_HOME", self.home.path())
                    .env("VESTIBULE_STORE", "file");
                command
            }
            Some((home, store)) => {
                let mut command = Command::new("wine");
                command
                    .arg(std::env::var_os(FOR_WINDOWS).unwrap())
                    .env("VESTIBULE_HOME", home)
                    .env("VESTIBULE_STORE", store)
                    .env("WINEDEBUG", "-all");
                command
            }
        };
        command
            .args(words)
            .env_remove("VESTIBULE_CONFIG")
            // As on a desk; it is opened on a terminal alone.
            .env("DISPLAY", ":0")
            .env_remove("SSH_CONNECTION")
            .env_remove("SSH_TTY")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// A command over SSH: no screen, no browser.
    pub(crate) fn far_away(&self, words: &[&str]) -> Command {
        let mut command = self.command(words);
        command
            .env("SSH_CONNECTION", "10.0.0.9 1 10.0.0.1 22")
            .env_remove("DISPLAY");
        command
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().await.unwrap()
    }

    /// What a command prints that must succeed.
    pub(crate) async fn done(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// How a command ends that must not succeed, and what it says.
    pub(crate) async fn failed(&self, words: &[&str]) -> (i32, String) {
        let output = self.run(words).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    }

    /// Begins to sign in, up to the address that the browser is to open.
    pub(crate) async fn begin(&self, words: &[&str]) -> (Child, String) {
        let mut child = self.command(words).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("http") {
                return (child, line);
            }
        }
        panic!("no address: {:?}", child.wait_with_output().await);
    }

    /// Somebody at a browser allows what a command asks for; gives what it prints.
    pub(crate) async fn signs_in(&self, door: &Door, username: &str, words: &[&str]) -> String {
        let (child, address) = self.begin(words).await;
        let target = address.strip_prefix(&door.url).unwrap();
        let back = door.browser().approve(target, username).await;
        assert_eq!(come_back(&back).await, 200);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Signs in as somebody; gives what is printed.
    pub(crate) async fn login(&self, door: &Door, username: &str) -> Value {
        let words = ["login", &door.endpoint(), "--json"];
        let said = self.signs_in(door, username, &words).await;
        serde_json::from_str(&said).unwrap()
    }

    /// One on which Ana is signed in.
    pub(crate) async fn signed_in(door: &Door) -> Self {
        let machine = Self::new();
        machine.login(door, "ana").await;
        machine
    }

    /// The files in which tokens lie.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let folder = self.home.path().join("profiles/default");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.to_string_lossy().ends_with(".file"))
            .collect()
    }

    /// As if the access token had ended.
    pub(crate) fn let_expire(&self) {
        for path in self.kept() {
            let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            if !kept["expires_at"].is_null() {
                kept["expires_at"] = json!(0);
                std::fs::write(&path, kept.to_string()).unwrap();
            }
        }
    }
}

/// The operator removes the client that a door knows the command line as.
pub(crate) async fn remove_client(door: &Door) {
    let issued = door.audit("tokens_issued").await;
    let client = issued[0]["client"].as_str().unwrap();
    door.operate(&["client", "remove", client, "--yes"])
        .await
        .unwrap();
}

/// What a browser does that is sent back to the command line.
pub(crate) async fn come_back(address: &str) -> u16 {
    let url = url::Url::parse(address).unwrap();
    let listener = format!("127.0.0.1:{}", url.port().unwrap()).parse().unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let reply = Ask::get(&target).to(listener).await;
    assert!(reply.body.contains("<html"), "{}", reply.body);
    reply.status
}
