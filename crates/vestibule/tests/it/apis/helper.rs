//! `vestibule login`, `token` and `git-credential` at an API: from its URL alone to what `git` is answered.

use std::process::Stdio;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{ALL, ask, opened};
use crate::rig::machine::Machine;
use crate::rig::{Ask, Door, Plan};

async fn sign_in(machine: &Machine, door: &Door) {
    let words = ["login", &format!("{}/api/forge", door.url)];
    machine.signs_in(door, "ana", &words).await;
}

/// Changes what is kept of the sign-in.
fn change(machine: &Machine, change: impl Fn(&mut Value)) {
    for path in machine.kept() {
        let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if kept["access_token"].is_string() {
            change(&mut kept);
            std::fs::write(&path, kept.to_string()).unwrap();
        }
    }
}

/// What `git` hears when it says this.
async fn git(machine: &Machine, operation: &str, said: &str) -> (String, String) {
    let mut command = machine.command(&["git-credential", operation]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(said.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn value<'t>(answer: &'t str, name: &str) -> &'t str {
    let mut lines = answer.lines().filter_map(|line| line.split_once('='));
    lines
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}

async fn counts(door: &Door, username: &str, password: &str) -> u16 {
    let basic = BASE64.encode(format!("{username}:{password}").as_bytes());
    let asked = Ask::get("/api/forge/echo/x").with("authorization", format!("Basic {basic}"));
    door.ask(asked).await.status
}

/// CC-103: git gets a fresh token for the one API that the repository is below, and keeps nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_is_given_fresh_tokens_for_one_api() {
    let plan = Plan {
        real_clock: true,
        ..Plan::default()
    };
    let (door, _api) = super::with(ALL, "", plan).await;
    let machine = Machine::new();
    let asked = |path: &str| {
        format!(
            "protocol=http\nhost={}\npath={path}\nwwwauth[]=Basic realm=\"x\"\n\n",
            door.host()
        )
    };
    assert_eq!(
        git(&machine, "get", &asked("api/forge/me/x.git")).await.0,
        "",
        "nobody has signed in"
    );
    sign_in(&machine, &door).await;

    let (answer, _) = git(&machine, "get", &asked("api/forge/me/x.git")).await;
    let token = value(&answer, "password").to_owned();
    assert_eq!(value(&answer, "username"), "ana");
    assert!(value(&answer, "password_expiry_utc").parse::<i64>().unwrap() > 0);
    assert_eq!(counts(&door, "ana", &token).await, 200);
    assert_eq!(
        ask(&door, &machine.done(&["token", "forge"]).await, "GET", "/echo/x")
            .await
            .status,
        200
    );

    for elsewhere in [
        asked("api/forge2/x.git"),
        asked("mcp/forge"),
        format!("protocol=https\nhost={}\npath=api/forge/x\n\n", door.host()),
        "protocol=http\nhost=127.0.0.1:1\npath=api/forge/x\n\n".to_owned(),
        String::new(),
    ] {
        let heard = git(&machine, "get", &elsewhere).await;
        assert_eq!(heard, (String::new(), String::new()), "{elsewhere}");
    }
    let path_unsaid = format!("protocol=http\nhost={}\n", door.host());
    assert_eq!(
        value(&git(&machine, "get", &path_unsaid).await.0, "password"),
        token
    );

    // What git says of a token: good, or refused. Other words may come in later versions of it.
    let of_it = |token: &str| {
        format!(
            "{}username=ana\npassword={token}\n",
            asked("api/forge/me/x.git").trim_end().to_owned() + "\n"
        )
    };
    for word in ["store", "something-new"] {
        assert_eq!(
            git(&machine, word, &of_it(&token)).await,
            (String::new(), String::new())
        );
    }
    git(&machine, "erase", &of_it("another one")).await;
    let same = git(&machine, "get", &asked("api/forge/me/x.git")).await.0;
    assert_eq!(
        value(&same, "password"),
        token,
        "the one that is kept was not refused"
    );
    assert_eq!(git(&machine, "erase", &of_it(&token)).await.0, "");
    let next = git(&machine, "get", &asked("api/forge/me/x.git")).await.0;
    assert_ne!(value(&next, "password"), token);
    assert_eq!(counts(&door, "", value(&next, "password")).await, 200);
}

/// Somebody whose sign-in has ended is told what to do, and git asks nobody for a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_is_told_to_stop_where_the_sign_in_has_ended() {
    let (door, _api) = opened(ALL).await;
    let machine = Machine::new();
    sign_in(&machine, &door).await;
    change(&machine, |kept| {
        (kept["expires_at"], kept["refresh_token"]) = (json!(0), json!("gone"));
    });
    let asked = format!("protocol=http\nhost={}\npath=api/forge/x\n\n", door.host());
    let (answer, said) = git(&machine, "get", &asked).await;
    assert_eq!(answer, "quit=1\n");
    assert!(
        said.contains(&format!("vestibule login {}/api/forge", door.url)),
        "{said}"
    );
}

/// A token of a hostile issuer writes no lines of its own: not for git, not into a file of headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_one_line_or_none() {
    let (door, _api) = opened(ALL).await;
    let machine = Machine::new();
    sign_in(&machine, &door).await;
    change(&machine, |kept| {
        (kept["expires_at"], kept["access_token"]) = (Value::Null, json!("abc\nhost=evil.example"));
    });
    let asked = format!("protocol=http\nhost={}\npath=api/forge/x\n\n", door.host());
    let (answer, said) = git(&machine, "get", &asked).await;
    assert_eq!(answer, "quit=1\n");
    assert!(
        said.contains("cannot be used") && !said.contains("evil"),
        "{said}"
    );
    for words in [
        &["token", "forge"][..],
        &["exec", "forge", "--header", "--", "cat", "{}"],
    ] {
        let output = machine.run(words).await;
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
}
