//! What goes through, both ways, and what does not.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ALL, ask, opened, token, with};
use crate::rig::door::CREDENTIAL;
use crate::rig::scripted::Scripted;
use crate::rig::{Ask, Door, Plan, eventually};

fn arrived(reply: &Value, name: &str) -> Vec<String> {
    let headers = reply["headers"].as_array().unwrap();
    let named = headers.iter().filter(|pair| pair[0] == name);
    named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

/// MA-51, CC-107, TP-1 to TP-6, DEC-22: nothing of the caller's credentials, and nothing that only the door may say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_shown_the_doors_credential_and_nothing_of_the_callers() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let sent = Ask::new("PROPFIND", "/api/forge/echo/x?a=1&a=2")
        .bearer(&mine)
        .with("cookie", "session=door")
        .with("x-mcp-subject", "root")
        .with("x_mcp_subject", "root")
        .with("x-forwarded-for", "192.0.2.1")
        .with("x-original-url", "/admin")
        .with("te", "trailers")
        .with("connection", "x-hop")
        .with("x-hop", "1")
        .with("accept-encoding", "zstd, gzip")
        .with("accept", "text/plain")
        .with("git-protocol", "version=2")
        .with("if-match", "\"x\"")
        .with("depth", "1");
    let reply = door.ask(sent).await;
    assert!(
        !reply.body.contains(&mine) && !reply.body.contains("root"),
        "{reply:?}"
    );
    let reply = reply.json();
    assert_eq!(reply["method"], "PROPFIND");
    assert_eq!(reply["target"], "/echo/x?a=1&a=2");
    assert_eq!(arrived(&reply, "authorization"), [format!("Bearer {CREDENTIAL}")]);
    for kept in [
        ("accept-encoding", "zstd, gzip"),
        ("accept", "text/plain"),
        ("git-protocol", "version=2"),
        ("if-match", "\"x\""),
        ("depth", "1"),
        ("via", "1.1 vestibule"),
    ] {
        assert_eq!(arrived(&reply, kept.0), [kept.1], "{}", kept.0);
    }
    for gone in [
        "cookie",
        "x-forwarded-for",
        "x-original-url",
        "te",
        "x-hop",
        "connection",
        "x_mcp_subject",
    ] {
        assert!(arrived(&reply, gone).is_empty(), "{gone}: {reply}");
    }
    let account = door.account("ana").await.to_string();
    assert_eq!(arrived(&reply, "x-mcp-subject"), [account]);
}

/// CC-87, CC-107: cookies pass neither way, nothing of an answer is for the door's whole origin, and no cache in between
/// keeps it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_passes_with_its_status_and_without_what_is_not_for_clients() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    for status in [200, 201, 204, 400, 403, 404, 409, 422, 429, 500, 503] {
        let reply = ask(&door, &mine, "GET", &format!("/status/{status}")).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("x-upstream"), Some("passes"));
        assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
        assert_eq!(
            reply.header("content-security-policy"),
            Some("default-src 'none'; sandbox")
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        for gone in [
            "set-cookie",
            "www-authenticate",
            "strict-transport-security",
            "access-control-allow-origin",
        ] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
    }
    // A 401 of the upstream's is about the door's credential, not about the caller's token.
    for status in [401, 407] {
        let reply = ask(&door, &mine, "GET", &format!("/status/{status}")).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (502, "upstream_error"),
            "{status}"
        );
        assert_eq!(reply.header("www-authenticate"), None);
    }
}

/// RFC 9110 sections 9.3.2, 13 and 14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_ranges_and_conditions_are_the_apis_own_matter() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let file = |method: &str| Ask::new(method, "/api/forge/file").bearer(&mine);
    let whole = door.ask(file("GET")).await;
    assert_eq!(
        (whole.status, whole.body.as_str(), whole.header("etag")),
        (200, "0123456789", Some("\"one\""))
    );
    let head = door.ask(file("HEAD")).await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-length")),
        (200, "", Some("10"))
    );
    let part = door.ask(file("GET").with("range", "bytes=2-4")).await;
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let same = door.ask(file("GET").with("if-none-match", "\"one\"")).await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
}

/// TP-5, TP-16: addresses below the base lead through the door, other internal ones nowhere, and others are the client's
/// to follow without anything of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_and_links_lead_through_the_door() {
    let (door, api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let (internal, here) = (api.url(), format!("{}/api/forge", door.url));
    for (to, expected) in [
        (format!("{internal}/a/b"), format!("{here}/a/b")),
        ("/a".to_owned(), format!("{here}/a")),
        ("b".to_owned(), format!("{here}/b")),
        ("../../../mcp/x".to_owned(), format!("{here}/mcp/x")),
        (
            "https://cdn.example/x".to_owned(),
            "https://cdn.example/x".to_owned(),
        ),
    ] {
        let reply = ask(&door, &mine, "GET", &format!("/redirect?to={to}")).await;
        assert_eq!((reply.status, reply.location()), (302, expected.as_str()));
        let reply = ask(&door, &mine, "GET", &format!("/links?to={to}")).await;
        assert_eq!(
            reply.header("link"),
            Some(format!("<{expected}>; rel=\"next\"").as_str())
        );
    }
    let (door, api) = with(ALL, "/status", Plan::default()).await;
    let mine = token(&door, "ana").await;
    let reply = ask(&door, &mine, "GET", "/200").await;
    assert_eq!(
        (reply.status, api.take_requests()[0].path.as_str()),
        (200, "/status/200")
    );
}

/// An upstream that is gone is said in HTTP's own words, without its address (TP-16).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_is_gone_is_502() {
    let plan = Plan {
        servers: "  forge:\n    kind: api\n    upstream: http://127.0.0.1:9/\n    allow: [{ groups: [developers], requests: all }]\n".to_owned(),
        ..Plan::default()
    };
    let door = Door::with(plan).await;
    let mine = token(&door, "ana").await;
    let reply = ask(&door, &mine, "GET", "/x").await;
    assert_eq!((reply.status, reply.error().as_str()), (502, "upstream_error"));
    assert!(!reply.body.contains("127.0.0.1:9"), "{reply:?}");
    // What git shows to people.
    let git = Ask::get("/api/forge/x")
        .bearer(&mine)
        .with("user-agent", "git/2.47");
    let reply = door.ask(git).await;
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(
        reply.body.starts_with("the server cannot be reached"),
        "{reply:?}"
    );
}

/// An API has no lists, and is asked nothing that nobody asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_asks_an_api_nothing_by_itself() {
    let (door, api) = opened(ALL).await;
    door.running().house.gateway.ask_for_lists().await;
    assert!(api.take_requests().is_empty());
    assert!(
        !door.upstream.take_requests().is_empty(),
        "the MCP server was asked"
    );
}

/// A door before an API that says what the test wrote.
async fn scripted() -> (Door, Scripted) {
    let upstream = Scripted::start().await;
    let servers = format!(
        "  forge:\n    kind: api\n    upstream: http://{}\n{ALL}",
        upstream.address
    );
    let door = Door::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    (door, upstream)
}

/// An API that does not answer is waited for so long and no longer (504), and so is a client that does not send (408): each
/// by its own clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_waited_for_for_ever() {
    let (door, upstream) = scripted().await;
    let mine = token(&door, "ana").await;
    let (address, asked) = (door.address, Ask::get("/api/forge/x").bearer(&mine));
    let waiting = tokio::task::spawn(async move { asked.to(address).await });
    eventually(async || match upstream.heard() {
        0 => Err("the API was not asked".to_owned()),
        _ => Ok(()),
    })
    .await;
    door.advance(Duration::from_mins(6));
    let reply = waiting.await.unwrap();
    assert_eq!((reply.status, reply.error().as_str()), (504, "upstream_timeout"));

    let mine = token(&door, "ana").await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = format!(
        "POST /api/forge/x HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {mine}\r\nContent-Type: text/plain\r\nContent-Length: 200000\r\n\r\nonly this",
        door.host()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually(async || match upstream.heard() {
        0 | 1 => Err("the API was not asked".to_owned()),
        _ => Ok(()),
    })
    .await;
    door.advance(Duration::from_secs(40));
    let mut said = vec![0; 4096];
    let count = stream.read(&mut said).await.unwrap();
    assert!(
        said[..count].starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&said[..count])
    );
}

/// What breaks off is not taken for a whole answer, and nonsense is 502.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_says_wrong_is_never_an_answer() {
    let (door, upstream) = scripted().await;
    let mine = token(&door, "ana").await;
    let asked = || Ask::get("/api/forge/x").bearer(&mine);
    for nonsense in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        upstream.says(nonsense);
        let reply = door.ask(asked()).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (502, "upstream_error"),
            "{nonsense}"
        );
    }
    for short in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ] {
        upstream.says(short);
        // It breaks off before its head is out, or behind it.
        if let Ok(begun) = asked().try_open(door.address).await {
            let whole = begun.try_whole().await;
            assert!(whole.is_none(), "{short}: {whole:?}");
        }
    }
}
