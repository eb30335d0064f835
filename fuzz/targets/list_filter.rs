//! A list, or anything that poses as one. What is hidden is not in what comes out, and the rest is as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mcp::list::{Expected, List, entry, filter};
use serde_json::Value;

fn is_even(list: List, text: &str) -> bool {
    entry(text, list).is_some_and(|entry| entry.name.len() % 2 == 0)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let expected = Expected::Ids(vec![("1".to_owned(), List::Tools)]);
    let Ok(filtered) = filter(text, &expected, &mut is_even) else {
        return;
    };
    if serde_json::from_str::<Value>(text).is_err() {
        // Nested too deep for whoever reads it as a tree.
        return;
    }
    let after: Value = serde_json::from_str(filtered.as_deref().unwrap_or(text)).expect("it stays JSON");
    let messages = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    for message in messages(&after).iter().filter(|message| message["id"] == 1) {
        if let Some(tools) = message["result"]["tools"].as_array() {
            let shown = tools.iter().all(|tool| tool["name"].as_str().is_some_and(|name| name.len() % 2 == 0));
            assert!(shown, "{message}");
        }
    }
    // Filtered again it is the same.
    let again = filter(&after.to_string(), &expected, &mut is_even);
    assert_eq!(again, Ok(None));
});
