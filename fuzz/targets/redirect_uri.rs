//! A redirect URI, and whether a requested one is a registered one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::redirect::{Kind, MatchRules};
use protocol::RedirectUri;

fuzz_target!(|input: (&str, &str)| {
    let (registered, requested) = input;
    let read = |text: &str| RedirectUri::parse(text, |scheme| scheme == "cursor");
    let Ok(registered) = read(registered) else {
        return;
    };
    if registered.as_str().len() > 1900 {
        return; // an answer's parameters may make it too long
    }
    let rules = MatchRules::default();
    assert!(registered.matches(&registered, &rules), "what registration accepts, authorize accepts");
    let with = registered.with_params([("code", "a b&c=d#e"), ("state", "\r\n")]);
    let back = read(&with).expect("an answer's address is one that would be accepted");
    assert_eq!(back.target(), registered.target());
    assert_eq!(back.kind(), registered.kind());
    let Ok(requested) = read(requested) else {
        return;
    };
    if registered.matches(&requested, &rules) {
        assert_eq!(registered.kind(), requested.kind());
        if registered.kind() == Kind::Https {
            assert_eq!(registered.origin(), requested.origin());
        }
    }
});
