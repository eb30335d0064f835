//! Mirrored headers of 2026-07-28: `Mcp-Method`, `Mcp-Name` and their base64 sentinel (TP-62 to TP-65).

use std::borrow::Cow;

use data_encoding::BASE64;
use thiserror::Error;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// A header that cannot mirror anything.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("the value is not valid: bad base64 inside =?base64?…?=, or characters a header may not have")]
pub struct BadMirror;

/// The text that a mirrored header stands for. Surrounding blanks are trimmed first; a value that lacks
/// either end of the sentinel, or spells it in another case, is literal.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, BadMirror> {
    let text = std::str::from_utf8(value)
        .map_err(|_| BadMirror)?
        .trim_matches([' ', '\t']);
    if !text.bytes().all(|b| (0x20..=0x7e).contains(&b) || b == b'\t') {
        return Err(BadMirror);
    }
    match text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
    {
        None => Ok(text.into()),
        Some(encoded) => {
            let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| BadMirror)?;
            String::from_utf8(bytes).map(Into::into).map_err(|_| BadMirror)
        }
    }
}

/// A text as a mirrored header says it: as it is, or as the sentinel where a header cannot hold it or would be read
/// as something else (TP-73).
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b)) && text.trim_matches([' ', '\t']) == text;
    let looks_encoded = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    if is_plain && !looks_encoded {
        text.into()
    } else {
        format!("{PREFIX}{}{SUFFIX}", BASE64.encode(text.as_bytes())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tp_73_what_was_encoded_is_read_back(text in any::<String>()) {
            let header = encode(&text);
            prop_assert!(header.bytes().all(|b| (0x20..=0x7e).contains(&b)));
            prop_assert_eq!(decode(header.as_bytes()).unwrap(), text.as_str());
        }
    }

    #[test]
    fn tp_73_what_a_header_can_hold_stays_readable() {
        assert_eq!(encode("get_issue"), "get_issue");
        assert_eq!(
            encode("=?base64?SGVsbG8=?="),
            "=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?="
        );
        assert_eq!(encode(" x"), "=?base64?IHg=?=");
    }

    #[test]
    fn tp_65_the_sentinel_is_strict_and_everything_else_literal() {
        assert_eq!(decode(b"=?base64?SGVsbG8=?=").unwrap(), "Hello");
        assert_eq!(decode(b"  tools/call\t").unwrap(), "tools/call");
        for literal in [
            "=?base64?SGVsbG8=",
            "SGVsbG8=?=",
            "=?BASE64?SGVsbG8=?=",
            "=?base64?",
        ] {
            assert_eq!(decode(literal.as_bytes()).unwrap(), literal);
        }
        for bad in ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?/w==?="] {
            assert_eq!(decode(bad.as_bytes()), Err(BadMirror), "{bad}");
        }
        assert_eq!(decode("ä".as_bytes()), Err(BadMirror));
    }
}
