//! Progress, wrong arguments, and the two ways to cancel.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::tests::client::{Connected, ERAS, Sample, events};

#[tokio::test]
async fn tells_how_far_it_is_to_those_who_ask() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let params = json!({
            "name": "slow_count",
            "arguments": { "steps": 3, "delay_ms": 1 },
            "_meta": { "progressToken": "how-far" },
        });
        let messages = client.exchange("tools/call", params, &[]).await;
        let (result, progress) = messages.split_last().unwrap();
        let told: Vec<_> = progress.iter().map(|message| &message["params"]).collect();
        let expected = |step: u32| {
            let step_of_three = format!("{step} of 3");
            json!({
                "progressToken": "how-far", "progress": f64::from(step), "total": 3.0, "message": step_of_three,
            })
        };
        assert_eq!(told, [&expected(1), &expected(2), &expected(3)], "{era}");
        assert_eq!(result["result"]["content"][0]["text"], "Counted to 3.");
    }
}

#[tokio::test]
async fn says_nothing_on_the_way_to_others() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let params = json!({ "name": "slow_count", "arguments": { "delay_ms": 0 } });
        let messages = client.exchange("tools/call", params, &[]).await;
        assert_eq!(messages.len(), 1, "{era}");
        assert_eq!(messages[0]["result"]["content"][0]["text"], "Counted to 5.");
    }
}

#[tokio::test]
async fn tells_what_is_wrong_with_its_arguments() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        for (arguments, complaint) in [
            (json!({ "steps": 61 }), "steps is 61"),
            (json!({ "delay_ms": 5001 }), "delay_ms is 5001"),
            (json!({ "steps": "many" }), "invalid type"),
            (json!({ "step": 3 }), "unknown field `step`"),
        ] {
            let result = client.call("slow_count", arguments).await;
            assert_eq!(result["isError"], true, "{era}: {result}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains(complaint), "{text}");
        }
    }
}

fn endless() -> Value {
    json!({
        "name": "slow_count",
        "arguments": { "steps": 60, "delay_ms": 100 },
        "_meta": { "progressToken": 1 },
    })
}

/// Starts to count, and waits until the first step was told.
async fn begin(client: &Connected<'_>) -> Incoming {
    let message = client.message("tools/call", endless());
    let mut stream = client
        .sample
        .send(client.request(&message, &[]))
        .await
        .into_body();
    let mut read = String::new();
    while events(&read).is_empty() {
        let frame = stream.frame().await.unwrap().unwrap();
        read.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    stream
}

#[tokio::test]
async fn stops_when_cancelled() {
    let sample = Sample::start().await;
    let client = sample.client("2025-11-25").await;
    let stream = begin(&client).await;
    let cancel = json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": 7, "reason": "enough" },
    });
    sample.ask(client.request(&cancel, &[])).await;
    let rest = tokio::time::timeout(Duration::from_secs(3), stream.collect()).await;
    let rest = rest.expect("the stream ends").unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&rest).contains("Counted"));
}

#[tokio::test]
async fn stops_when_nobody_listens_any_more() {
    let sample = Sample::start().await;
    let running = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = running();
    let client = sample.client("2026-07-28").await;
    let stream = begin(&client).await;
    assert!(running() > idle);
    drop(stream);
    let stopped = async {
        while running() > idle {
            tokio::task::yield_now().await;
        }
    };
    let stopped = tokio::time::timeout(Duration::from_secs(3), stopped).await;
    stopped.expect("the count stops");
}
