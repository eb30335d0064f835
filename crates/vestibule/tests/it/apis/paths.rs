//! No spelling of a path, and no way to frame a request, reaches an API in another reading than was decided about.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{opened, token, with};
use crate::rig::{Ask, Door, Plan};

const ONE: &str = "    allow: [{ groups: [developers], requests: [\"GET /open/**\", \"POST /open/*\"] }]\n";

/// Writes a request as it is and gives the status lines of what comes back.
async fn raw(door: &Door, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let lines = text.lines().filter(|line| line.starts_with("HTTP/1.1 "));
    lines.map(|line| line[9..12].to_owned()).collect()
}

/// DEC-19, TP-16: however somebody spells it, what is outside of the rule stays outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_leads_out_of_what_is_allowed() {
    let (door, api) = opened(ONE).await;
    let mine = token(&door, "ana").await;
    let authority = door.host().to_owned();
    let send = async |target: &str| {
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n"
        );
        raw(&door, &text).await
    };
    for rest in [
        "/open/../secret",
        "/open/%2e%2e/secret",
        "/open/%2E./secret",
        "/open/..%2fsecret",
        "/open/%2e%2e%2fsecret",
        "/open/%252e%252e/secret",
        "/open/..\\secret",
        "/open/..%5csecret",
        "/open/.%09./secret",
        "/open;/../secret",
        "/open/..;/secret",
        "/open/a//../secret",
        "//open/a",
        "/open//a",
        "/./open/a",
        "/open/%00",
        "/open/%c0%ae%c0%ae/secret",
        "/open/%zz",
        "/secret",
        "/OPEN/a",
        "/open%2fa",
        "?/open/a",
        "/%3f/open/a",
    ] {
        let status = send(&format!("/api/forge{rest}")).await;
        assert!(matches!(status[0].as_str(), "400" | "403"), "{rest}: {status:?}");
        assert!(api.take_requests().is_empty(), "{rest} reached the API");
    }
    // Absolute form (RFC 9112 section 3.2.2): the door's own name alone, and the same rules.
    let absolute = send(&format!("http://{authority}/api/forge/open/a")).await;
    assert_eq!((absolute, api.take_requests().len()), (vec!["200".to_owned()], 1));
    assert_eq!(send("http://evil.example/api/forge/open/a").await, ["421"]);
    assert_eq!(
        send(&format!("http://{authority}/api/forge/secret")).await,
        ["403"]
    );
    // Outside of the API there is nothing of it.
    for target in [
        "/api//forge/open/a",
        "/api/../api/forge/open/a",
        "/api/%66orge/open/a",
        "//api/forge/open/a",
        "/API/forge/open/a",
    ] {
        let status = send(target).await;
        assert!(status[0].starts_with('4'), "{target}: {status:?}");
    }
    assert!(api.take_requests().is_empty());
    let spelled = send("/api/forge/%6fpen/a%2Bb/caf%c3%a9?x=%2e%2e/y").await;
    assert_eq!(spelled, ["200"]);
    assert_eq!(api.take_requests()[0].path, "/open/a+b/caf%C3%A9?x=%2e%2e/y");
}

/// Bodies that two servers could measure differently (RFC 9112 section 6.3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_hides_in_another() {
    let (door, api) = opened(ONE).await;
    let mine = token(&door, "ana").await;
    let authority = door.host().to_owned();
    let hidden = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 400\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Content-Length: +{}\r\n\r\n{hidden}", hidden.len()),
        format!("Content-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!(
            "Connection: close, content-length, authorization\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
    ] {
        let text = format!(
            "POST /api/forge/open/a HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n{framing}"
        );
        let _ = raw(&door, &text).await;
        let arrived = api.take_requests();
        assert!(
            arrived.iter().all(|request| request.path == "/open/a"),
            "{framing:?}: {arrived:?}"
        );
        assert!(arrived.len() <= 1, "{framing:?}: {arrived:?}");
    }
}

/// Other ways to say a method, an upgrade, and a credential in the query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_request_line_says_the_method() {
    let (door, api) = opened(ONE).await;
    let mine = token(&door, "ana").await;
    let post = |target: &str| Ask::new("POST", &format!("/api/forge{target}")).bearer(&mine);
    let form = "application/x-www-form-urlencoded";
    let long = format!("x={}&_method=DELETE", "x".repeat(200_000));
    for (ask, error) in [
        (
            post("/open/a").with("x-http-method-override", "DELETE"),
            "method_override",
        ),
        (post("/open/a?_method=DELETE"), "method_override"),
        (
            post("/open/a")
                .with("content-type", form)
                .body("a=1&_method=DELETE"),
            "method_override",
        ),
        (
            post("/open/a").with("content-type", form).body(long),
            "method_override",
        ),
        (post("/open/a").body("%5fmethod=DELETE"), "method_override"),
        (
            post("/open/a")
                .with("upgrade", "websocket")
                .with("connection", "upgrade"),
            "upgrade",
        ),
        (post("/open/a?+.method=DELETE"), "method_override"),
        (post("/open/a?access%5ftoken=x"), "refused_query"),
        (
            post("/open/a")
                .with("content-type", "application/json")
                .body("{\"_method\":\"DELETE\"}"),
            "method_override",
        ),
    ] {
        let reply = door.ask(ask.clone()).await;
        assert_eq!((reply.status, reply.error().as_str()), (400, error), "{ask:?}");
    }
    // The long form had begun to arrive, and was not whole.
    assert!(api.take_requests().len() <= 1);
    for method in ["TRACE", "CONNECT"] {
        let text = format!(
            "{method} /api/forge/open/a HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n",
            door.host()
        );
        let status = raw(&door, &text).await;
        assert!(status[0].starts_with('4'), "{method}: {status:?}");
    }
    assert!(api.take_requests().is_empty());
    let json = post("/open/a")
        .with("content-type", "application/json")
        .body("{\"a\":{\"_method\":\"DELETE\"},\"access_token\":\"x\"}");
    assert_eq!(door.ask(json).await.status, 200);
}

/// Slashes in names, for an API that has them so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slash_may_be_part_of_a_name_where_the_operator_says_so() {
    let lines = "    encoded_slashes: true\n    allow: [{ groups: [developers], requests: [\"GET /projects/*/issues\"] }]\n";
    let (door, api) = with(lines, "/base", Plan::default()).await;
    let mine = token(&door, "ana").await;
    let status = async |rest: &str| super::ask(&door, &mine, "GET", rest).await.status;
    assert_eq!(status("/projects/group%2fsub%2Fproject/issues").await, 200);
    assert_eq!(
        api.take_requests()[0].path,
        "/base/projects/group%2Fsub%2Fproject/issues"
    );
    assert_eq!(status("/projects/group/project/issues").await, 403);
    // Whoever decodes first would be somewhere else.
    for elsewhere in [
        "/projects/..%2f..%2fadmin/issues",
        "/projects/a%2f..%2fb/issues",
        "/projects/%2fa/issues",
    ] {
        assert_eq!(status(elsewhere).await, 400, "{elsewhere}");
    }
}

/// Whatever bytes somebody puts into a path: what arrives is allowed, and is what the record says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_arrives_was_allowed() {
    let (door, api) = opened(ONE).await;
    let mine = token(&door, "ana").await;
    let piece = prop::sample::select(vec![
        "open", "secret", "/", "/", "..", ".", "%2e", "%2f", "%5c", "\\", ";", "%3b", "%25", "%252f", "a",
        "%61", "?", "%3f", "%23", "+", "%00", "//", "%", "é", "*", "%6Fpen",
    ]);
    let paths = prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut arrived_once = false;
    for _ in 0..400 {
        let path = paths.new_tree(&mut runner).unwrap().current();
        let text = format!(
            "GET /api/forge/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n",
            door.host()
        );
        let status = raw(&door, &text).await;
        for request in api.take_requests() {
            arrived_once = true;
            let there = request.path.split('?').next().unwrap().to_owned();
            assert_eq!(status, ["200"], "{path}");
            let is_inside = there == "/open" || there.starts_with("/open/");
            let parsed = url::Url::parse(&format!("http://a.example{there}")).unwrap();
            assert!(is_inside && parsed.path() == there, "{path} arrived as {there}");
            for odd in ["..", "//", "\\", ";", "%2F", "%5C", "%25", "%00"] {
                assert!(!there.contains(odd), "{path} arrived as {there}");
            }
        }
    }
    assert!(arrived_once);
}
