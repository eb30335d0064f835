//! The path of a request to a plain HTTP API, in one spelling (DEC-19).
//!
//! Rules and upstream must not be able to read the same path differently, or what one refuses the other does. So a path
//! that some servers read as another one is none: with `.` and `..` (RFC 3986 section 5.2.4), empty segments,
//! backslashes, path parameters (`;`, which Java servers cut off), slashes and percent signs behind an escape. Whatever
//! is left has one spelling, by RFC 3986 section 6.2.2, and that one is both decided about and forwarded.

use std::fmt;

use thiserror::Error;

/// Longer ones are nobody's.
const LONGEST: usize = 4096;

/// A path that every server reads in the same way: it begins with a slash, and what may stand in a path as it is does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestPath(String);

/// A path that is not forwarded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadRequestPath {
    /// More than anybody needs.
    #[error("the path is longer than {LONGEST} bytes")]
    TooLong,
    /// It begins with no slash.
    #[error("the path does not begin with a slash")]
    Relative,
    /// Nothing stands between two slashes.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, however they are written.
    #[error("the path has a segment . or ..")]
    DotSegment,
    /// Something that servers read differently.
    #[error("the path has {0}, which servers read differently")]
    Ambiguous(&'static str),
    /// A `%` that no two hexadecimal digits follow.
    #[error("the path has a broken escape")]
    Escape,
    /// Bytes that are no text.
    #[error("the path is no UTF-8")]
    Encoding,
}

impl RequestPath {
    /// Reads the path of a request, without its query. With `encoded_slashes`, `%2F` is a character of a name, as some
    /// APIs have it; else it is refused.
    ///
    /// # Errors
    /// It can be read in more than one way.
    pub fn parse(raw: &str, encoded_slashes: bool) -> Result<Self, BadRequestPath> {
        if raw.len() > LONGEST {
            return Err(BadRequestPath::TooLong);
        }
        let rest = raw.strip_prefix('/').ok_or(BadRequestPath::Relative)?;
        let mut out = String::with_capacity(raw.len());
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            // Only the last may be empty: a slash at the end.
            if segment.is_empty() && segments.peek().is_some() {
                return Err(BadRequestPath::EmptySegment);
            }
            out.push('/');
            segment_into(&mut out, segment, encoded_slashes)?;
        }
        // Escapes make it longer, and it is this that is decided about and sent.
        if out.len() > LONGEST {
            return Err(BadRequestPath::TooLong);
        }
        Ok(Self(out))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn segment_into(out: &mut String, segment: &str, encoded_slashes: bool) -> Result<(), BadRequestPath> {
    let decoded = decoded(segment)?;
    let text = std::str::from_utf8(&decoded).map_err(|_| BadRequestPath::Encoding)?;
    // Whoever decodes first sees what is between slashes behind escapes as segments too.
    let parts: Vec<_> = text.split('/').collect();
    for part in &parts {
        // With a space or a dot behind it, it is the same to some file systems.
        if part.trim_end_matches([' ', '.']).is_empty() && part.contains('.') {
            return Err(BadRequestPath::DotSegment);
        }
        if part.is_empty() && parts.len() > 1 {
            return Err(BadRequestPath::EmptySegment);
        }
    }
    for &byte in &decoded {
        match byte {
            b'/' if !encoded_slashes => return Err(BadRequestPath::Ambiguous("a slash behind an escape")),
            b'\\' => return Err(BadRequestPath::Ambiguous("a backslash")),
            b'%' => return Err(BadRequestPath::Ambiguous("a percent sign behind an escape")),
            b';' => return Err(BadRequestPath::Ambiguous("a semicolon")),
            0..=0x1f | 0x7f => return Err(BadRequestPath::Ambiguous("a control character")),
            // pchar (RFC 3986 section 3.3), without what was refused above.
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b'='
            | b':'
            | b'@' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.extend(
                        char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    Ok(())
}

fn decoded(segment: &str) -> Result<Vec<u8>, BadRequestPath> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(BadRequestPath::Escape);
        };
        out.push(u8::try_from(high << 4 | low).map_err(|_| BadRequestPath::Escape)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn read(raw: &str) -> Result<String, BadRequestPath> {
        RequestPath::parse(raw, false).map(|path| path.0)
    }

    #[test]
    fn one_spelling_for_each_path() {
        for (raw, one) in [
            ("/", "/"),
            ("/repos/me/x", "/repos/me/x"),
            ("/repos/me/", "/repos/me/"),
            ("/%72epos/%6De", "/repos/me"),
            ("/a%2bb/a+b", "/a+b/a+b"),
            ("/caf%c3%a9/%E6%96%87", "/caf%C3%A9/%E6%96%87"),
            ("/a b/{x}", "/a%20b/%7Bx%7D"),
            ("/c%23/what%3f", "/c%23/what%3F"),
            ("/.git/...x/x.", "/.git/...x/x."),
        ] {
            assert_eq!(read(raw).as_deref(), Ok(one), "{raw}");
        }
        let kept = RequestPath::parse("/projects/a%2fb/issues", true).unwrap();
        assert_eq!(kept.as_str(), "/projects/a%2Fb/issues");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        use BadRequestPath::{DotSegment, EmptySegment, Encoding, Escape, Relative, TooLong};
        for (raw, why) in [
            ("", Relative),
            ("repos", Relative),
            ("//repos", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/a/..%20/b", DotSegment),
            ("/a/.../b", DotSegment),
            ("/%", Escape),
            ("/%2", Escape),
            ("/%zz", Escape),
            ("/%+1", Escape),
            ("/%ff", Encoding),
            ("/%c0%ae%c0%ae/", Encoding),
        ] {
            assert_eq!(read(raw), Err(why), "{raw}");
        }
        for ambiguous in [
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/%252e%252e/x",
            "/a;x=1/b",
            "/a%3bx/b",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
        ] {
            assert!(
                matches!(read(ambiguous), Err(BadRequestPath::Ambiguous(_))),
                "{ambiguous}"
            );
        }
        assert_eq!(read(&format!("/{}", "a".repeat(LONGEST))), Err(TooLong));
        assert_eq!(read(&format!("/{}", "^".repeat(LONGEST / 2))), Err(TooLong));
        // The other checks hold all the same.
        for bad in [
            "/a%2f..%2fb/../c",
            "/a%252fb",
            "/%2e%2e",
            "/a%2F..%2F..%2Fadmin/issues",
            "/a%2f%2e%2e%2fb",
            "/a%2f.%20%2fb",
            "/%2fx",
            "/x%2f%2fy",
            "/x%2f",
        ] {
            assert!(RequestPath::parse(bad, true).is_err(), "{bad}");
        }
    }

    proptest! {
        /// However a path is spelled, it is one and the same, and reading it again changes nothing.
        #[test]
        fn every_spelling_is_the_same_path(text in "/[a-zA-Z0-9._~!$&'()*+,=:@é文 /-]{0,40}", escapes in any::<u64>()) {
            let mut spelled = String::new();
            for (at, c) in text.chars().enumerate() {
                if c == '/' || escapes >> (at % 64) & 1 == 0 {
                    spelled.push(c);
                    continue;
                }
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(spelled, "%{byte:02x}");
                }
            }
            let (plain, spelled) = (read(&text), read(&spelled));
            prop_assert_eq!(&plain, &spelled);
            if let Ok(path) = plain {
                prop_assert_eq!(read(&path), Ok(path.clone()));
                let parsed = url::Url::parse(&format!("http://a.example{path}")).unwrap();
                prop_assert_eq!(parsed.path(), &path, "the URL standard reads it alike");
            }
        }
    }
}
