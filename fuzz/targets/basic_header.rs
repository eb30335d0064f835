//! The `Authorization: Basic` header of a client.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(Ok(readings)) = protocol::basic::parse(bytes) {
        assert!(!readings.is_empty());
    }
});
