//! `vestibule tools` and `vestibule call`: a server tried by hand, as processes against a running door.

use fixture::Options;
use net::Tasks;
use serde_json::{Value, json};
use std::time::Duration;

use crate::rig::machine::Machine;
use crate::rig::scripted::Scripted;
use crate::rig::{Door, Plan};

/// Through the door: what is offered, a result as text, one that failed as an error, and the raw result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_listed_and_called() {
    let door = Door::with(Plan {
        upstream: Options::new()
            .demanding_bearer(crate::rig::door::CREDENTIAL)
            .with_extra_tools()
            .in_pages_of(5),
        ..Plan::default()
    })
    .await;
    let machine = Machine::signed_in(&door).await;
    let listed = machine.done(&["tools", "fixture"]).await;
    assert!(
        listed.contains("greet\n    ") && listed.contains("test_simple_text"),
        "{listed}"
    );
    let raw: Value =
        serde_json::from_str(&machine.done(&["tools", &door.endpoint(), "--json"]).await).unwrap();
    let names: Vec<_> = raw.as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(names.len() > 5, "more than one page: {names:?}");

    let greeting = "Hello, Zoë!";
    assert_eq!(
        machine
            .done(&["call", "fixture", "greet", r#"{"name":"Zoë"}"#])
            .await,
        greeting
    );
    assert_eq!(
        machine
            .done(&["call", "fixture", "greet", "--arg", "name=Zoë"])
            .await,
        greeting
    );
    let mut command = machine.command(&["call", "fixture", "greet", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), br#"{"name":"Zo\u00eb"}"#)
        .await
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), greeting);
    let raw = machine
        .done(&["call", "fixture", "greet", "--arg", "name=Zoë", "--json"])
        .await;
    let raw: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(raw["content"][0]["text"], greeting);

    let (code, said) = machine.failed(&["call", "fixture", "test_error_handling"]).await;
    assert_eq!(code, 1);
    assert!(said.starts_with("error: "), "{said}");
    for (words, code) in [
        (&["call", "fixture", "no_such_tool"][..], 1),
        (&["call", "fixture", "no_such_tool", "--arg", "a=b"], 3),
        (&["call", "fixture", "greet", "[1]"], 2),
        (&["call", "fixture", "greet", "{"], 2),
        (&["call", "fixture", "greet", "{}", "--arg", "a=b"], 2),
        (&["call", "nothing", "greet"], 3),
    ] {
        assert_eq!(machine.failed(words).await.0, code, "{words:?}");
    }
    let failed = machine
        .run(&["call", "fixture", "test_error_handling", "--json"])
        .await;
    assert_eq!(failed.status.code(), Some(1));
    let raw: Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(raw["isError"], json!(true));
}

/// From the URL alone: somebody signs in on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_on_the_way() {
    let door = Door::open().await;
    let machine = Machine::new();
    let (child, address) = machine
        .begin(&["call", &door.endpoint(), "test_simple_text"])
        .await;
    let target = address.strip_prefix(&door.url).unwrap();
    let back = door.browser().approve(target, "ana").await;
    assert_eq!(crate::rig::machine::come_back(&back).await, 200);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success() && !output.stdout.is_empty());
    // Nobody answers.
    let (code, said) = Machine::new()
        .failed(&["tools", &door.endpoint(), "--timeout", "100ms"])
        .await;
    assert!(code == 1 || code == 3, "{code}");
    assert!(said.contains("nobody signed in"), "{said}");
}

/// Servers that take everybody, that know the stateless era alone, that say what should not reach a terminal, and that are
/// not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_server() {
    let tasks = Tasks::new();
    let upstream = fixture::start(Options::new(), tasks.clone()).await.unwrap();
    let machine = Machine::new();
    machine.done(&["call", &upstream.url(), "test_simple_text"]).await;
    assert_eq!(upstream.sessions(), 0, "its session has been ended");

    let newest = fixture::start(Options::new().stateless_alone(), tasks.clone())
        .await
        .unwrap();
    let listed = machine.done(&["tools", &newest.url()]).await;
    assert!(listed.contains("test_simple_text"), "{listed}");
    let echoed = machine
        .done(&[
            "call",
            &newest.url(),
            "test_mirrored_params",
            "--arg",
            "region=Zürich",
        ])
        .await;
    assert_eq!(
        echoed, r#"{"region":"Zürich"}"#,
        "with what has to be said in the head (TP-73)"
    );
    tasks.shut_down(Duration::from_secs(5)).await;

    let server = Scripted::start().await;
    let json = ["Content-Type: application/json"];
    let hostile = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"\u001b[2J gone"}}"#;
    server.answers("400 Bad Request", &json, hostile);
    let (code, said) = machine.failed(&["tools", &server.url()]).await;
    assert!(
        code == 1 && said.contains("gone") && !said.contains("\u{1b}[2J"),
        "{said}"
    );
    server.goes().await;
    let (code, said) = machine.failed(&["tools", &server.url()]).await;
    assert!(code == 1 && said.contains("cannot be reached"), "{said}");
}
