//! The names of the parts of a form (RFC 7578).
//!
//! Where a part begins is not asked: parsers disagree about boundaries, and some find a header in the middle of a line. So
//! every field that could name a part is looked at wherever it stands; a file that holds such a field with a refused name
//! is refused as well.

use memchr::memmem;

use super::urlencoded::escaped;
use crate::api::names::{Found, RefusedNames};

/// What fields begin with that can name a part.
const FIELD: &[u8] = b"content-";
/// A longer field names no part of a form that a program sends.
const LONGEST: usize = 8 << 10;
/// So many blanks before its colon are none that a program writes.
const MOST_BLANKS: usize = 256;

/// A form as it comes.
#[derive(Debug, Default)]
pub(super) struct Multipart {
    /// What may be the beginning of a field, in lower case.
    last: Vec<u8>,
    /// Up to where it is known that the field does not end.
    passed: usize,
}

/// What is wrong with a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Its name.
    Found(Found),
    /// Its name is written in a way that only some servers read.
    Unclear,
}

impl Multipart {
    /// What is wrong with these bytes, behind those before.
    pub(super) fn look(&mut self, bytes: &[u8], names: &RefusedNames) -> Option<Wrong> {
        self.last.extend(bytes.iter().map(u8::to_ascii_lowercase));
        let mut done = 0;
        let mut passed = std::mem::take(&mut self.passed);
        let wrong = loop {
            let rest = self.last.get(done..).unwrap_or_default();
            let Some(at) = memmem::find(rest, FIELD) else {
                // Its beginning may be there.
                done += rest.len().saturating_sub(FIELD.len() - 1);
                break None;
            };
            let field = rest.get(at..).unwrap_or_default();
            let end = match begins(field) {
                Begins::Other => {
                    done += at + FIELD.len();
                    continue;
                }
                Begins::Field => end_of(field, std::mem::take(&mut passed)),
                Begins::Unknown => Err(0),
                Begins::TooLong => break Some(Wrong::Unclear),
            };
            if end.unwrap_or(field.len()) > LONGEST {
                break Some(Wrong::Unclear);
            }
            let end = match end {
                Ok(end) => end,
                Err(passed) => {
                    self.passed = passed;
                    done += at;
                    break None;
                }
            };
            let field = field.get(..end).unwrap_or_default();
            if let Some(wrong) = look_at(field, names) {
                break Some(wrong);
            }
            done += at + end;
        };
        self.last.drain(..done);
        wrong
    }

    /// What is wrong with what no further line ended.
    pub(super) fn end(&mut self, names: &RefusedNames) -> Option<Wrong> {
        self.look(b"\n\n", names)
    }
}

/// Where a field ends: at a line that does not go on with a blank (RFC 5322 section 2.2.3). It does not before `from`. If that is
/// still to come, from where to look for it again.
fn end_of(field: &[u8], mut from: usize) -> Result<usize, usize> {
    loop {
        let rest = field.get(from..).unwrap_or_default();
        let Some(at) = memchr::memchr2(b'\r', b'\n', rest) else {
            return Err(field.len());
        };
        let line_end = rest.get(at..).unwrap_or_default();
        let length = if line_end.starts_with(b"\r\n") { 2 } else { 1 };
        let behind = line_end.get(length..).unwrap_or_default();
        match behind.first() {
            Some(b' ' | b'\t') => from = field.len() - behind.len(),
            Some(_) => return Ok(from + at),
            None => return Err(from + at),
        }
    }
}

/// What these bytes begin with.
enum Begins {
    /// A field that can name a part.
    Field,
    /// Something else.
    Other,
    /// It is not all there.
    Unknown,
    /// Behind more blanks than anybody writes.
    TooLong,
}

fn begins(bytes: &[u8]) -> Begins {
    const NAMES: [&[u8]; 3] = [b"content-disposition", b"content-id", b"content-type"];
    for name in NAMES {
        if name.starts_with(bytes) {
            return Begins::Unknown;
        }
        let Some(after) = bytes.strip_prefix(name) else {
            continue;
        };
        // So many blanks are none of a field's; no more are looked at anew with each byte.
        let after = after.get(..MOST_BLANKS).unwrap_or(after);
        match after.trim_ascii_start().first() {
            Some(b':') => return Begins::Field,
            None if after.len() < MOST_BLANKS => return Begins::Unknown,
            None => return Begins::TooLong,
            _ => {}
        }
    }
    Begins::Other
}

/// The value of the field that these bytes begin with, if it has this name.
fn value_of<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    field.strip_prefix(name)?.trim_ascii_start().strip_prefix(b":")
}

/// A field, and whatever else is in its line.
fn look_at(line: &[u8], names: &RefusedNames) -> Option<Wrong> {
    let mut has_disposition = false;
    for at in memmem::find_iter(line, FIELD) {
        let field = line.get(at..).unwrap_or_default();
        // Rack takes these for the name of a part that has none.
        let other = value_of(field, b"content-id").or_else(|| value_of(field, b"content-type"));
        if let Some(value) = other {
            let found = escaped(until(value, |byte| matches!(byte, b';' | b'\r' | b'\n')), names);
            if found.is_some() {
                return found.map(Wrong::Found);
            }
        }
        // One look at the line is enough.
        if !has_disposition && let Some(value) = value_of(field, b"content-disposition") {
            has_disposition = true;
            if let Some(wrong) = disposition(value, names) {
                return Some(wrong);
            }
        }
    }
    None
}

/// Each `name` that stands there, in quotes of another parameter too: parsers disagree where those end.
fn disposition(value: &[u8], names: &RefusedNames) -> Option<Wrong> {
    memmem::find_iter(value, b"name").find_map(|at| {
        // `filename` names no part.
        let before = at.checked_sub(1).and_then(|before| value.get(before));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return None;
        }
        let after = value.get(at + 4..).unwrap_or_default().trim_ascii_start();
        if after.starts_with(b"*") {
            // Extended, or in pieces (RFC 2231), which RFC 7578 section 4.2 forbids.
            return Some(Wrong::Unclear);
        }
        name(after.strip_prefix(b"=")?.trim_ascii_start(), names)
    })
}

/// The name that these bytes begin with, as it ends to some parser.
fn name(value: &[u8], names: &RefusedNames) -> Option<Wrong> {
    let quote = value.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let is_part = |byte: u8| matches!(byte, b';' | b'\r' | b'\n');
    let readings = [
        // Up to the quote at its end.
        quote.map(|quote| escaped(quoted(value.get(1..).unwrap_or_default(), quote), names)),
        // Up to the next parameter, whatever quotes say.
        Some(escaped(
            until(value, is_part).filter(|byte| !is_quote(*byte)),
            names,
        )),
        // One word.
        quote.is_none().then(|| {
            let word = until(value, |byte| is_part(byte) || matches!(byte, b' ' | b'\t' | b','));
            escaped(word.filter(|byte| !is_quote(*byte)), names)
        }),
    ];
    let found = readings.into_iter().flatten().flatten().next();
    // In the words of mail (RFC 2047), which Java's parsers take apart.
    let is_encoded = || {
        let words: Vec<u8> = until(value, is_part).take(64).collect();
        memmem::find(&words, b"=?").is_some()
    };
    found
        .map(Wrong::Found)
        .or_else(|| is_encoded().then_some(Wrong::Unclear))
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

fn until(bytes: &[u8], is_end: impl Fn(u8) -> bool) -> impl Iterator<Item = u8> {
    bytes.iter().copied().take_while(move |byte| !is_end(*byte))
}

/// What is quoted, without its backslashes.
fn quoted(bytes: &[u8], quote: u8) -> impl Iterator<Item = u8> {
    let mut is_escaped = false;
    bytes
        .iter()
        .copied()
        .take_while(move |&byte| {
            let is_end = byte == quote && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            !is_end
        })
        .filter(|byte| *byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(body: &str, chunk: usize) -> Option<Wrong> {
        let names = RefusedNames::new(["sudo"]);
        let mut form = Multipart::default();
        let wrong = body
            .as_bytes()
            .chunks(chunk)
            .find_map(|bytes| form.look(bytes, &names));
        wrong.or_else(|| form.end(&names))
    }

    fn part(head: &str) -> String {
        format!("--x\r\n{head}\r\n\r\nDELETE\r\n--x--")
    }

    #[test]
    fn a_part_with_a_refused_name_is_found_however_it_is_written() {
        for chunk in [1, 2, 7, 1000] {
            for head in [
                r#"Content-Disposition: form-data; name="_method""#,
                "Content-Disposition: form-data; name=_method",
                "content-disposition:form-data;name='_method'",
                r#"Content-Disposition: form-data; name=" _method""#,
                r#"CONTENT-DISPOSITION : form-data; x=y; NAME = "_METHOD""#,
                r"Content-Disposition: form-data; name=\_method",
                r#"Content-Disposition: form-data; name="_met\hod""#,
                r#"Content-Disposition: form-data; name="%5fmethod""#,
                r#"Content-Disposition: form-data; name="[sudo]""#,
                r#"Content-Disposition: form-data; name="sudo[]""#,
                r#"Content-Disposition: form-data; filename="x"; name=sudo x"#,
                r#"Content-Disposition: form-data; filename="x\"; name=sudo; y=""#,
                r#"Content-Disposition: form-data; filename="x"name="sudo""#,
                "Content-Disposition: form-data;\r\n name=\"sudo\"",
                "Content-Disposition: form-data;\n\tname\n = \"sudo\"",
                "X: 1\rContent-Disposition: form-data; name=sudo",
                "X-Content-Disposition: form-data; name=sudo",
                "Content-Type: text/plain; Content-Disposition: form-data; name=sudo",
                "Content-ID: sudo",
                "Content-Type: _method",
            ] {
                assert!(
                    matches!(wrong(&part(head), chunk), Some(Wrong::Found(_))),
                    "{head} {chunk}"
                );
            }
            for head in [
                "Content-Disposition: form-data; name*=utf-8''_method",
                "Content-Disposition: form-data; name*0=\"_met\"; name*1=\"hod\"",
                "Content-Disposition: form-data; name=\"=?utf-8?q?_method?=\"",
                &format!(
                    "Content-Disposition: form-data; x=\"{}\"; name=sudo",
                    "x".repeat(9000)
                ),
            ] {
                assert_eq!(wrong(&part(head), chunk), Some(Wrong::Unclear), "{head} {chunk}");
            }
        }
    }

    #[test]
    fn any_other_passes() {
        let long = "content-".repeat(3000);
        for chunk in [1, 7, 1000] {
            for body in [
                &part(
                    "Content-Disposition: form-data; name=\"file\"; filename=\"_method\"\r\nContent-Type: text/html",
                ),
                &part("Content-Disposition: form-data; name=\"sudoers\""),
                "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n<input name=\"_method\" value=x>\nname=sudo\r\n--x--",
                "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n name=sudo\r\n--x--",
                "--x\r\nContent-Type: application/pdf; name*=utf-8''x; name=sudo\r\n\r\n--x--",
                "",
                &long,
            ] {
                assert_eq!(wrong(body, chunk), None, "{body} {chunk}");
            }
        }
    }

    proptest! {
        /// However long the padding and wherever it is cut, the name is found.
        #[test]
        fn no_padding_hides_a_name(
            padding in 0_usize..1000,
            pad in prop::sample::select(vec![" ", "\t", "\r\n ", "\n\t", "%20"]),
            quote in prop::sample::select(vec!["\"", "'", ""]),
            before in 0_usize..3,
            chunk in 1_usize..200,
        ) {
            let pads = |at| if at == before { pad.repeat(padding) } else { String::new() };
            // An escape is a blank within the name alone.
            prop_assume!(pad != "%20" || before == 2);
            let head = format!(
                "Content-Disposition: form-data;{}name{}={quote}{}sudo{quote}", pads(0), pads(1), pads(2)
            );
            prop_assert!(wrong(&part(&head), chunk).is_some(), "{}", head);
        }
    }
}
