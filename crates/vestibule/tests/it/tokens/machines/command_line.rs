//! The command line in a CI job: signed in by the job's own word or as a client, with nobody asked, and again by itself.

use std::collections::HashMap;

use keys::Algorithm;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::workload::assertion;
use super::{SECRET, call, open};
use crate::connections::client_key::key;
use crate::rig::foreign::ForeignIssuer;
use crate::rig::guarded::Guarded;
use crate::rig::machine::Machine;
use crate::rig::{Door, app};

/// Signs in, uses the token, lets it end, and uses the next one. Gives what signing in said.
async fn works(door: &Door, machine: &Machine, words: &[&str]) -> Value {
    let endpoint = door.endpoint();
    let said = machine
        .done(&[&["login", &endpoint, "--json"], words].concat())
        .await;
    let first = machine.done(&["token", "fixture"]).await;
    assert_eq!(call(door, "fixture", &first).await.status, 200);
    machine.let_expire();
    let second = machine.done(&["token", "fixture"]).await;
    assert_ne!(first, second, "another one, and nobody was asked");
    assert_eq!(call(door, "fixture", &second).await.status, 200);
    let status: Value = serde_json::from_str(&machine.done(&["status", "--json"]).await).unwrap();
    assert_eq!(status[0]["state"], "signed in");
    serde_json::from_str(&said).unwrap()
}

/// MA-163: as a client, with a secret. It lies where it lay, and the token's end is no end of the sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_163_the_command_line_acts_as_a_client_of_its_own() {
    let door = open(None).await;
    let machine = Machine::new();
    let secret = machine.home().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let secret = secret.to_str().unwrap();
    let words = |client| {
        [
            "--client-credentials",
            "--client-id",
            client,
            "--issuer",
            &door.url,
        ]
    };
    let with_secret = [&words("nightly")[..], &["--client-secret-file", secret]].concat();
    let said = works(&door, &machine, &with_secret).await;
    assert_eq!(said["username"], "nightly");

    // Without a key that can be read nothing is asked for, and nobody: it is said, and the sign-in stays.
    let endpoint = door.endpoint();
    let key = machine.home().join("key.pem");
    std::fs::write(&key, "no key").unwrap();
    let with_key = [
        &words("nightly")[..],
        &["--client-key-file", key.to_str().unwrap()],
    ]
    .concat();
    let (code, said) = machine
        .failed(&[&["login", &endpoint], &with_key[..]].concat())
        .await;
    assert!(code == 2 && said.contains("key.pem holds no"), "{said}");

    // In place of a person, and with no client that may.
    let nobody = [&words("nobody")[..], &["--client-secret-file", secret]].concat();
    let (code, said) = machine
        .failed(&[&["login", &endpoint], &nobody[..]].concat())
        .await;
    assert!(code == 1 && said.contains("unauthorized_client"), "{said}");
    let (code, said) = machine
        .failed(&["login", &endpoint, "--client-credentials"])
        .await;
    assert!(code == 2 && said.contains("--client-id"), "{said}");

    // Its operator takes it away: said as it is, and no browser is opened.
    let again = machine
        .done(&[&["login", &endpoint][..], &with_secret].concat())
        .await;
    assert!(again.contains("Signed in"), "{again}");
    door.operate(&["user", "disable", "nightly"]).await.unwrap();
    machine.let_expire();
    let (code, said) = machine.failed(&["token", "fixture"]).await;
    assert!(code == 1 && said.contains("invalid_grant"), "{said}");
}

/// MA-73, MA-163: an authorization server for programs alone announces no PKCE, and has no page to send anybody to. A program
/// is none the worse for that, and asks each time for what it wanted, whatever it was given before; a person goes no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_73_ma_163_a_program_needs_no_pkce_and_asks_for_what_it_wanted() {
    let (guarded, machine) = (Guarded::start().await, Machine::new());
    guarded.says(|state| {
        state.metadata = HashMap::from([
            ("code_challenge_methods_supported", json!(null)),
            ("authorization_endpoint", json!(null)),
            (
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_post"]),
            ),
        ]);
        state.grants = "read";
    });
    let (url, issuer) = (format!("{}/mcp", guarded.url), format!("{}/a", guarded.url));
    let secret = machine.home().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let words = [
        "login",
        &url,
        "--client-credentials",
        "--client-id=door-at-a",
        "--client-secret-file",
        secret.to_str().unwrap(),
        "--issuer",
        &issuer,
        "--scope=read write",
    ];
    machine.done(&words).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        machine.let_expire();
        tokens.push(machine.done(&["token", &url]).await);
    }
    assert_ne!(tokens[0], tokens[1]);
    let asked = guarded.says(|state| state.asked.clone());
    let scopes: Vec<_> = asked.iter().map(|(_, params)| params.one("scope")).collect();
    let wanted = Ok(Some("read write"));
    assert_eq!(scopes, [wanted.clone(), wanted.clone(), wanted]);
    let status: Value = serde_json::from_str(&machine.done(&["status", "--json"]).await).unwrap();
    assert_eq!(status[0]["scope"], "read");
    guarded.says(|state| state.wants = "admin");
    let (_, said) = machine.failed(&["call", &url, "hello"]).await;
    let last = guarded.says(|state| state.asked.last().cloned()).unwrap();
    assert_eq!(last.1.one("scope"), Ok(Some("read write admin")), "{said}");

    guarded.says(|state| {
        state.metadata.remove("authorization_endpoint");
        state.asked.clear();
    });
    let person = Machine::new();
    let (code, said) = person.failed(&["login", &url]).await;
    assert!(code == 1 && said.contains("PKCE with S256"), "{said}");
    assert!(guarded.says(|state| state.registered.is_empty()));
}

/// A client that proves itself by a key asks for nothing without it, also where a server wants more than the token that is there:
/// which key cannot be read is said, and the sign-in stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_read_is_said_when_more_is_wanted() {
    let (guarded, machine) = (Guarded::start().await, Machine::new());
    guarded.says(|state| {
        state.metadata = HashMap::from([(
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
        )]);
    });
    let (url, issuer) = (format!("{}/mcp", guarded.url), format!("{}/a", guarded.url));
    let file = machine.home().join("key.pem");
    std::fs::write(&file, key(Algorithm::Es256).0).unwrap();
    let words = [
        "login",
        &url,
        "--client-credentials",
        "--client-id=door-at-a",
        "--client-key-file",
        file.to_str().unwrap(),
        "--issuer",
        &issuer,
    ];
    machine.done(&words).await;
    let token = machine.done(&["token", &url]).await;

    std::fs::remove_file(&file).unwrap();
    guarded.says(|state| {
        state.wants = "admin";
        state.asked.clear();
    });
    let (code, said) = machine.failed(&["call", &url, "hello"]).await;
    assert!(code == 1 && said.contains("key.pem: No such file"), "{said}");
    assert!(guarded.says(|state| state.asked.is_empty()));
    assert_eq!(machine.done(&["token", &url]).await, token);
}

/// MA-193: by its platform's word, in a file that is read anew each time, or in a variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_193_the_command_line_of_a_job_signs_in_by_its_word() {
    let (issuer, key) = ForeignIssuer::start().await;
    let door = open(Some(&issuer)).await;
    // One that cannot sign in leaves whoever is there alone.
    let machine = Machine::signed_in(&door).await;
    let before = machine.done(&["token", "fixture"]).await;
    let missing = ["login", &door.endpoint(), "--workload=word"];
    let (code, said) = machine.failed(&missing).await;
    assert!(code == 1 && said.contains("word: "), "{said}");
    assert_eq!(machine.done(&["token", "fixture"]).await, before);
    assert_eq!(call(&door, "fixture", &before).await.status, 200);
    let machine = Machine::new();
    let good = assertion(&door, &issuer, &key, |_| {});
    let file = machine.home().join("word");
    std::fs::write(&file, &good).unwrap();
    works(&door, &machine, &["--workload=word"]).await;
    let issued = door.audit("tokens_issued").await;
    let by_word = issued.iter().filter(|row| row["by"] == "jwt_bearer");
    assert_eq!(by_word.count(), 2, "{issued:?}");
    std::fs::remove_file(&file).unwrap();
    machine.let_expire();
    let (code, said) = machine.failed(&["token", "fixture"]).await;
    assert!(code == 1 && said.contains("word: "), "{said}");

    let endpoint = door.endpoint();
    let in_variable = ["login", &endpoint, "--workload=env:JOB_WORD"];
    let with = async |word: &str, more: &[&str]| {
        let mut command = machine.command(&[&in_variable[..], more].concat());
        let output = command.env("JOB_WORD", word).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    assert_eq!(with(&good, &[]).await.0, Some(0));
    // For somebody else, it is shown to this issuer only if that is said.
    let other = assertion(&door, &issuer, &key, |claims| {
        claims["aud"] = json!("door-of-acme");
    });
    let (code, said) = with(&other, &[]).await;
    assert!(code == Some(1) && said.contains("for door-of-acme"), "{said}");
    assert!(!said.contains(&other), "{said}");
    assert_eq!(with(&other, &["--issuer", &door.url]).await.0, Some(0));
    // Its token endpoint is whatever it says, and may be somebody else's.
    let endpoint_of = format!("{}/token", door.url);
    let other = assertion(&door, &issuer, &key, |claims| claims["aud"] = json!(endpoint_of));
    assert_eq!(with(&other, &[]).await.0, Some(1));
    let (code, said) = with("", &[]).await;
    assert!(code == Some(1) && said.contains("$JOB_WORD is not set"), "{said}");
}

/// As a job of GitHub, Gitea or Forgejo: it asks for a word for this very issuer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ma_193_a_job_that_can_ask_for_its_word_needs_to_say_nothing() {
    let (issuer, key) = ForeignIssuer::start().await;
    let door = open(Some(&issuer)).await;
    let machine = Machine::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/idtoken?api-version=2", listener.local_addr().unwrap());
    let body = json!({ "value": assertion(&door, &issuer, &key, |_| {}) }).to_string();
    let mut platform = JoinSet::new();
    platform.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        let mut head = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            head.push(line);
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        writing.write_all(answer.as_bytes()).await.unwrap();
        head
    });
    let mut command = machine.command(&["login", &door.endpoint(), "--workload"]);
    command
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", url)
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-job");
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let head = platform.join_next().await.unwrap().unwrap();
    let asked = head[0].split(' ').nth(1).unwrap();
    assert!(asked.starts_with("/idtoken?api-version=2&audience="), "{asked}");
    let audience = url::Url::parse(&format!("{}{asked}", door.url)).unwrap();
    let audience = audience
        .query_pairs()
        .find(|(name, _)| name == "audience")
        .unwrap();
    assert_eq!(audience.1, door.url);
    let shown = head
        .iter()
        .find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    assert!(shown.unwrap().ends_with("Bearer the-job"), "{shown:?}");
    let token = machine.done(&["token", "fixture"]).await;
    assert_eq!(app::claims(&token)["client_id"], "workload:deploy");

    let nowhere = Machine::new();
    let mut command = nowhere.command(&["login", &door.endpoint(), "--workload"]);
    command.env_remove("ACTIONS_ID_TOKEN_REQUEST_URL");
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("--workload=FILE"),
        "{said}"
    );
}
