//! Who is refused: no credential, a wrong one, a foreign name, too much (DEC-22; MCP, Transports, Security
//! Warning).

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use net::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tests::client::{CREDENTIAL, ERAS, Sample};
use crate::{ServeError, serve};

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })
}

#[tokio::test]
async fn refuses_whoever_lacks_the_credential() {
    let sample = Sample::start().await;
    for headers in [
        &[][..],
        &[("authorization", "Bearer something-else")],
        &[("authorization", "Basic upstream-credential-of-the-sample")],
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "server/discover"),
        ],
    ] {
        let answer = sample.ask(sample.post(&ping(), headers)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="sample""#);
        let body: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(body["error"], "invalid_token");
        assert!(!answer.text.contains(CREDENTIAL));
    }
    for method in [Method::GET, Method::DELETE] {
        let request = Request::builder().method(method).uri(&sample.url);
        let answer = sample.ask(request.body(Full::new(Bytes::new())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn refuses_a_second_authorization_beside_the_right_one() {
    let sample = Sample::start().await;
    let right = format!("Bearer {CREDENTIAL}");
    let both = [
        ("authorization", right.as_str()),
        ("authorization", "Bearer of-the-caller"),
    ];
    let answer = sample.ask(sample.post(&ping(), &both)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// DNS rebinding: a page whose name has come to mean this address still says its own name.
#[tokio::test]
async fn refuses_any_name_but_its_own_address() {
    let sample = Sample::start().await;
    let bearer = format!("Bearer {CREDENTIAL}");
    let authority = sample
        .url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/mcp")
        .unwrap();
    let own_origin = format!("http://{authority}");
    let ask = |name: &'static str, value: String| {
        let headers = [("authorization", bearer.as_str()), (name, value.as_str())];
        let request = sample.post(&ping(), &headers);
        async { sample.ask(request).await.status }
    };
    for host in ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1"] {
        assert_eq!(
            ask("host", host.to_owned()).await,
            StatusCode::FORBIDDEN,
            "{host}"
        );
    }
    for origin in [
        "http://evil.example",
        "http://localhost",
        "http://127.0.0.1:1",
        "null",
    ] {
        assert_eq!(
            ask("origin", origin.to_owned()).await,
            StatusCode::FORBIDDEN,
            "{origin}"
        );
    }
    assert_ne!(ask("origin", own_origin).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn knows_one_path() {
    let sample = Sample::start().await;
    let bearer = format!("Bearer {CREDENTIAL}");
    let mut request = sample.post(&ping(), &[("authorization", &bearer)]);
    *request.uri_mut() = sample.url.replace("/mcp", "/").parse().unwrap();
    assert_eq!(sample.ask(request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refuses_a_body_that_is_too_long() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let message = client.message(
            "tools/call",
            json!({ "name": "gallery", "x": "x".repeat(70_000) }),
        );
        let answer = sample.ask(client.request(&message, &[])).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{era}");
    }
}

#[tokio::test]
async fn does_not_start_where_it_would_be_open() {
    let tasks = Tasks::new();
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(matches!(
        serve(everywhere, CREDENTIAL.to_owned().into(), &tasks),
        Err(ServeError::NotLoopback(_))
    ));
    let loopback = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(matches!(
        serve(loopback, String::new().into(), &tasks),
        Err(ServeError::NoCredential)
    ));
}

#[tokio::test]
async fn works_on_the_other_loopback_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return; // a machine without IPv6
    };
    let mut sample = Sample::start().await;
    sample.url = format!("http://{}/mcp", listener.local_addr().unwrap());
    serve(listener, CREDENTIAL.to_owned().into(), &sample.tasks).unwrap();
    sample.client("2025-11-25").await;
}

#[tokio::test]
async fn shuts_down_at_once_while_a_stream_is_open() {
    let sample = Sample::start().await;
    let client = sample.client("2025-11-25").await;
    let stream = Request::builder()
        .uri(&sample.url)
        .header("authorization", format!("Bearer {CREDENTIAL}"))
        .header("accept", "text/event-stream")
        .header("mcp-session-id", client.session.as_deref().unwrap());
    let stream = sample.send(stream.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(sample.tasks.shut_down(Duration::from_secs(2)).await);
}
