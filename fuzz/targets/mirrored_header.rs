//! `Mcp-Name` and its like.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mcp::mirror;

fuzz_target!(|bytes: &[u8]| {
    let _ = mirror::decode(bytes);
});
