//! The `Prefer` header, one a line: how long somebody would wait is a number that stands there, the first one, however the headers
//! are spelled and divided.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use protocol::prefer::wait;

fuzz_target!(|text: &str| {
    let headers = || text.split('\n');
    let said = wait(headers());
    assert_eq!(wait(text.to_ascii_uppercase().split('\n')), said);
    let joined = headers().collect::<Vec<_>>().join(",");
    assert_eq!(wait([joined.as_str()].into_iter()), said, "several headers are one list (RFC 9110 section 5.3)");
    let unsigned = text.replace('+', "x");
    assert_eq!(wait(unsigned.split('\n')), said, "a number of seconds has no sign (RFC 9110 section 10.2.3)");
    let seven = Some(Duration::from_secs(7));
    assert_eq!(wait(["wait=7"].into_iter().chain(headers())), seven, "the first counts (RFC 7240 section 2)");
    let Some(said) = said else {
        return;
    };
    assert_eq!(wait(headers().chain(["wait=7"])), Some(said));
    let seconds = said.as_secs().to_string();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.trim_start_matches('0'));
    assert!(numbers.any(|number| number == seconds.trim_start_matches('0')), "{seconds} is nowhere");
});
