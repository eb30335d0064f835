//! An opaque token as somebody presents it: what passes is exactly what was made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{OpaqueToken, TokenKind};

fuzz_target!(|text: &str| {
    let Ok(token) = OpaqueToken::parse(TokenKind::Service, text) else {
        return;
    };
    // One spelling, with the checksum of what it says, and of no other kind.
    assert_eq!(token.expose(), text);
    let (head, checksum) = text.split_at(text.len() - 7);
    assert!(head.starts_with(TokenKind::Service.prefix()));
    assert!(OpaqueToken::parse(TokenKind::Refresh, text).is_err());
    let mut other = checksum.to_owned();
    other.replace_range(0..1, if checksum.starts_with('a') { "b" } else { "a" });
    assert!(OpaqueToken::parse(TokenKind::Service, &format!("{head}{other}")).is_err());
});
