//! Being let in: renewing, signing in beside the pipe, and taking up what others did.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Program, approve, stateless, text_of};
use crate::rig::Door;
use crate::rig::machine::Machine;
use crate::rig::scripted::Scripted;

/// Of twenty bridges that find the same token expired at once, one renews it; nobody is asked anything, and nothing of a
/// token is on any pipe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once_renew_once() {
    let door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    machine.let_expire();
    let mut programs = Vec::new();
    for _ in 0..20 {
        programs.push(Program::start(&machine, &["fixture"]));
    }
    for program in &mut programs {
        program.initialize("2025-11-25", &json!({})).await;
        program.asks(1, "echo_headers", json!({})).await;
    }
    for mut program in programs {
        let answer = program.answer(1).await;
        let seen: Value = serde_json::from_str(&text_of(&answer)).unwrap();
        assert_eq!(
            seen["authorization"],
            json!(["expected"]),
            "the door's credential"
        );
        assert!(!answer.to_string().contains("eyJ"));
        let mut log = program.log.take().unwrap();
        assert!(program.closes().await.success());
        assert_eq!(log.next_line().await.unwrap(), None);
    }
    let issued = door.audit("tokens_issued").await;
    let renewed = issued.iter().filter(|row| row["by"] == "refresh_token");
    assert_eq!(renewed.count(), 1, "{issued:?}");
}

/// From the URL alone: the first request waits for the sign-in and is then answered; a token that counts no longer in the
/// middle of a session is replaced without anybody noticing, and a grant that was taken back leads to one more sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_url_to_a_call_and_on() {
    let door = Door::open().await;
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&door.endpoint()]);
    let begin = json!({
        "jsonrpc": "2.0", "id": "first", "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } },
    });
    program.says(&begin).await;
    let address = program.logs(|line| line.starts_with("http")).await;
    approve(&door, &address, "ana").await;
    let begun = program.answer("first").await;
    assert_eq!(begun["result"]["protocolVersion"], "2025-11-25");
    program
        .says(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
    program.calls(1, "test_simple_text", json!({})).await;

    // Ended by the clock of the door, without the bridge knowing.
    door.advance(Duration::from_hours(2));
    program.calls(2, "test_simple_text", json!({})).await;
    assert_eq!(door.audit("tokens_issued").await.len(), 2);

    let grants = door.operate(&["grant", "list", "--user", "ana"]).await.unwrap();
    let vestibule::operator::Answer::List { rows, .. } = grants else {
        panic!()
    };
    door.operate(&["grant", "revoke", rows[0]["id"].as_str().unwrap()])
        .await
        .unwrap();
    for id in 3..6 {
        program.asks(id, "test_simple_text", json!({})).await;
    }
    let address = program.logs(|line| line.starts_with("http")).await;
    approve(&door, &address, "ana").await;
    for id in 3..6 {
        text_of(&program.answer(id).await);
    }
    assert_eq!(door.audit("client_registered").await.len(), 1);
    assert!(program.closes().await.success());
}

/// On a machine without a browser a code is in the log, for a browser anywhere; a call waits for it as for a tab.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_104_a_bridge_far_from_any_browser_shows_a_code() {
    let door = Door::open().await;
    let machine = Machine::new();
    let mut program = Program::of(machine.far_away(&["bridge", &door.endpoint()]));
    program.says(&stateless(1, "test_simple_text", json!({}))).await;
    let line = program.logs(|line| line.contains("this code: ")).await;
    let code = line.rsplit(' ').next().unwrap();
    let address = program.logs(|line| line.contains("user_code=")).await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    browser.answers_code(&address, code, "approve").await;
    text_of(&program.answer(1).await);
    assert!(program.closes().await.success());
}

/// Of two bridges one opens a browser; both are let in by it (CC-104).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bridges_open_one_browser() {
    let door = Door::open().await;
    let machine = Machine::new();
    let mut first = Program::start(&machine, &[&door.endpoint()]);
    first.says(&stateless(1, "test_simple_text", json!({}))).await;
    let address = first.logs(|line| line.starts_with("http")).await;
    let mut second = Program::start(&machine, &[&door.endpoint()]);
    second.says(&stateless(1, "test_simple_text", json!({}))).await;
    let said = second.logs(|_| true).await;
    assert!(said.contains("waits"), "{said}");
    approve(&door, &address, "ana").await;
    text_of(&first.answer(1).await);
    text_of(&second.answer(1).await);
    assert_eq!(door.audit("tokens_issued").await.len(), 1);
}

/// Whoever waits longer than a client would is told what to do, while the sign-in goes on; after three that nobody
/// answered none is begun any more, and one by command is taken up (CC-104).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever_and_no_tab_is_opened_for_nobody() {
    let door = Door::open().await;
    let machine = Machine::new();
    let words = [&door.endpoint(), "--wait", "10ms", "--timeout", "1s"];
    let mut program = Program::start(&machine, &words);
    let mut id = 0;
    let mut tried = async |program: &mut Program| {
        id += 1;
        program.says(&stateless(id, "test_simple_text", json!({}))).await;
        program.answer(id).await
    };
    let first = tried(&mut program).await;
    assert_eq!(first["error"]["code"], json!(40100), "{first}");
    assert!(
        first["error"]["message"]
            .as_str()
            .unwrap()
            .contains(&door.endpoint())
    );
    // Each ends by itself; the next call begins another.
    let mut addresses = std::collections::BTreeSet::new();
    let last = loop {
        let answer = tried(&mut program).await;
        let said = answer["error"]["message"].as_str().unwrap().to_owned();
        if said.contains("vestibule login") {
            break said;
        }
    };
    assert!(
        last.contains(&format!("vestibule login {}", door.endpoint())),
        "{last}"
    );
    machine.login(&door, "ana").await;
    text_of(&tried(&mut program).await);
    let mut log = program.log.take().unwrap();
    assert!(program.closes().await.success());
    while let Some(line) = log.next_line().await.unwrap() {
        if line.starts_with("http") {
            addresses.insert(line);
        }
    }
    assert_eq!(addresses.len(), 3, "{addresses:?}");
}

/// A sign-in that failed before anybody was shown anything bothered nobody: the next call tries again, however often it
/// was, and the reason is told each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_nothing_to_sign_in_at_nobody_failed_to_answer() {
    let server = Scripted::start().await;
    server.answers("401 Unauthorized", &["WWW-Authenticate: Bearer"], "");
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&server.url()]);
    for id in 1..=5 {
        program.says(&stateless(id, "t", json!({}))).await;
        let answer = program.answer(id).await;
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains("did not succeed"), "{id}: {said}");
    }
    assert!(program.closes().await.success());
}

/// A server that begins to demand a newer sign-in gets it, beside the pipe (RFC 9470 section 4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_has_grown_too_old_is_renewed() {
    let mut door = Door::open().await;
    let machine = Machine::signed_in(&door).await;
    let mut program = Program::in_a_session(&machine).await;
    program.calls(1, "test_simple_text", json!({})).await;
    door.advance(Duration::from_mins(15));
    let credential = "    credential:";
    door.reconfigure(|text| {
        text.replace(
            credential,
            &format!("    require: {{ max_age: 10m }}\n{credential}"),
        )
    })
    .await;
    program.asks(2, "test_simple_text", json!({})).await;
    let address = program.logs(|line| line.starts_with("http")).await;
    assert!(address.contains("max_age=600"), "{address}");
    approve(&door, &address, "ana").await;
    text_of(&program.answer(2).await);
    assert_eq!(door.audit("tokens_issued").await.len(), 2);
}
