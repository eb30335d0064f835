//! `vestibule adopt --revoke`, as a process of its own: old tokens end at providers that answer as their documentation has it,
//! on hosts of a company and, behind its proxy, at their public addresses.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::rig::foreign::Listener;
use crate::rig::process::PROGRAM;

mod public;

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

/// GitHub, GitLab and Slack on one address, each with its own paths.
struct Providers {
    url: String,
    state: Arc<Mutex<State>>,
    listener: Listener,
}

#[derive(Default)]
struct State {
    valid: BTreeSet<String>,
    /// What came, without what is secret.
    heard: Vec<String>,
    /// A file of the person, and what was in it whenever somebody asked.
    watched: Option<PathBuf>,
    seen: Vec<String>,
}

impl Providers {
    async fn start(tokens: &Tokens) -> Self {
        let state = Arc::new(Mutex::new(State {
            valid: tokens.all().into_iter().cloned().collect(),
            ..State::default()
        }));
        let asked = Arc::clone(&state);
        let answers = move |request: &str| Some(asked.lock().unwrap().answer(request));
        let listener = Listener::start(Arc::new(answers)).await;
        let url = format!("http://{}", listener.address);
        Self { url, state, listener }
    }

    fn valid(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().valid.clone()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().heard)
    }
}

impl State {
    fn answer(&mut self, request: &str) -> (u16, String) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let line = head
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(" HTTP/1.1")
            .to_owned();
        self.heard.push(line.clone());
        let watched = self.watched.iter();
        self.seen
            .extend(watched.map(|path| std::fs::read_to_string(path).unwrap()));
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (is, value) = line.split_once(": ")?;
                is.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        assert!(
            header("user-agent").is_some(),
            "GitHub refuses who says nothing of themselves"
        );
        let bearer = header("authorization").map(|value| value.strip_prefix("Bearer ").unwrap().to_owned());
        let credentials = || {
            let body: Value = serde_json::from_str(body).unwrap();
            let all = body["credentials"].as_array().unwrap().clone();
            all.iter()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        match line.as_str() {
            // At GitHub itself, and at an Enterprise Server.
            "POST /credentials/revoke" if bearer.is_some() => (403, "{}".to_owned()),
            "POST /api/v3/credentials/revoke"
                if bearer.as_ref().is_none_or(|one| !self.valid.contains(one)) =>
            {
                (401, json!({ "message": "Bad credentials" }).to_string())
            }
            "POST /credentials/revoke" | "POST /api/v3/credentials/revoke" => {
                for one in credentials() {
                    self.valid.remove(&one);
                }
                (202, "{}".to_owned())
            }
            "DELETE /api/v4/personal_access_tokens/self" => {
                let token = header("private-token").unwrap();
                let is_valid = self.valid.remove(&token);
                // Somebody who says the token in their answer.
                if is_valid {
                    (204, String::new())
                } else {
                    (401, format!("{{\"message\": \"{token}\"}}"))
                }
            }
            "POST /api/auth.revoke" => {
                let is_valid = self.valid.remove(&bearer.unwrap());
                let bad = json!({ "ok": false, "error": "invalid_auth" });
                let good = json!({ "ok": true, "revoked": true });
                (200, if is_valid { good } else { bad }.to_string())
            }
            other => panic!("nobody asks for {other}"),
        }
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

/// What a program writes to its terminal until it says this.
fn until(terminal: &mut std::fs::File, wanted: &str) -> String {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(wanted) {
        terminal.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    String::from_utf8(said).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_at_a_terminal_is_asked_twice_and_may_decline_the_second() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    person.servers(".cursor/mcp.json", &[person.github(&providers.url)]);
    for (answer, state) in [("n", "declined"), ("y", "revoked")] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let theirs = || {
            std::fs::File::options()
                .read(true)
                .write(true)
                .open(&name)
                .unwrap()
        };
        let mut command = person.command(&[&ADOPT[..], &["--json"]].concat());
        command
            .stdin(theirs())
            .stderr(theirs())
            .stdout(std::process::Stdio::piped());
        let child = command.env("TERM", "xterm").spawn().unwrap();
        let host = providers.url.strip_prefix("http://").unwrap().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut terminal = std::fs::File::from(terminal);
            until(&mut terminal, "as shown?");
            until(&mut terminal, "[y/N]");
            terminal.write_all(b"y").unwrap();
            let question = until(&mut terminal, "for ever?");
            until(&mut terminal, "[y/N]");
            terminal.write_all(answer.as_bytes()).unwrap();
            // Kept until the program is at its end.
            (question, terminal)
        });
        let output = child.wait_with_output().await.unwrap();
        let (question, _terminal) = asked.await.unwrap();
        assert!(
            question.contains(&format!("Revoke 1 old credential at {host} for ever?")),
            "{question}"
        );
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(states(&said), [state]);
        assert_eq!(providers.heard().len(), usize::from(state == "revoked"));
        person.says(&["adopt", "--undo"], 0).await;
    }
}
