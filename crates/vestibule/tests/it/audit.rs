//! The audit record from outside: searched, exported, verified, deleted; and what a process that is killed in the
//! middle of its work leaves of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::rig::process::{Process, done, run};
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door, Plan, door};

const WORKERS: u64 = 6;
const KILLS: usize = 4;

fn plan(config: &str) -> Plan {
    Plan {
        config: config.to_owned(),
        real_clock: true,
        ..Plan::default()
    }
}

async fn events(config: &Path, words: &[&str]) -> Vec<Value> {
    let words = [&["audit", "search", "--json", "--limit", "100000"], words].concat();
    serde_json::from_str(&done(config, &words, "").await).unwrap()
}

/// An export of a running server proves itself offline, and every kind of damage is told with exit code 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_proves_itself_without_the_server() {
    for mut door in Door::each(plan("")).await {
        let (_, tokens) = door.signed_in("ana").await;
        assert_eq!(
            door.call(&tokens.access, "echo_headers", json!({})).await.status,
            200
        );
        door.stop().await;
        let config = door.config_file();
        let server = Process::start(&config, door.address).await;
        let file = |name: &str| door.folder().join(name).to_str().unwrap().to_owned();
        let (export, key) = (file("record.jsonl"), file("key.json"));
        done(&config, &["audit", "export", "--output", &export], "").await;
        std::fs::write(&key, done(&config, &["audit", "key"], "").await).unwrap();
        let again = run(&config, &["audit", "export", "--output", &export], "").await;
        assert_eq!(again.status.code(), Some(4), "nothing is written over");
        let stored = done(&config, &["audit", "verify"], "").await;
        assert!(
            stored.starts_with("complete and unaltered"),
            "{}: {stored}",
            door.engine()
        );
        assert!(server.terminate().await.success());

        // Without a server, and with nothing but file and key: there is no such configuration.
        let nowhere = door.folder().join("nowhere.yaml");
        let said = done(&nowhere, &["audit", "verify", &export, "--key", &key], "").await;
        assert!(said.starts_with("complete and unaltered"), "{said}");
        let said = done(&config, &["audit", "verify", &export], "").await;
        assert!(
            said.starts_with("complete and unaltered"),
            "the master key is proof enough: {said}"
        );
        let said = run(&nowhere, &["audit", "verify", &export], "").await;
        assert_eq!(said.status.code(), Some(2), "somebody's key must be trusted");

        let text = std::fs::read_to_string(&export).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let damages = [
            ("the end", lines[..lines.len() - 1].join("\n") + "\n"),
            ("the beginning", lines[1..].join("\n") + "\n"),
            ("event", text.replacen("\"answered\"", "\"refused\"", 1)),
            (
                "who it was about",
                text.replacen("\"username\":\"ana\"", "\"username\":\"eve\"", 1),
            ),
        ];
        let damaged = file("damaged.jsonl");
        for (what, text) in damages {
            std::fs::write(&damaged, text).unwrap();
            let output = run(
                &nowhere,
                &["audit", "verify", &damaged, "--key", &key, "--json"],
                "",
            )
            .await;
            assert_eq!(output.status.code(), Some(1), "{what}");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["sound"], false);
            assert!(
                !report["problems"].as_array().unwrap().is_empty(),
                "{what}: {report}"
            );
        }
        // Somebody else's key signs nothing of ours.
        let (stranger, _) = keys::SigningKey::generate(keys::Algorithm::EdDsa).unwrap();
        std::fs::write(&key, stranger.public_jwk().to_string()).unwrap();
        let output = run(&nowhere, &["audit", "verify", &export, "--key", &key], "").await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("is signed by another key"), "{said}");
    }
}

/// TP-120: calls are found by everything that is known of them, and go out for other tools.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_found_and_go_out_for_other_tools() {
    for door in Door::each(plan("")).await {
        let config = door.config_file();
        let (_, tokens) = door.signed_in("ana").await;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let call = door::call("fixture", "echo_headers", json!({ "secret": "s3cret" }))
            .bearer(&tokens.access)
            .with("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .with("user-agent", "=cmd()");
        assert_eq!(door.ask(call).await.status, 200);
        let calls = door.calls_recorded(|calls| !calls.is_empty()).await;
        let arguments = keys::sha256(b"{\"secret\":\"s3cret\"}");
        assert_eq!(calls[0]["arguments"], HEXLOWER.encode(&arguments));
        assert_eq!(
            (&calls[0]["trace"], &calls[0]["agent"]),
            (&json!(trace), &json!("test"))
        );

        let id = calls[0]["id"].as_str().unwrap();
        let client = calls[0]["client_name"].as_str().unwrap();
        for words in [
            &["--reference", id][..],
            &[
                "--server",
                "fixture",
                "--tool",
                "echo_headers",
                "--method",
                "tools/call",
            ],
            &["--user", "ana", "--event", "call", "--outcome", "answered"],
            &["--client", client, "--event", "call", "--from", "1h"],
        ] {
            let found = events(&config, words).await;
            assert_eq!(found.len(), 1, "{}: {words:?}: {found:?}", door.engine());
            assert_eq!(found[0]["id"], id);
        }
        assert!(events(&config, &["--to", "1h"]).await.is_empty());
        assert!(
            events(&config, &["--event", "call", "--outcome", "refused"])
                .await
                .is_empty()
        );
        let wrong = run(&config, &["audit", "search", "--from", "yesterday"], "").await;
        assert_eq!(wrong.status.code(), Some(2));
        let tail = done(&config, &["audit", "tail", "-n", "2", "--json"], "").await;
        let tail: Vec<Value> = serde_json::from_str(&tail).unwrap();
        assert!(
            tail.len() == 2 && tail[0]["at"].as_str() <= tail[1]["at"].as_str(),
            "{tail:?}"
        );

        let csv = done(
            &config,
            &["audit", "export", "--format", "csv", "--event", "call"],
            "",
        )
        .await;
        assert!(
            csv.starts_with("at,id,event,user,") && csv.contains("'=cmd()"),
            "{csv}"
        );
        let ocsf = done(&config, &["audit", "export", "--format", "ocsf"], "").await;
        let ocsf: Vec<Value> = ocsf
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |code: &str| {
            ocsf.iter()
                .find(|event| event["metadata"]["event_code"] == code)
                .unwrap()
        };
        let (login, call) = (of("signed_in"), of("call"));
        assert_eq!(
            (&login["class_uid"], &login["type_uid"]),
            (&json!(3002), &json!(300_201))
        );
        assert_eq!(login["user"]["name"], "ana");
        assert_eq!(call["class_uid"], 6003);
        assert_eq!(call["api"]["operation"], "tools/call");
        assert_eq!(call["resources"][0]["name"], "echo_headers");
    }
}

/// A person is taken out and old blocks are deleted, and what is left proves itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_old_events_go_and_the_proof_stays() {
    for door in Door::each(Plan::default()).await {
        let (_, tokens) = door.signed_in("ana").await;
        assert_eq!(
            door.call(&tokens.access, "echo_headers", json!({})).await.status,
            200
        );
        door.calls_recorded(|calls| !calls.is_empty()).await;
        door.operate(&["audit", "erase", "ana", "--yes"]).await.unwrap();
        let calls = door.audit("call").await;
        assert_eq!(
            (&calls[0]["username"], &calls[0]["address"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(calls[0]["sound"], true);
        let verified = async || match door.operate(&["audit", "verify"]).await.unwrap() {
            vestibule::operator::Answer::Done { text, item } => {
                assert_eq!(item["sound"], true, "{}: {text}", door.engine());
                item
            }
            other => panic!("{other:?}"),
        };
        assert!(verified().await["erased"].as_i64() > Some(1));

        door.advance(Duration::from_hours(500 * 24));
        let foundation = &door.running().house.foundation;
        let keep = door.running().house.current.load().retention.audit;
        let store = &*foundation.store;
        let gone = ::audit::retention::trim(store, &foundation.recorder, keep, door.world.now()).await;
        assert!(gone.unwrap() > 0, "{}", door.engine());
        assert!(door.audit("call").await.is_empty());
        let report = verified().await;
        assert!(report["chains"][0]["first"].as_i64() > Some(0), "{report}");
    }
}

/// Nothing that was answered is lost when every event must be on disk first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_acknowledged_in_strict_mode() {
    for door in Door::each(plan("audit: { durability: strict }")).await {
        let (config, acknowledged) = killed_under_load(door).await;
        let admitted = digests(&events(&config.0, &["--event", "call_admitted"]).await);
        let recorded = digests(&events(&config.0, &["--event", "call"]).await);
        for found in [admitted, recorded] {
            let lost = acknowledged.difference(&found).count();
            assert_eq!(lost, 0, "of {} so many are lost", acknowledged.len());
        }
    }
}

/// Whoever has the whole of an answer is on record by then, however the answer came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_strict_mode_an_answer_ends_after_its_event_is_written() {
    let upstream = Scripted::start().await;
    let plan = Plan {
        servers: format!(
            "  scripted:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: all }}]\n",
            upstream.url()
        ),
        ..plan("audit: { durability: strict }")
    };
    let door = Door::with(plan).await;
    let token = door.token_for("scripted").await;
    let text = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","contents":[]}}"#;
    let (json, length) = ("Content-Type: application/json", text.len());
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let answers = [
        format!("{head}{json}\r\nContent-Length: {length}\r\n\r\n{text}"),
        format!("{head}{json}\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{text}\r\n0\r\n\r\n"),
        format!("{head}Content-Type: text/event-stream\r\n\r\nevent: message\ndata: {text}\n\n"),
    ];
    for (count, answer) in answers.into_iter().enumerate() {
        upstream.says(answer.clone());
        let ask = door::modern("scripted", "resources/read", json!({ "uri": "x://a" })).bearer(&token);
        let reply = door.ask(ask).await;
        assert!(reply.body.contains("contents"), "{answer}: {reply:?}");
        let recorded = door.audit("call").await;
        assert_eq!(recorded.len(), count + 1, "{answer}");
        assert_eq!(recorded[0]["outcome"], "answered", "{answer}");
    }
}

/// What a crash loses is bounded, and the bound is recorded at the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_more_than_it_says_in_grouped_mode() {
    for door in Door::each(plan("")).await {
        let (config, acknowledged) = killed_under_load(door).await;
        let recorded = digests(&events(&config.0, &["--event", "call"]).await);
        let lost = acknowledged.difference(&recorded).count();
        let told = events(&config.0, &["--event", "events_lost"]).await;
        assert_eq!(told.len(), KILLS, "each crash is told");
        let most: i64 = told.iter().map(|event| event["at_most"].as_i64().unwrap()).sum();
        assert!(
            i64::try_from(lost).unwrap() <= most,
            "{lost} are lost, {most} were told"
        );
    }
}

fn digests(events: &[Value]) -> HashSet<String> {
    let digests = events.iter().filter_map(|event| event["arguments"].as_str());
    digests.map(str::to_owned).collect()
}

/// Kills the process again and again while it answers calls. Gives the digests of the arguments of all calls that
/// were answered.
async fn killed_under_load(mut door: Door) -> ((std::path::PathBuf, Door), HashSet<String>) {
    let (_, tokens) = door.signed_in("ana").await;
    door.stop().await;
    let config = door.config_file();
    let (count, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(HashSet::new())));
    let mut process = Process::start(&config, door.address).await;
    for _ in 0..KILLS {
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (count, acknowledged) = (Arc::clone(&count), Arc::clone(&acknowledged));
            workers.spawn(call_until_gone(
                door.address,
                tokens.access.clone(),
                count,
                acknowledged,
            ));
        }
        let [milliseconds] = vestibule::clock::system_world().random::<1>();
        tokio::time::sleep(Duration::from_millis(300 + u64::from(milliseconds))).await;
        process.kill().await;
        workers.join_all().await;
        process = Process::start(&config, door.address).await;
    }
    let said = done(&config, &["audit", "verify"], "").await;
    assert!(said.starts_with("complete and unaltered"), "{said}");
    assert!(process.terminate().await.success());
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > KILLS * 10,
        "{}: there was no load",
        acknowledged.len()
    );
    ((config, door), acknowledged)
}

async fn call_until_gone(
    address: SocketAddr,
    token: String,
    count: Arc<AtomicU64>,
    acknowledged: Arc<Mutex<HashSet<String>>>,
) {
    loop {
        let arguments = json!({ "n": count.fetch_add(1, Ordering::Relaxed) });
        let ask: Ask = door::call("fixture", "echo_headers", arguments.clone()).bearer(&token);
        let Ok(stream) = ask.try_open(address).await else {
            return;
        };
        let Some(reply) = stream.try_whole().await else {
            return;
        };
        assert_eq!(reply.status, 200, "{reply:?}");
        let digest = HEXLOWER.encode(&keys::sha256(arguments.to_string().as_bytes()));
        acknowledged.lock().unwrap().insert(digest);
    }
}
