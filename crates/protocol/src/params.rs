//! Query strings and form bodies: `application/x-www-form-urlencoded`, read strictly.
//!
//! A parameter without a value counts as absent and a parameter given twice with different values is an
//! error (OS-2); twice with the same value is fine, some clients do that (CC-62).

use std::borrow::Cow;

use percent_encoding::percent_decode;
use thiserror::Error;

/// Decoded parameters in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Why a query or body could not be read.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum ParamsError {
    /// A name or value is not UTF-8 after percent-decoding.
    #[error("parameters are not valid UTF-8")]
    NotUtf8,
    /// More parameters than any client sends.
    #[error("more than {MOST} parameters")]
    TooMany,
    /// A parameter came twice with different values.
    #[error("parameter {0} is given more than once")]
    Repeated(String),
}

const MOST: usize = 100;

impl Params {
    /// Reads a query string or a form body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParamsError> {
        let mut params = Vec::new();
        for pair in bytes.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            if params.len() == MOST {
                return Err(ParamsError::TooMany);
            }
            let (name, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            params.push((decode(name)?, decode(value)?));
        }
        Ok(Self(params))
    }

    /// The parameter's only value; `None` if it is absent or empty.
    pub fn one(&self, name: &str) -> Result<Option<&str>, ParamsError> {
        let mut found = None;
        for value in self.all(name) {
            match found {
                Some(earlier) if earlier != value => return Err(ParamsError::Repeated(name.to_owned())),
                _ => found = Some(value),
            }
        }
        Ok(found)
    }

    /// Every non-empty value of the parameter, for those that may be given several times (RFC 8707).
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0
            .iter()
            .filter(move |(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// Whether the parameter is there at all, even empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// All pairs as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Adds a parameter at the end.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Back to `a=b&c=d`, percent-encoded.
    pub fn encode(&self) -> String {
        encode(self.iter())
    }
}

/// Encodes pairs as `a=b&c=d`.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs);
    text.finish()
}

fn decode(bytes: &[u8]) -> Result<String, ParamsError> {
    let spaced: Cow<'_, [u8]> = if bytes.contains(&b'+') {
        bytes.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect()
    } else {
        bytes.into()
    };
    String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| ParamsError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_pluses_and_percents() {
        let params = Params::parse(b"a=1+2&b=%C3%A4&c&d=&&e=x=y").unwrap();
        assert_eq!(params.one("a").unwrap(), Some("1 2"));
        assert_eq!(params.one("b").unwrap(), Some("ä"));
        assert_eq!(params.one("c").unwrap(), None);
        assert_eq!(params.one("d").unwrap(), None);
        assert_eq!(params.one("e").unwrap(), Some("x=y"));
    }

    #[test]
    fn os_2_a_repeated_parameter_is_an_error_unless_it_repeats_itself() {
        let params = Params::parse(b"scope=a&scope=b&state=x&state=x").unwrap();
        assert_eq!(
            params.one("scope"),
            Err(ParamsError::Repeated("scope".to_owned()))
        );
        assert_eq!(params.one("state"), Ok(Some("x")));
    }

    #[test]
    fn refuses_what_is_not_utf8_instead_of_guessing() {
        assert_eq!(Params::parse(b"state=%ff"), Err(ParamsError::NotUtf8));
    }

    #[test]
    fn refuses_a_flood() {
        assert_eq!(
            Params::parse("a=1&".repeat(101).as_bytes()),
            Err(ParamsError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(pairs in proptest::collection::vec(("[^&=]{1,9}", ".{1,20}"), 0..20)) {
            let text = encode(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let read = Params::parse(text.as_bytes()).unwrap();
            prop_assert!(read.iter().eq(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Params::parse(&bytes);
        }
    }
}
