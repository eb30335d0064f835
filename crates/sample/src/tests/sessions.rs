//! Sessions of the older protocol versions.

use http::StatusCode;
use serde_json::json;

use crate::tests::client::{CREDENTIAL, Sample};

#[tokio::test]
async fn ends_a_session_when_asked() {
    let sample = Sample::start().await;
    let client = sample.client("2025-11-25").await;
    assert!(client.end().await.is_success());
    let message = client.message("tools/list", json!({}));
    let answer = sample.ask(client.request(&message, &[])).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(!answer.text.contains(CREDENTIAL));
}

#[tokio::test]
async fn opens_no_more_sessions_than_there_are_places() {
    let sample = Sample::start().await;
    let mut clients = Vec::new();
    for _ in 0..crate::handler::SESSIONS {
        clients.push(sample.client("2025-11-25").await);
    }
    let answer = sample.open("2025-11-25").await;
    assert_eq!(answer.messages()[0]["error"]["code"], -32603, "{answer:?}");

    let others = sample.client("2026-07-28").await;
    assert!(others.answer("tools/list", json!({})).await["result"].is_object());

    clients.pop().unwrap().end().await;
    while sample.open("2025-11-25").await.messages()[0]["result"].is_null() {
        tokio::task::yield_now().await;
    }
}
