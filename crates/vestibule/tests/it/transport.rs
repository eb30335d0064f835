//! How requests come in: TLS, HTTP/2, proxies, limits, drain, health (item 13 and 14 of the main job).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::process::Process;
use crate::rig::{Ask, Door, Plan, door};

type HttpsClient =
    Client<hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>, Full<Bytes>>;

/// A certificate for 127.0.0.1 in two files, and a client that trusts it and nothing else.
fn certificate(folder: &std::path::Path) -> HttpsClient {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// TLS from files, HTTP/2 by negotiation, the files read again when they change; plain text on the same port is
/// nobody (OS-1, MA-121).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_from_files_that_may_change() {
    let made = tempfile::tempdir().unwrap();
    let client = certificate(made.path());
    let config = format!(
        "tls: {{ certificate_file: {0}/tls.crt, key_file: {0}/tls.key }}",
        made.path().display()
    );
    let door = Door::with(Plan {
        config,
        https: true,
        ..Plan::default()
    })
    .await;
    let ready = async |client: &HttpsClient| {
        let response = client.get(format!("{}/readyz", door.url).parse().unwrap()).await;
        response.map(|response| (response.status().as_u16(), response.version()))
    };
    assert_eq!(ready(&client).await.unwrap(), (200, Version::HTTP_2));
    assert!(
        Ask::get("/readyz").try_open(door.address).await.is_err(),
        "plain text is not answered"
    );

    // Cookies carry the host prefix and HSTS is said only over https (OS-40).
    let page = client
        .get(format!("{}/sign-in", door.url).parse().unwrap())
        .await
        .unwrap();
    assert!(
        page.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("__Host-vestibule-form=")
    );
    assert!(
        page.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("; Secure")
    );
    assert_eq!(page.headers()["strict-transport-security"], "max-age=31536000");

    let renewed = certificate(made.path());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while ready(&renewed).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the new certificate is not served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        ready(&client).await.unwrap().0,
        200,
        "connections that are open go on"
    );
}

/// TP-60: every request on a connection is judged alone. Two people on one HTTP/2 connection stay two people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_on_one_connection() {
    let door = Door::open().await;
    let (app, ana) = door.signed_in("ana").await;
    let ben = app.sign_in(&door, "ben").await;
    let stream = TcpStream::connect(door.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::task::spawn(connection);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..40 {
        let tokens = [Some(&ana), Some(&ben), None][n % 3].cloned();
        let (mut sender, url) = (sender.clone(), format!("{}/mcp/fixture", door.url));
        calls.spawn(async move {
            let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
            let params = json!({ "name": "echo_headers", "arguments": {}, "_meta": meta });
            let body = json!({ "jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params });
            let mut request = Request::post(url)
                .header("content-type", "application/json")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "echo_headers");
            if let Some(tokens) = &tokens {
                request = request.header("authorization", format!("Bearer {}", tokens.access));
            }
            let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let (status, body) = (response.status().as_u16(), response.into_body().collect().await.unwrap());
            let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
            match tokens {
                Some(tokens) => {
                    assert_eq!(status, 200, "{text}");
                    assert!(text.contains(tokens.claims()["sub"].as_str().unwrap()), "{text}");
                }
                None => assert_eq!(status, 401),
            }
        });
    }
    calls.join_all().await;
}

/// OS-11, rule 5: who is calling is what the connection says, unless a listed proxy says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_listed_proxy_is_believed_about_its_caller() {
    let seen = async |door: &Door| {
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let form = browser
            .form("/sign-in")
            .set("username", "nobody")
            .set("password", "x");
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let ask = Ask::form(&form.action, &fields)
            .with("origin", door.url.clone())
            .with("x-forwarded-for", "203.0.113.9, 198.51.100.7, 127.0.0.1")
            .with("x-forwarded-proto", "https");
        browser.send(ask).await;
        door.audit("sign_in_refused").await[0]["address"].clone()
    };
    let door = Door::open().await;
    assert_eq!(seen(&door).await, "127.0.0.1", "nobody is listed");
    let config = "trusted_proxies: [127.0.0.0/8]".to_owned();
    let door = Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await;
    assert_eq!(
        seen(&door).await,
        "198.51.100.7",
        "the nearest that is no listed proxy; what it says could be made up"
    );
    let plain = door
        .ask(Ask::get("/sign-in").with("x-forwarded-proto", "http"))
        .await;
    assert_eq!(
        (plain.status, plain.error().as_str()),
        (403, "insecure_transport")
    );
}

/// Item 14: heads that are too large or never end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_limited_in_size_and_time() {
    let config = "limits: { head: 16KiB, head_time: 300ms }".to_owned();
    let door = Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await;
    // What was not read of the head is thrown away with the connection, which may take the answer with it.
    let large = Ask::get("/readyz").with("x-large", "a".repeat(20_000));
    if let Ok(stream) = large.try_open(door.address).await {
        assert_eq!(stream.status(), 431);
    }
    let mut many = Ask::get("/readyz");
    for n in 0..300 {
        many = many.with(&format!("x-{n}"), "y");
    }
    assert_eq!(door.ask(many).await.status, 431);
    let mut slow = TcpStream::connect(door.address).await.unwrap();
    slow.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest))
        .await
        .expect("a head that never ends is cut off")
        .unwrap();
    let mut idle = TcpStream::connect(door.address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut rest))
        .await
        .expect("a connection that says nothing is closed")
        .unwrap();
    assert_eq!(door.get("/readyz").await.status, 200);
}

/// Item 13: SIGTERM lets what is under way end, takes nothing new, and ends with success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_is_under_way() {
    let mut door = Door::with(Plan {
        real_clock: true,
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    door.stop().await;
    let server = Process::start(&door.config_file(), door.address).await;
    let slow = door::call("fixture", "slow_json", json!({ "millis": 1500 })).bearer(&tokens.access);
    let slow = tokio::task::spawn(slow.to(door.address));
    door.upstream.until(|seen| seen.slow_starts == 1).await;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let listen = door::modern("fixture", "subscriptions/listen", filter).bearer(&tokens.access);
    let mut stream = listen.open(door.address).await;
    assert_eq!(stream.status(), 200);
    let stopping = tokio::task::spawn(server.terminate());
    assert!(
        stream.ends_within(Duration::from_secs(1)).await,
        "what has no end is ended at once"
    );
    let reply = slow.await.unwrap();
    assert_eq!(
        reply.status, 200,
        "a call that is under way is answered: {reply:?}"
    );
    assert!(stopping.await.unwrap().success());
    assert!(
        Ask::get("/readyz").try_open(door.address).await.is_err(),
        "nobody listens any more"
    );
}

/// Item 13: `/healthz` says that it lives, `/readyz` whether it can serve, to anybody and without a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_readiness() {
    let door = Door::open().await;
    for path in ["/healthz", "/readyz"] {
        let reply = door.ask(Ask::get(path).with("host", "10.0.0.7")).await;
        assert_eq!(reply.status, 200, "an orchestrator asks by address: {reply:?}");
    }
    assert_eq!(
        door.get("/readyz").await.json(),
        json!({ "status": "ready", "reasons": [] })
    );
}

/// CC-1: many clients send head and body apart. A challenge in between must not end the connection, on which they ask
/// for the metadata next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_leaves_the_connection_of_use() {
    let door = Door::open().await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = format!(
        "POST /mcp/fixture HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n",
        door.address
    );
    for _ in 0..3 {
        stream.write_all(head.as_bytes()).await.unwrap();
        // Meanwhile the head has come.
        for _ in 0..5 {
            assert_eq!(door.get("/readyz").await.status, 200);
        }
        stream.write_all(b"{}").await.unwrap();
        let mut answer = Vec::new();
        let whole = async {
            while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed");
            }
        };
        tokio::time::timeout(Duration::from_secs(5), whole).await.unwrap();
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(text.starts_with("http/1.1 401"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
        let mut rest = vec![0; length - body.len()];
        stream.read_exact(&mut rest).await.unwrap();
    }
}
