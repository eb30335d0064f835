//! Each request is answered once, whatever happens, and nothing but messages is on the pipe.

use serde_json::{Value, json};

use super::{Program, call, stateless};
use crate::rig::machine::Machine;
use crate::rig::scripted::Scripted;

const EVENTS: &[&str] = &["Content-Type: text/event-stream"];
const JSON: &[&str] = &["Content-Type: application/json"];

/// What no honest server does becomes an error of the request that it was the answer to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_server_answers_the_request_is_answered_once() {
    let server = Scripted::start().await;
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&server.url()]);
    let good = r#"{"jsonrpc":"2.0","id":ID,"result":{"ok":true}}"#;
    let cases: &[(&str, &[&str], &str, &str)] = &[
        ("200 OK", JSON, good, "ok"),
        (
            "200 OK",
            EVENTS,
            "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":ID,\"result\":{\"ok\":1}}\n\n",
            "ok",
        ),
        (
            "200 OK",
            EVENTS,
            ": hello\n\nevent: other\ndata: nonsense\n\ndata: nonsense\n\n",
            "ended before it answered",
        ),
        ("200 OK", JSON, "<html>hello</html>", "answered nothing"),
        ("200 OK", JSON, "", "answered nothing"),
        ("202 Accepted", &[], "", "answered nothing"),
        (
            "404 Not Found",
            JSON,
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such"}}"#,
            "no such",
        ),
        (
            "400 Bad Request",
            JSON,
            r#"{"jsonrpc":"2.0","error":{"code":-32022,"message":"old"}}"#,
            "-32022",
        ),
        (
            "400 Bad Request",
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"bad"}}"#,
            "-32000",
        ),
        (
            "500 Internal Server Error",
            &["Content-Type: text/plain"],
            "out of order\r\n\u{1b}[2J",
            "out of order",
        ),
        (
            "502 Bad Gateway",
            &["Content-Type: text/html"],
            "<html>secret</html>",
            "502",
        ),
        (
            "302 Found",
            &["Location: https://elsewhere.example/mcp"],
            "",
            "302",
        ),
        (
            "307 Temporary Redirect",
            &["Location: https://elsewhere.example/mcp/"],
            "",
            "307",
        ),
    ];
    for (id, (status, headers, body, expected)) in (1_u64..).zip(cases) {
        server.answers(status, headers, &body.replace("ID", &id.to_string()));
        for message in [call(id, "t", json!({})), stateless(id, "t", json!({}))] {
            program.says(&message).await;
            let line = program.line().await;
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(answer["id"], json!(id), "{status} {body}: {line}");
            assert!(line.contains(expected), "{status} {body}: {line}");
            assert!(!line.contains("secret") && !line.contains("u001b"), "{line}");
        }
    }
    // A connection that breaks in the middle of an answer; the head was there, so nothing is done twice.
    server.says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    let heard = server.heard();
    program.says(&call(90, "t", json!({}))).await;
    assert!(program.line().await.contains("not known"));
    assert_eq!(server.heard(), heard + 1);
    assert!(program.closes().await.success());
}

/// What is no message is answered as one says so, and what follows is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_refused_and_the_next_one_counts() {
    let server = Scripted::start().await;
    server.answers("200 OK", JSON, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&server.url()]);
    for (line, expected) in [
        ("hello", "-32700"),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"a","method":"b"}"#,
            r#""id":3,"error":{"code":-32600"#,
        ),
        (r#"{"jsonrpc":"1.0","id":4,"method":"a"}"#, r#""id":4"#),
        ("[]", "-32600"),
    ] {
        program.writes(line).await;
        let answer = program.line().await;
        assert!(answer.contains(expected), "{line}: {answer}");
    }
    assert_eq!(server.heard(), 0);
    let long = "x".repeat(client::bridge::MOST_BYTES);
    program
        .writes(&call(5, "t", json!({ "long": long })).to_string())
        .await;
    let answer: Value = serde_json::from_str(&program.line().await).unwrap();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(5), &json!(-32600))
    );
    program.writes("").await;
    program.says(&call(7, "t", json!({}))).await;
    assert_eq!(program.answer(7).await["result"], json!({}));
}

/// A server that is not there is waited for a while, and what was never sent is sent when it comes; one that stays away
/// is told of, and one that says nothing keeps nobody from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_tried_again() {
    let mut server = Scripted::start().await;
    server.answers("200 OK", JSON, r#"{"jsonrpc":"2.0","id":1,"result":{"ok":true}}"#);
    server.goes().await;
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&server.url()]);
    program.says(&call(1, "t", json!({}))).await;
    program.logs(|line| line.contains("tried again")).await;
    server.returns().await;
    assert_eq!(program.answer(1).await["result"]["ok"], true);

    server.says("");
    program.says(&call(2, "t", json!({}))).await;
    let heard = server.heard();
    crate::rig::eventually(async || {
        if server.heard() >= heard {
            Ok(())
        } else {
            Err(String::new())
        }
    })
    .await;
    assert!(program.terminates().await.success());
}

/// Who has much to say to a server that acknowledges nothing is still listened to, and so are signals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_nothing_keeps_nobody_from_ending() {
    let server = Scripted::start().await;
    server.says("");
    let machine = Machine::new();
    let mut program = Program::start(&machine, &[&server.url()]);
    for _ in 0..100 {
        program
            .says(&json!({ "jsonrpc": "2.0", "method": "notifications/progress" }))
            .await;
    }
    crate::rig::eventually(async || match server.heard() {
        0 => Err("it was told nothing".to_owned()),
        _ => Ok(()),
    })
    .await;
    assert!(program.terminates().await.success());
}

/// A wrong address is said on standard error, in words; standard output stays empty whatever was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_not_on_the_pipe() {
    let machine = Machine::new();
    for words in [
        &["bridge", "http://example.com/mcp", "--json"][..],
        &["bridge", "nothing", "--json"],
    ] {
        let output = machine.run(words).await;
        assert!(output.stdout.is_empty());
        assert!(!output.status.success() && !output.stderr.is_empty());
    }
}
