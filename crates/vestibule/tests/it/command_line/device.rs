//! Signing in where there is no browser: a code is shown, and somebody types it into a browser elsewhere (CC-99, CC-104).

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{Machine, remove_client};
use crate::rig::{Door, Plan};

/// Begins, up to the code that is shown; gives the addresses too.
async fn begin(mut command: Command) -> (Child, String, Vec<String>) {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (mut code, mut addresses, mut said) = (String::new(), Vec::new(), Vec::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push(line.clone());
        if line.starts_with("http") {
            addresses.push(line);
        } else if let Some((_, shown)) = line.split_once("this code: ") {
            shown.clone_into(&mut code);
        }
        if addresses.len() == 2 {
            return (child, code, addresses);
        }
    }
    panic!("{said:?}: {:?}", child.wait_with_output().await);
}

/// The first address that is shown.
async fn first_address(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("http") {
            return line;
        }
    }
    panic!("no address is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_104_where_there_is_no_browser_a_code_is_shown() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (child, code, addresses) = begin(machine.far_away(&["login", &door.endpoint(), "--json"])).await;
    assert_eq!(addresses[0], format!("{}/device", door.url));
    assert_eq!(addresses[1], format!("{}/device?user_code={code}", door.url));
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let question = browser.answers_code(&addresses[1], &code, "approve").await;
    for shown in [
        "Vestibule command line wants access",
        "Vestibule command line on ",
        code.as_str(),
    ] {
        assert!(question.contains(shown), "{question}");
    }
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["username"], &said["signed_in"]),
        (&json!("ana"), &json!(true))
    );
    let token = machine.done(&["token", "fixture"]).await;
    assert_eq!(door.call(&token, "test_simple_text", json!({})).await.status, 200);
    machine.let_expire();
    let renewed = machine.done(&["token", "fixture"]).await;
    assert_ne!(token, renewed, "it is renewed as any other");
    // The same client in a browser: nothing is registered twice.
    machine.login(&door, "ana").await;
    assert_eq!(
        door.call(&renewed, "test_simple_text", json!({})).await.status,
        401,
        "signed out first"
    );
    let issued = door.audit("tokens_issued").await;
    assert!(
        issued.iter().all(|event| event["client"] == issued[0]["client"]),
        "{issued:?}"
    );
}

/// Whoever tries a server is signed in on the way, without a browser as with one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_104_a_server_is_tried_by_hand_where_there_is_no_browser() {
    let door = Door::open().await;
    let machine = Machine::new();
    let words = ["call", &door.endpoint(), "test_simple_text"];
    let (child, code, addresses) = begin(machine.far_away(&words)).await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.answers_code(&addresses[1], &code, "approve").await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!output.stdout.is_empty());
    // Whoever wants no browser opened wants its address.
    let words = ["tools", &door.endpoint(), "--no-browser", "--profile", "other"];
    let mut child = machine.far_away(&words).spawn().unwrap();
    let address = first_address(&mut child).await;
    assert!(address.contains("/authorize?"), "{address}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_is_told_as_one_and_nobody_waits_for_ever() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (child, code, addresses) = begin(machine.command(&["login", &door.endpoint(), "--device"])).await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.answers_code(&addresses[1], &code, "deny").await;
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(1));
    let (status, said) = machine
        .failed(&["login", &door.endpoint(), "--device", "--timeout", "1s"])
        .await;
    assert!(status == 1 && said.contains("within 1 s"), "{said}");
    assert!(machine.done(&["status", "--json"]).await == "[]" && machine.kept().len() <= 1);
    assert_eq!(
        machine
            .failed(&["login", &door.endpoint(), "--device", "--no-browser"])
            .await
            .0,
        2
    );
}

/// Ctrl-C leaves nothing that the next command trips over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_up_can_begin_again() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (mut child, ..) = begin(machine.command(&["login", &door.endpoint(), "--device"])).await;
    let id = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            // What a terminal sends (INT) is ignored by what was started in the background, and so by all that it starts.
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
    assert!(!child.wait().await.unwrap().success());
    let (child, code, addresses) = begin(machine.command(&["login", &door.endpoint(), "--device"])).await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.answers_code(&addresses[1], &code, "approve").await;
    assert!(child.wait_with_output().await.unwrap().status.success());
}

/// A server that has forgotten this program is told of it anew, and the person notices nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_forgotten_there_is_made_anew() {
    let door = Door::open().await;
    let machine = Machine::new();
    for round in 0..2 {
        door.advance(Duration::from_secs(1));
        let (child, code, addresses) = begin(machine.command(&["login", &door.endpoint(), "--device"])).await;
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.answers_code(&addresses[1], &code, "approve").await;
        assert!(
            child.wait_with_output().await.unwrap().status.success(),
            "{round}"
        );
        remove_client(&door).await;
    }
}

/// Where it is not offered, the address is shown as before; who asks for a code is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_offered_is_not_tried() {
    let plan = Plan {
        config: "device_authorization: false".to_owned(),
        ..Plan::default()
    };
    let door = Door::with(plan).await;
    let machine = Machine::new();
    let (status, said) = machine.failed(&["login", &door.endpoint(), "--device"]).await;
    assert!(status == 1 && said.contains("without --device"), "{said}");
    let mut child = machine.far_away(&["login", &door.endpoint()]).spawn().unwrap();
    let shown = first_address(&mut child).await;
    assert!(shown.contains("/authorize?"), "{shown}");
}
