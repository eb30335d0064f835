//! The command line of people, as a process of its own against a running door: one sign-in, tokens where they are needed
//! and nowhere else, and their end.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;

use crate::rig::Door;
use crate::rig::machine::{Machine, come_back, remove_client};

mod device;
mod finding;
mod proxy;

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().mode() & 0o777
}

/// One sign-in from the URL alone; the token works, is renewed, and is worth nothing after signing out (MA-39, MA-74,
/// MA-101, MA-107, MA-115, MA-132).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_url_to_a_token_and_back() {
    let door = Door::open().await;
    let machine = Machine::new();
    let endpoint = door.endpoint();
    assert_eq!(machine.failed(&["token", &endpoint]).await.0, 3);
    assert_eq!(machine.done(&["status", "--json"]).await, "[]");

    let said = machine.login(&door, "ana").await;
    assert_eq!(
        (&said["username"], &said["url"], &said["store"]),
        (&json!("ana"), &json!(endpoint), &json!("file"))
    );
    for path in machine.kept() {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    let status: Value = serde_json::from_str(&machine.done(&["status", "--json"]).await).unwrap();
    assert_eq!(
        (&status[0]["username"], &status[0]["state"]),
        (&json!("ana"), &json!("signed in"))
    );
    assert!(!status.to_string().contains("vst_"));

    // By its last word too.
    let first = machine.done(&["token", "fixture"]).await;
    assert_eq!(first, machine.done(&["token", &endpoint]).await);
    let call = door.call(&first, "test_simple_text", json!({})).await;
    assert_eq!((call.status, &call.json()["error"]), (200, &Value::Null));

    machine.let_expire();
    let second = machine.done(&["token", "fixture"]).await;
    assert_ne!(first, second);
    assert_eq!(
        door.call(&second, "test_simple_text", json!({})).await.status,
        200
    );

    let said = machine.done(&["logout", "fixture", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(&said).unwrap()[0]["tokens"],
        "revoked"
    );
    assert_eq!(
        door.call(&second, "test_simple_text", json!({})).await.status,
        401
    );
    assert_eq!(machine.failed(&["token", "fixture"]).await.0, 3);
    // How it is known at the issuer stays, so that it is one client there and not a new one each time.
    let [client] = &machine.kept()[..] else {
        panic!("{:?}", machine.kept());
    };
    let known = std::fs::read_to_string(client).unwrap();
    machine.login(&door, "ana").await;
    // Unless somebody else has taken its port meanwhile.
    let is_same = std::fs::read_to_string(client).unwrap() == known;
    let count = door.audit("client_registered").await.len();
    assert_eq!(count, if is_same { 1 } else { 2 });
}

/// Of many processes that find the same token expired, one renews it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_renew_once() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    machine.let_expire();
    let mut running = JoinSet::new();
    for _ in 0..50 {
        let mut command = machine.command(&["token", "fixture"]);
        running.spawn(async move { command.output().await.unwrap() });
    }
    let outputs = running.join_all().await;
    for output in &outputs {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    let issued = door.audit("tokens_issued").await;
    assert_eq!(
        issued.iter().filter(|row| row["by"] == "refresh_token").count(),
        1,
        "{issued:?}"
    );
}

/// A program gets the token in its own memory, and nothing of it is on its command line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_a_token_of_its_own() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let token = machine.done(&["token", "fixture"]).await;
    let shell = ["sh", "-c", "echo $VESTIBULE_TOKEN"];
    assert_eq!(
        machine
            .done(&[&["exec", "fixture", "--"][..], &shell].concat())
            .await,
        token
    );
    let named = machine.done(&[
        "exec",
        "fixture",
        "--env",
        "MINE",
        "--",
        "sh",
        "-c",
        "echo $MINE$VESTIBULE_TOKEN",
    ]);
    assert_eq!(named.await, token);
    assert_eq!(
        machine
            .done(&["exec", "fixture", "--file", "--", "cat", "{}"])
            .await,
        token
    );
    let header = machine.done(&[
        "exec",
        "fixture",
        "--header",
        "--",
        "sh",
        "-c",
        "cat $VESTIBULE_TOKEN_FILE",
    ]);
    assert_eq!(header.await, format!("Authorization: Bearer {token}"));
    let (code, _) = machine
        .failed(&["exec", "fixture", "--", "sh", "-c", "exit 7"])
        .await;
    assert_eq!(code, 7, "the program's own");
    let (code, said) = machine
        .failed(&["exec", "fixture", "--", "no-such-program"])
        .await;
    assert!(code == 1 && said.contains("no-such-program"), "{said}");
}

/// What is no answer to what was asked is not listened to, and the one that is still counts; a no is told as one (MA-115,
/// MA-119).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_answer_that_was_asked_for_counts() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (child, address) = machine.begin(&["login", &door.endpoint()]).await;
    let target = address.strip_prefix(&door.url).unwrap();
    let back = door.browser().approve(target, "ana").await;
    let (callback, query) = back.split_once('?').unwrap();
    for wrong in [
        "",
        "code=x",
        "code=x&state=y",
        &query.replace("state=", "state=x"),
    ] {
        assert_eq!(come_back(&format!("{callback}?{wrong}")).await, 400, "{wrong}");
    }
    // Of another issuer: nothing of it is believed.
    let other = query.replace("iss=http", "iss=https");
    assert_eq!(come_back(&format!("{callback}?{other}")).await, 200);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(machine.done(&["status", "--json"]).await == "[]");

    let (child, address) = machine.begin(&["login", &door.endpoint()]).await;
    let mut browser = door.browser();
    browser
        .authorize(address.strip_prefix(&door.url).unwrap(), "ana")
        .await;
    let back = browser.answer("deny").await.location().to_owned();
    assert_eq!(come_back(&back).await, 200);
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(1));
}

/// Two at the same time open one tab, and both are signed in by it (CC-104).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_sign_in_once() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (first, address) = machine.begin(&["login", &door.endpoint()]).await;
    let mut second = machine
        .command(&["login", &door.endpoint(), "--json"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains("waits"), "{line}");
    let back = door
        .browser()
        .approve(address.strip_prefix(&door.url).unwrap(), "ana")
        .await;
    come_back(&back).await;
    assert!(first.wait_with_output().await.unwrap().status.success());
    let output = second.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["username"],
        "ana"
    );
    assert_eq!(door.audit("tokens_issued").await.len(), 1);
}

/// A profile is a machine of its own; nobody who is not signed in there gets a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_stand_apart() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    assert_eq!(
        machine.failed(&["token", "fixture", "--profile", "work"]).await.0,
        3
    );
    assert_eq!(machine.failed(&["status", "--profile", "../x"]).await.0, 2);
    let (code, said) = machine.failed(&["login", "http://example.com/mcp"]).await;
    assert!(code == 2 && said.contains("https"), "{said}");
}

/// A server that does not know this program any more is told of it anew; signing in again ends what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_forgotten_there_is_made_anew() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let before = machine.done(&["token", "fixture"]).await;
    machine.login(&door, "ana").await;
    assert_eq!(
        door.call(&before, "test_simple_text", json!({})).await.status,
        401,
        "taken back"
    );
    remove_client(&door).await;
    machine.let_expire();
    assert_eq!(machine.failed(&["token", "fixture"]).await.0, 3);
    machine.login(&door, "ana").await;
    let token = machine.done(&["token", "fixture"]).await;
    assert_eq!(door.call(&token, "test_simple_text", json!({})).await.status, 200);
    assert!(door.audit("client_registered").await.len() >= 2);
}

/// What comes with the program for shells and `man` names its commands, and no hidden ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shells_and_man_know_every_command() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = machine.done(&["completions", shell]).await;
        assert!(text.contains("login") && text.contains("kube"), "{shell}");
    }
    let folder = machine.home().join("man/man1");
    let to = folder.to_str().unwrap();
    let said: Value = serde_json::from_str(&machine.done(&["man", "--to", to, "--json"]).await).unwrap();
    let pages = said["pages"].as_array().unwrap();
    assert!(pages.contains(&json!("vestibule.1")) && pages.contains(&json!("vestibule-kube-token.1")));
    assert!(
        !pages
            .iter()
            .any(|page| page.as_str().unwrap().contains("reference"))
    );
    for page in pages {
        let text = std::fs::read_to_string(folder.join(page.as_str().unwrap())).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
}

/// As whom, by whom, and how; only while the sign-in counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_one_is() {
    let door = Door::open().await;
    let machine = Machine::new();
    assert_eq!(machine.done(&["whoami", "--json"]).await, "[]");
    machine.login(&door, "ana").await;
    let read = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
    let said = read(machine.done(&["whoami", "fixture", "--json"]).await);
    assert_eq!(
        (
            &said["username"],
            &said["issuer"],
            &said["server"],
            &said["renewable"]
        ),
        (
            &json!("ana"),
            &json!(door.url),
            &json!(door.endpoint()),
            &json!(true)
        )
    );
    assert_eq!(said["signed_in_with"], json!(["pwd"]), "{said}");
    assert!(said["subject"].is_string() && said["name"].is_string(), "{said}");
    // What is known stays known when a token is renewed.
    machine.let_expire();
    let renewed = read(machine.done(&["whoami", "fixture", "--json"]).await);
    assert_eq!(renewed["subject"], said["subject"]);
    assert_eq!(
        read(machine.done(&["whoami", "--json"]).await)[0]["username"],
        "ana"
    );
    let text = machine.done(&["whoami", "fixture"]).await;
    assert!(text.contains("signed in with") && !text.contains("eyJ"), "{text}");

    remove_client(&door).await;
    machine.let_expire();
    assert_eq!(machine.failed(&["whoami", "fixture"]).await.0, 3);
}
