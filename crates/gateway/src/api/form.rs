//! Looks for `_method` in a form that passes by.
//!
//! Frameworks take the method of a POST out of its form (Rack, Laravel, Symfony), where no rule would see it. A form is
//! read while it passes, a few bytes at a time; a name that would choose a method ends it before it is whole, and a form
//! that is not whole does nothing.

use http::{HeaderMap, HeaderValue, Method, header};
use memchr::memmem;
use percent_encoding::percent_decode;

use super::target::OVERRIDE;

/// Longer names are not looked at; `_method` is not one, however it is escaped.
const LONGEST_NAME: usize = OVERRIDE.len() * 3 + 1;
/// What of a part's head names a field: `name=`, or `name*=`, with an end.
const SEAM: usize = 64;

/// Looks at a body.
#[derive(Debug)]
pub(super) enum Form {
    /// Names and values, of which the name at hand and whether it is one.
    Urlencoded { name: Vec<u8>, in_name: bool },
    /// Parts, of which the last bytes.
    Multipart { last: Vec<u8> },
}

impl Form {
    /// What of a request has to be looked at: a POST that is a form, or that says nothing, which Rack takes for one.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is = |prefix: &[u8]| {
            content_type.is_some_and(|text| {
                text.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
        };
        if *method != Method::POST {
            return None;
        }
        if is(b"multipart/") {
            return Some(Self::Multipart { last: Vec::new() });
        }
        let says_nothing = content_type.is_none_or(|text| text.trim_ascii().is_empty());
        (says_nothing || is(b"application/x-www-form-urlencoded")).then(|| Self::Urlencoded {
            name: Vec::new(),
            in_name: true,
        })
    }

    /// Whether these bytes, behind those before, name the method.
    pub(super) fn overrides(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Urlencoded { name, in_name } => names_it(name, in_name, bytes),
            Self::Multipart { last } => {
                last.extend(bytes.iter().map(u8::to_ascii_lowercase));
                let found = has_a_field(last);
                let keep = last.len().saturating_sub(SEAM);
                last.drain(..keep);
                found
            }
        }
    }
}

fn names_it(name: &mut Vec<u8>, in_name: &mut bool, bytes: &[u8]) -> bool {
    for &byte in bytes {
        match byte {
            b'&' | b';' => {
                name.clear();
                *in_name = true;
            }
            b'=' if *in_name => {
                *in_name = false;
                if is_override(&percent_decode(name).collect::<Vec<_>>()) {
                    return true;
                }
            }
            byte if *in_name && name.len() <= LONGEST_NAME => name.push(byte),
            _ => {}
        }
    }
    false
}

fn is_override(name: &[u8]) -> bool {
    name.trim_ascii().eq_ignore_ascii_case(OVERRIDE.as_bytes())
}

/// Whether a part is called so. An extended name (`name*=`, RFC 5987) is not taken apart; no client writes one.
fn has_a_field(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, b"name").any(|at| {
        // `filename` names no field.
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        if !before.is_none_or(|byte| matches!(byte, b';' | b' ' | b'\t')) {
            return false;
        }
        let after = bytes.get(at + 4..).unwrap_or_default().trim_ascii_start();
        if after.starts_with(b"*") {
            return after[1..].trim_ascii_start().starts_with(b"=");
        }
        let Some(value) = after.strip_prefix(b"=") else {
            return false;
        };
        let value = value
            .trim_ascii_start()
            .iter()
            .filter(|byte| !matches!(byte, b'"' | b'\\'));
        let value: Vec<u8> = value.copied().take(OVERRIDE.len()).collect();
        is_override(&value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(content_type: Option<&'static str>, body: &str, chunk: usize) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
        }
        let Some(mut form) = Form::of(&Method::POST, &headers) else {
            return false;
        };
        body.as_bytes().chunks(chunk).any(|bytes| form.overrides(bytes))
    }

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=utf-8");
    const PARTS: Option<&str> = Some("Multipart/Form-Data; boundary=x");

    #[test]
    fn a_form_that_chooses_a_method_is_noticed_however_it_comes() {
        for chunk in [1, 2, 7, 1000] {
            for body in [
                "_method=DELETE",
                "a=1&_method=put&b=2",
                "a=1;%5Fmethod=x",
                "%5f%6d%65%74%68%6f%64=x",
                "_METHOD= ",
            ] {
                assert!(
                    overrides(FORM, body, chunk) && overrides(None, body, chunk),
                    "{body} {chunk}"
                );
            }
            for field in [
                r#"name="_method""#,
                "name=_method",
                r#"NAME-x; name = "_method""#,
                r"name=\_method",
                "name*=utf-8''_method",
            ] {
                let body = format!("--x\r\nContent-Disposition: form-data; {field}\r\n\r\nDELETE\r\n--x--");
                assert!(overrides(PARTS, &body, chunk), "{body} {chunk}");
            }
        }
    }

    #[test]
    fn any_other_passes() {
        for chunk in [1, 7, 1000] {
            for body in ["a=_method&b=1", "x_method=1", r#"{"_method":"x"}"#, "_methods=1"] {
                assert!(!overrides(FORM, body, chunk), "{body} {chunk}");
            }
            let body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"_method\"\r\n\r\ndef _method\r\n--x--";
            assert!(!overrides(PARTS, body, chunk), "{chunk}");
            assert!(!overrides(Some("application/json"), "_method=DELETE", chunk));
        }
    }
}
