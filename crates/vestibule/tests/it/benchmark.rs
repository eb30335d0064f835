//! That the benchmark measures a door that works: its configuration is one, people sign in as it lets them, calls
//! of each kind are answered, and bad tokens are turned away. Nothing is measured here.

use std::net::SocketAddr;
use std::path::Path;

use bench::bad::TurnAway;
use bench::calls::{Call, HEADERS};
use bench::house::{Plan, SERVER};
use bench::http_client::Connection;
use bench::people::{FIRST, PASSWORD, SignIn};
use tokio::task::JoinSet;

use crate::crash::free_address;
use crate::rig::process::{self, Process};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_of_the_benchmark_answers_calls_and_turns_bad_tokens_away() {
    let folder = tempfile::tempdir().unwrap();
    let (listen, upstream) = (free_address(), free_address());
    let mut beside = JoinSet::new();
    beside.spawn(async move { bench::upstream::serve(upstream).await.unwrap() });
    let plan = Plan {
        url: format!("http://{listen}"),
        listen,
        upstream,
        access_token: "4h".to_owned(),
        postgres: None,
        servers: 2,
        rules: 10,
    };
    let config = folder.path().join("vestibule.yaml");
    std::fs::write(&config, plan.configuration()).unwrap();
    process::done(&config, &["group", "add", "developers"], "").await;
    let add = ["user", "add", FIRST, "--group", "developers", "--password-stdin"];
    process::done(&config, &add, PASSWORD).await;
    process::done(&config, &["check"], "").await;

    let door = Process::start(&config, listen).await;
    sign_in(listen, &plan.url, SERVER, &folder.path().join("tokens")).await;
    sign_in(listen, &plan.url, "server-1", &folder.path().join("audience")).await;
    door.terminate().await;
    let url = format!("http://localhost:{}", listen.port());
    let other = Plan { url, ..plan.clone() };
    issue_elsewhere(&config, &other, &folder.path().join("issuer")).await;
    let access_token = "0s".to_owned();
    let over = Plan {
        access_token,
        ..plan.clone()
    };
    issue_elsewhere(&config, &over, &folder.path().join("expired")).await;

    std::fs::write(&config, plan.configuration()).unwrap();
    let door = Process::start(&config, listen).await;
    let turn_away = TurnAway {
        address: listen,
        path: format!("/mcp/{SERVER}"),
        folder: folder.path().to_owned(),
    };
    turn_away.run().await.unwrap();
    assert!(
        bench::bad::public_key(listen)
            .await
            .unwrap()
            .contains("PUBLIC KEY")
    );
    calls_are_answered(listen, &folder.path().join("tokens")).await;
    door.terminate().await;
}

async fn issue_elsewhere(config: &Path, plan: &Plan, out: &Path) {
    std::fs::write(config, plan.configuration()).unwrap();
    let door = Process::start(config, plan.listen).await;
    sign_in(plan.listen, &plan.url, SERVER, out).await;
    door.terminate().await;
}

async fn sign_in(address: SocketAddr, url: &str, server: &str, out: &Path) {
    let sign_in = SignIn {
        address,
        url: url.to_owned(),
        server: server.to_owned(),
        people: 1,
        out: out.to_owned(),
    };
    sign_in.run().await.unwrap();
}

async fn calls_are_answered(address: SocketAddr, tokens: &Path) {
    let token = bench::bad::first_access_token(tokens).unwrap();
    assert!(
        (700..900).contains(&token.len()),
        "a token of {} bytes",
        token.len()
    );
    let authorization = format!("Bearer {token}");
    let headers = [&HEADERS[..], &[("authorization", authorization.as_str())]].concat();
    let mut connection = Connection::open(address, &address.to_string()).await.unwrap();
    let path = format!("/mcp/{SERVER}");
    for (call, answer) in [
        (Call::Echo, "\"result\":{\"content\""),
        (Call::Event, "data: {"),
        (Call::Page, "\"result\":{\"content\""),
        (Call::List, "list-000"),
    ] {
        let reply = connection
            .ask("POST", &path, &headers, call.body())
            .await
            .unwrap();
        assert!(
            reply.status == 200 && reply.body.contains(answer),
            "{call:?}: {reply:?}"
        );
        assert!(
            !reply.body.contains("list-100"),
            "what the rules hide is in the list"
        );
    }
}
