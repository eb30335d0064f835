//! A compact JWT, up to the point where a key is chosen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::jwt::Compact;

fuzz_target!(|text: &str| {
    let Ok(compact) = Compact::parse(text) else {
        return;
    };
    // One reading: the same object for every parser, and nothing of it left out of what is signed.
    let value: serde_json::Value = serde_json::from_slice(&compact.payload).expect("an object");
    assert!(value.is_object());
    assert!(text.starts_with(compact.signing_input));
    assert!(!compact.signature.is_empty());
});
