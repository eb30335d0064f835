//! A master key that a program prints: the start, `check`, its rotation, backup and restore.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::process::{Process, done, run};

/// What stands for a key management service: opens what lies wrapped beside the configuration, unless it is away.
const UNWRAP: &str = "#!/bin/sh
[ -e away ] && { echo 'the service is away' >&2; exit 9; }
rev \"$2\"
";

struct House {
    folder: TempDir,
    config: PathBuf,
    address: SocketAddr,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("unwrap.sh");
        std::fs::write(&file, UNWRAP).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            config: folder.path().join("vestibule.yaml"),
            address: listener.local_addr().unwrap(),
            folder,
        }
    }

    fn configure(&self, more: &str) {
        let Self { config, address, .. } = self;
        let text = format!(
            "public_url: http://{address}\nlisten: {address}\ndata_dir: data\nservers: {{}}\n{more}\n"
        );
        std::fs::write(config, text).unwrap();
    }

    /// A new key, wrapped. Gives what it is.
    async fn wrap(&self, name: &str) -> String {
        let key = done(&self.config, &["key", "master"], "").await.trim().to_owned();
        let wrapped: String = key.chars().rev().collect();
        std::fs::write(self.folder.path().join(name), format!("{wrapped}\n")).unwrap();
        key
    }

    /// Under which master keys the signing keys are sealed.
    async fn sealed_under(&self) -> BTreeSet<String> {
        let said = done(&self.config, &["key", "list", "--json"], "").await;
        let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
        assert!(!rows.is_empty());
        rows.iter()
            .map(|row| row["master_key"].as_str().unwrap().to_owned())
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn output_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// From a file to a command, from that to another key, and everything that opens the house asks the command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gives_the_master_key_and_the_next_one() {
    let house = House::new();
    house.configure("");
    let from_file = house.sealed_under().await;
    let (first, second) = (house.wrap("one.wrapped").await, house.wrap("two.wrapped").await);

    house.configure(
        "master_key_command: [./unwrap.sh, --key, one.wrapped]\nolder_master_key_files: [data/master.key]",
    );
    done(&house.config, &["check"], "").await;
    let server = Process::start(&house.config, house.address).await;
    let by_command = house.sealed_under().await;
    assert!(by_command.is_disjoint(&from_file) && by_command.len() == 1);
    assert!(server.terminate().await.success());
    std::fs::remove_file(house.path("data/master.key")).unwrap();

    house.configure(
        "master_key_command: [./unwrap.sh, --key, two.wrapped]\nolder_master_key_commands: [[./unwrap.sh, --key, one.wrapped]]",
    );
    let server = Process::start(&house.config, house.address).await;
    let rotated = house.sealed_under().await;
    assert!(rotated.is_disjoint(&by_command) && rotated.len() == 1);
    assert!(server.terminate().await.success());

    std::fs::remove_file(house.path("one.wrapped")).unwrap();
    house.configure("master_key_command: [./unwrap.sh, --key, two.wrapped]");
    let said = done(&house.config, &["check"], "").await;
    assert!(
        said.contains(&format!("./unwrap.sh prints {}", rotated.iter().next().unwrap())),
        "{said}"
    );
    let server = Process::start(&house.config, house.address).await;
    done(&house.config, &["key", "rotate"], "").await;
    let backup = house.path("house.backup");
    done(&house.config, &["backup", backup.to_str().unwrap()], "").await;
    assert_eq!(house.sealed_under().await, rotated);
    let log = server.log();
    assert!(server.terminate().await.success());

    let other = House::new();
    std::fs::copy(house.path("two.wrapped"), other.path("two.wrapped")).unwrap();
    other.configure("master_key_command: [./unwrap.sh, --key, two.wrapped]");
    done(&other.config, &["restore", backup.to_str().unwrap()], "").await;
    assert_eq!(other.sealed_under().await, rotated);
    assert!(
        !other.path("data/master.key").exists(),
        "none is made beside the command"
    );
    let backup = std::fs::read_to_string(&backup).unwrap();
    for key in [&first, &second] {
        assert!(
            !log.contains(key.as_str()) && !said.contains(key.as_str()) && !backup.contains(key.as_str())
        );
    }
}

/// What cannot be asked is said with the service's own words, and nothing starts under another key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_stops_the_start_and_says_why() {
    let house = House::new();
    house.configure("");
    house.wrap("one.wrapped").await;
    house.configure("master_key_command: [./unwrap.sh, --key, one.wrapped]");
    house.sealed_under().await;
    std::fs::write(house.path("away"), "").unwrap();
    for words in [&["check"][..], &["serve"], &["key", "list"]] {
        let output = run(&house.config, words, "").await;
        let said = output_of(&output);
        assert!(!output.status.success(), "{words:?}: {said}");
        assert!(said.contains("the service is away"), "{words:?}: {said}");
    }
    assert!(!Path::new(&house.path("data/master.key")).exists());

    house.configure("master_key_command: [./unwrap.sh]\nmaster_key_file: data/master.key");
    let said = output_of(&run(&house.config, &["check"], "").await);
    assert!(
        said.contains("master_key_command: there is `master_key_file` too"),
        "{said}"
    );
    house.configure("older_master_key_commands: [[]]");
    let said = output_of(&run(&house.config, &["check"], "").await);
    assert!(said.contains("names no program"), "{said}");
}
