//! The head of an MCP message. What is accepted has one reading: the policy's and the upstream's (DEC-19).
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mcp::message::{Body, Message, parse};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = parse(bytes) else {
        return;
    };
    let value: Value = serde_json::from_slice(bytes).expect("what was accepted is JSON");
    match body {
        Body::Single(message) => agrees(&message, &value),
        Body::Batch(messages) => {
            let values = value.as_array().expect("a batch is an array");
            assert_eq!(values.len(), messages.len());
            for ((message, _), value) in messages.iter().zip(values) {
                agrees(message, value);
            }
        }
    }
});

fn agrees(message: &Message<'_>, value: &Value) {
    assert_eq!(value["jsonrpc"], "2.0");
    assert_eq!(message.method(), value.get("method").and_then(Value::as_str));
    if let Some(id) = message.request_id() {
        let id: Value = serde_json::from_str(id).expect("an id is JSON");
        assert_eq!(id, value["id"]);
    }
    if message.method() == Some("tools/call") {
        assert_eq!(message.target(), value["params"]["name"].as_str());
    }
}
