//! `vestibule adopt --revoke`, as a process of its own: old tokens end at providers that answer as their documentation has it,
//! on hosts of a company and, behind its proxy, at their public addresses.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::rig::process::PROGRAM;

mod door;
mod providers;
mod public;
mod terminal;

use providers::Providers;

const ADOPT: [&str; 8] = [
    "adopt",
    "--revoke",
    "--door",
    "https://mcp.example.com/mcp/github",
    "--door",
    "https://mcp.example.com/mcp/gitlab",
    "--door",
    "https://mcp.example.com/mcp/slack",
];

/// Tokens that nobody has, made when the test runs.
struct Tokens {
    github: String,
    gitlab: String,
    slack: String,
}

impl Tokens {
    fn new() -> Self {
        let sum = ::scan::checksum::Checksum::Crc32Base62;
        Self {
            github: sum.complete("ghp_", "Kq7xV2mZ9rT4wB8nLc3JdF6hPsYu1e"),
            gitlab: format!("glpat-{}", "x7Qm2Vr9Kt4Bw8Zn3Lc5"),
            slack: format!("xoxb-{}-{}", "4719358206", "q8Zt3Kv7Rm2Xw9Bn4Lc6Jd1F"),
        }
    }

    fn all(&self) -> [&String; 3] {
        [&self.github, &self.gitlab, &self.slack]
    }
}

/// Somebody, and what their home folder has.
struct Person {
    home: TempDir,
    tokens: Tokens,
}

impl Person {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            tokens: Tokens::new(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    /// A configuration of these servers and their variables.
    fn servers(&self, path: &str, servers: &[(&str, Value)]) {
        let entries = servers.iter().map(|(name, env)| {
            (
                (*name).to_owned(),
                json!({ "command": "npx", "args": ["-y", "server"], "env": env }),
            )
        });
        let entries: serde_json::Map<_, _> = entries.collect();
        self.write(path, &json!({ "mcpServers": entries }).to_string());
    }

    fn github(&self, host: &str) -> (&'static str, Value) {
        (
            "github",
            json!({ "GITHUB_TOKEN": self.tokens.github, "GITHUB_HOST": host }),
        )
    }

    fn gitlab(&self, host: &str) -> (&'static str, Value) {
        let api = format!("{host}/api/v4");
        (
            "gitlab",
            json!({ "GITLAB_TOKEN": self.tokens.gitlab, "GITLAB_API_URL": api }),
        )
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(std::process::Stdio::null());
        command
    }

    /// What a command prints, which must end so; no token is in any of it, nor in what it leaves but for the backup.
    async fn says(&self, words: &[&str], code: i32) -> String {
        self.ends(self.command(words), code).await
    }

    async fn ends(&self, mut command: Command, code: i32) -> String {
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}{errors}");
        for token in self.tokens.all() {
            assert!(
                !format!("{said}{errors}").contains(&token[token.len() / 2..]),
                "{said}{errors}"
            );
        }
        said
    }

    async fn json(&self, words: &[&str], code: i32) -> Value {
        let words = [words, &["--yes", "--json"]].concat();
        serde_json::from_str(&self.says(&words, code).await).unwrap()
    }
}

fn states(said: &Value) -> Vec<&str> {
    let all = said["revoke"].as_array().unwrap().iter();
    all.map(|one| one["state"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tokens_are_revoked_where_their_entries_say_once_the_new_ones_are_written() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    let servers = [person.github(&providers.url), person.gitlab(&providers.url)];
    person.servers(".cursor/mcp.json", &servers);
    let before = std::fs::read_to_string(person.path(".cursor/mcp.json")).unwrap();
    providers.state.lock().unwrap().watched = Some(person.path(".cursor/mcp.json"));
    let said = person.says(&[&ADOPT[..], &["--yes"]].concat(), 0).await;
    assert!(
        said.contains("Revoked at their providers:\n  GitHub personal"),
        "{said}"
    );
    assert!(!said.contains("still count"), "{said}");
    assert_eq!(providers.valid(), [person.tokens.slack.clone()].into());
    let heard = [
        "POST /api/v3/credentials/revoke",
        "DELETE /api/v4/personal_access_tokens/self",
    ];
    assert_eq!(providers.heard(), heard, "each once");
    let seen = providers.state.lock().unwrap().seen.clone();
    assert!(
        seen.iter()
            .all(|text| text.contains("https://mcp.example.com/mcp/github"))
    );
    assert_eq!(seen.len(), 2);
    // The way back is there, and says where it leads.
    let said = person.says(&["adopt", "--undo"], 0).await;
    assert!(
        said.contains("GitHub personal access token (classic) in .cursor/mcp.json was revoked"),
        "{said}"
    );
    assert!(
        said.contains("GitLab personal access token in .cursor/mcp.json was revoked"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(person.path(".cursor/mcp.json")).unwrap(),
        before
    );
    // They are over, and nothing says otherwise.
    let said = person.json(&ADOPT, 1).await;
    assert_eq!(states(&said), ["not_taken", "not_taken"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_revoked_unless_somebody_asks_for_it() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    person.servers(".cursor/mcp.json", &[person.github(&providers.url)]);
    // Nobody is there to ask.
    person.says(&ADOPT, 1).await;
    let words: Vec<_> = ADOPT.into_iter().filter(|word| *word != "--revoke").collect();
    let said = person.json(&words, 0).await;
    assert_eq!(states(&said), ["counts"]);
    let said: Value = serde_json::from_str(&person.says(&["adopt", "--undo", "--json"], 0).await).unwrap();
    assert_eq!(said["revoked"], json!([]));
    assert_eq!(providers.heard(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_refuses_is_said_and_nothing_of_it_repeated() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    providers.state.lock().unwrap().valid.clear();
    person.servers(".cursor/mcp.json", &[person.gitlab(&providers.url)]);
    let said = person.json(&ADOPT, 1).await;
    assert_eq!(states(&said), ["not_taken"]);
    assert_eq!(
        said["revoke"][0]["why"],
        "its provider did not take it back: status 401"
    );
    assert_eq!(
        said["changed"].as_array().unwrap().len(),
        1,
        "the door is there all the same"
    );
    let said = person.says(&["adopt", "--undo"], 0).await;
    assert!(!said.contains("revoked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_cannot_be_asked_leaves_the_token_in_doubt() {
    let person = Person::new();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    person.servers(".cursor/mcp.json", &[person.github(&gone)]);
    let said = person.says(&[&ADOPT[..], &["--yes"]].concat(), 1).await;
    assert!(
        said.contains("https://github.com/settings/tokens (its provider could not be asked"),
        "{said}"
    );
    let said = person.says(&["adopt", "--undo"], 0).await;
    assert!(said.contains("may have been revoked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_lies_in_several_places_is_revoked_once_and_only_if_none_is_left() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    let entry = person.github(&providers.url);
    person.servers(".cursor/mcp.json", std::slice::from_ref(&entry));
    person.servers(".gemini/settings.json", std::slice::from_ref(&entry));
    person.write(".env", &format!("GITHUB_TOKEN={}\n", person.tokens.github));
    let said = person.json(&ADOPT, 0).await;
    assert_eq!(states(&said), ["left", "left"]);
    assert_eq!(said["revoke"][0]["why"], "it is still in .env:1");
    assert_eq!(providers.heard(), Vec::<String>::new());
    person.says(&["adopt", "--undo"], 0).await;
    // Nor if somebody said of that place that it is to stay.
    let line = format!("GITHUB_TOKEN={} # vestibule:allow\n", person.tokens.github);
    person.write(".env", &line);
    let said = person.json(&ADOPT, 0).await;
    assert_eq!(
        said["revoke"][0]["why"],
        "it is still in a line that a comment allows"
    );
    person.says(&["adopt", "--undo"], 0).await;
    std::fs::remove_file(person.path(".env")).unwrap();
    // Nor where two entries say that it is of two hosts.
    person.servers(
        ".gemini/settings.json",
        &[person.github("https://ghe.example.com")],
    );
    let said = person.json(&ADOPT, 0).await;
    assert_eq!(
        said["revoke"][0]["why"],
        "it is in entries that name different hosts"
    );
    person.says(&["adopt", "--undo"], 0).await;
    person.servers(".gemini/settings.json", &[entry]);
    let said = person.json(&ADOPT, 0).await;
    assert_eq!(states(&said), ["revoked", "revoked"]);
    assert_eq!(providers.heard(), ["POST /api/v3/credentials/revoke"]);
}
