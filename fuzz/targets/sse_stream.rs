//! An event stream, cut anywhere: the events do not depend on where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mcp::sse::Events;

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, cut) = input;
    let whole = read([bytes]);
    let at = usize::from(cut).min(bytes.len());
    let (first, second) = bytes.split_at(at);
    assert_eq!(whole, read([first, second]));
});

fn read<const N: usize>(chunks: [&[u8]; N]) -> Option<Vec<(String, String)>> {
    let mut events = Events::new(64 * 1024);
    let mut seen = Vec::new();
    for chunk in chunks {
        events.push(chunk);
        while let Some((event, _)) = events.next_event().ok()? {
            seen.push((event.kind.clone(), event.data.clone()));
        }
    }
    Some(seen)
}
