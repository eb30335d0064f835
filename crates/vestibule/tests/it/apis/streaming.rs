//! Bodies of any length, both ways, of which the door holds no more than a piece.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{ALL, ask, opened, token};
use crate::rig::{Ask, Door};

const CHUNK: usize = 64 << 10;
/// Far more than the door may hold.
const MUCH: usize = 512 << 20;
/// What this process may hold beyond what it held: the tests beside this one are in it too.
const SLACK: usize = 384 << 20;

/// The memory of this process, in which door, API and client all are.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

async fn upload(door: &Door, token: &str, target: &str, bytes: usize) -> Response<Incoming> {
    send(door, token, ("POST", target), so_many(bytes)).await
}

fn so_many(bytes: usize) -> impl Body<Data = Bytes, Error = std::io::Error> + Send + 'static {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let steps = stream::unfold(bytes, move |left| {
        let next = chunk.slice(..left.min(CHUNK));
        async move {
            let left = left - next.len();
            (!next.is_empty()).then_some((Ok::<_, std::io::Error>(Frame::data(next)), left))
        }
    });
    StreamBody::new(steps)
}

async fn send<B>(door: &Door, token: &str, (method, target): (&str, &str), body: B) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
{
    let stream = TcpStream::connect(door.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::task::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/forge{target}"))
        .header("host", door.host())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/x-git-receive-pack-request")
        .header("transfer-encoding", "chunked")
        .body(body)
        .unwrap();
    sender.send_request(request).await.unwrap()
}

/// A body of which so much is sent as is put in.
fn piecemeal() -> (
    UnboundedSender<usize>,
    impl Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
) {
    let (pieces, came) = unbounded_channel::<usize>();
    let steps = stream::unfold(came, |mut came| async move {
        let piece = Bytes::from(vec![b'x'; came.recv().await?]);
        Some((Ok(Frame::data(piece)), came))
    });
    (pieces, StreamBody::new(steps))
}

async fn length(mut body: Incoming) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

/// DEC-20: much goes up and much comes down, and little is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_passes_and_little_is_held() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let before = resident();
    let response = upload(&door, &mine, "/sink", MUCH).await;
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, format!("{{\"bytes\":{MUCH}}}"));
    for target in [
        format!("/flood?bytes={MUCH}"),
        format!("/flood?bytes={MUCH}&length=1"),
    ] {
        let response = upload(&door, &mine, &target, 0).await;
        assert_eq!(length(response.into_body()).await, MUCH);
    }
    let held = resident().saturating_sub(before);
    assert!(held < SLACK, "{held} bytes are held");
    let rows = door.calls_recorded(|rows| rows.len() >= 3).await;
    let much = serde_json::json!(MUCH);
    assert!(
        rows.iter().any(|row| row["bytes_in"] == much) && rows.iter().any(|row| row["bytes_out"] == much),
        "{rows:?}"
    );
}

/// A reader that reads nothing holds up its own answer and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_holds_nobody_up() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let before = resident();
    let asked = || Ask::get(&format!("/api/forge/flood?bytes={MUCH}")).bearer(&mine);
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(asked().open(door.address).await);
    }
    assert_eq!(ask(&door, &mine, "GET", "/echo/x").await.status, 200);
    let held = resident().saturating_sub(before);
    assert!(held < SLACK, "{held} bytes are held");
}

/// RFC 9110 section 10.1.1: who may not send it is told so before the body, who may is told to go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_announced_is_asked_for_once_it_may_come() {
    let lines = "    allow: [{ groups: [developers], requests: [\"POST /sink\"] }]\n";
    let (door, _api) = opened(lines).await;
    let mine = token(&door, "ana").await;
    for (path, token, first) in [
        ("/sink", mine.as_str(), "HTTP/1.1 100 Continue"),
        ("/other", &mine, "HTTP/1.1 403 Forbidden"),
        ("/sink", "wrong", "HTTP/1.1 401 Unauthorized"),
    ] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        let head = format!(
            "POST /api/forge{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
            door.host()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        let said = String::from_utf8_lossy(&buffer[..count]).into_owned();
        assert!(said.starts_with(first), "{path}: {said}");
        if first.contains("100") {
            stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(String::from_utf8_lossy(&buffer[..count]).starts_with("HTTP/1.1 200"));
        }
    }
}

/// What is longer than the limit is refused, whether it says so or not; an API that answers before it has read all is
/// heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_a_limit() {
    let (door, _api) = opened(&format!("    body_limit: 1MiB\n{ALL}")).await;
    let mine = token(&door, "ana").await;
    let at_once = Ask::new("POST", "/api/forge/sink")
        .bearer(&mine)
        .body(vec![b'x'; (1 << 20) + 1]);
    assert_eq!(door.ask(at_once).await.status, 413);
    assert_eq!(upload(&door, &mine, "/sink", 1 << 20).await.status(), 200);
    let response = upload(&door, &mine, "/sink", (1 << 20) + 1).await;
    assert_eq!(response.status(), 413);
    assert_eq!(upload(&door, &mine, "/early", 100_000).await.status(), 413);
}

/// A body with a request that usually has none arrives, or is refused; it is not left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_with_a_body_has_it() {
    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    for (bytes, status) in [(5, 200), (CHUNK, 200), (CHUNK + 1, 413)] {
        let response = send(&door, &mine, ("GET", "/echo/search"), so_many(bytes)).await;
        assert_eq!(response.status(), status, "{bytes}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if status == 200 {
            assert_eq!(said["bytes"], bytes);
        }
    }
    assert_eq!(
        send(&door, &mine, ("HEAD", "/echo/x"), so_many(5)).await.status(),
        200
    );
}

/// MA-56: a long answer ends when the right to it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_ends_when_its_grant_is_taken_back() {
    let (door, _api) = opened(ALL).await;
    let mut app = door.app().await;
    app.resource = format!("{}/api/forge", door.url);
    let tokens = app.sign_in(&door, "ana").await;
    // More than all buffers in between hold.
    let asked = Ask::get(&format!("/api/forge/flood?bytes={MUCH}")).bearer(&tokens.access);
    let stream = asked.open(door.address).await;
    assert_eq!(stream.status(), 200);
    assert_eq!(app.revoke(&tokens.refresh).await.status, 200);
    let read = tokio::time::timeout(Duration::from_mins(1), stream.try_whole())
        .await
        .unwrap();
    let length = read.map_or(0, |reply| reply.body.len());
    assert!(length < MUCH, "it went on to its end");
    let rows = door.calls_recorded(|rows| !rows.is_empty()).await;
    assert_eq!(rows[0]["outcome"], "ended", "{rows:?}");
}

/// An API that answers early is not sent the rest when its answer has ended, or for as long as the client likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_up_ends_with_its_answer() {
    let (door, api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let (pieces, body) = piecemeal();
    pieces.send(CHUNK).unwrap();
    let response = send(&door, &mine, ("POST", "/early"), body).await;
    assert_eq!(response.status(), 413);
    drop(response);
    // The answer has ended.
    door.calls_recorded(|rows| !rows.is_empty()).await;
    let _ = pieces.send(CHUNK);
    drop(pieces);
    let rest = api.rest().await.unwrap();
    assert!(!rest.is_whole && rest.bytes <= CHUNK as u64, "{rest:?}");
}

/// MA-56: so it does while the answer goes on, when the right to it ends, or when nothing moves for too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_up_behind_its_answers_head_ends_in_time() {
    for is_revoked in [true, false] {
        let (door, api) = opened(ALL).await;
        let mut app = door.app().await;
        app.resource = format!("{}/api/forge", door.url);
        let tokens = app.sign_in(&door, "ana").await;
        let (pieces, body) = piecemeal();
        pieces.send(CHUNK).unwrap();
        let mut answer = send(&door, &tokens.access, ("POST", "/live"), body)
            .await
            .into_body();
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "1");
        if is_revoked {
            assert_eq!(app.revoke(&tokens.refresh).await.status, 200);
        } else {
            door.advance(Duration::from_mins(2));
        }
        let rest = tokio::time::timeout(Duration::from_mins(1), api.rest())
            .await
            .unwrap();
        assert!(!rest.unwrap().is_whole, "{rest:?}");
        // And not because the client had gone.
        drop(pieces);
    }
}

/// What goes on going up is let go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_up_behind_its_answers_head_comes_as_a_whole() {
    let (door, api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let (pieces, body) = piecemeal();
    pieces.send(CHUNK).unwrap();
    let mut answer = send(&door, &mine, ("POST", "/live"), body).await.into_body();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "1");
    pieces.send(CHUNK).unwrap();
    drop(pieces);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "2");
    let rest = api.rest().await.unwrap();
    assert_eq!((rest.bytes, rest.is_whole), (2 * CHUNK as u64, true));
}
