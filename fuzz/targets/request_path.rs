//! The path of a request to a plain HTTP API: what is taken has one spelling, which reading it again leaves as it is, and
//! nothing in it that servers read in several ways.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::RequestPath;

fuzz_target!(|text: &str| {
    for encoded_slashes in [false, true] {
        let Ok(path) = RequestPath::parse(text, encoded_slashes) else {
            continue;
        };
        assert_eq!(RequestPath::parse(path.as_str(), encoded_slashes).as_ref(), Ok(&path));
        let path = path.as_str();
        assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
        for odd in ["//", "\\", ";", "?", "#", "%25", "%5C", "%3B", "%00"] {
            assert!(!path.contains(odd), "{path}");
        }
        assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path}");
        assert!(encoded_slashes || !path.contains("%2F"), "{path}");
    }
});
