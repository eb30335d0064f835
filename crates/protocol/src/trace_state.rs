//! `tracestate` (W3C Trace Context, section 3.3): what those who take part in a trace say to those behind them, beside
//! `traceparent`. It is passed on as it came or not at all, and never read here: a list of it that is not what the standard says
//! could be read differently by everybody behind us.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Most members of a list (section 3.3.1.1).
const MOST: usize = 32;
/// The longest key, and the longest value (sections 3.3.1.3.1 and 3.3.1.3.2).
const LONGEST: usize = 256;

/// A list that can be passed on, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(String);

/// A text that is no `tracestate`, or says nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a tracestate")]
pub struct BadTraceState;

impl TraceState {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TraceState {
    type Err = BadTraceState;

    fn from_str(text: &str) -> Result<Self, BadTraceState> {
        let members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
        // Empty members are allowed, and count for nothing.
        let mut members = members.filter(|member| !member.is_empty());
        let mut count = 0;
        let is_good = members.all(|member| {
            count += 1;
            count <= MOST && is_member(member)
        });
        if is_good && count > 0 {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadTraceState)
        }
    }
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    is_key(key) && is_value(value)
}

/// As level 2 of the standard has it: every key of level 1 is one.
fn is_key(key: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_other = |byte: &u8| is_first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= LONGEST
        && key.as_bytes().first().is_some_and(is_first)
        && key.as_bytes().iter().all(is_other)
}

/// Printable, without the two that divide; a space at its end was taken off with what surrounds a member.
fn is_value(value: &str) -> bool {
    let is_good = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=LONGEST).contains(&value.len()) && value.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "([a-z][a-z0-9@_]{0,8}=[ -+.-<>-~]{1,8}[!],?[ \t]?){1,8}") {
            if let Ok(state) = text.parse::<TraceState>() {
                prop_assert_eq!(state.as_str(), &text);
            }
        }

        /// What is passed on is one line, and divides in one way.
        #[test]
        fn nothing_makes_it_fall(text in any::<String>()) {
            if let Ok(state) = text.parse::<TraceState>() {
                prop_assert!(state.as_str().bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
            }
        }
    }

    fn many(count: usize) -> String {
        vec!["k=v"; count].join(",")
    }

    #[test]
    fn reads_what_the_standard_says() {
        let longest = format!("{}={}", "k".repeat(LONGEST), "v".repeat(LONGEST));
        for good in [
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "rojo=00f067aa0ba902b7 ,\t congo=t61rcWkgMzE",
            "fw529a3039@dt=FfAAAAA,0a1_-*/=x",
            "a=b c, ,b= d,,",
            "a=1,a=2",
            longest.as_str(),
            many(MOST).as_str(),
        ] {
            assert_eq!(
                good.parse::<TraceState>().as_ref().map(TraceState::as_str),
                Ok(good)
            );
        }
    }

    #[test]
    fn and_nothing_else() {
        let (long_key, long_value) = (format!("{}=v", "k".repeat(257)), format!("k={}", "v".repeat(257)));
        for bad in [
            "",
            " , \t,",
            "rojo",
            "=b",
            "a=",
            "a= ",
            "a=b=c",
            "A=b",
            "@a=b",
            "a b=c",
            "a =b",
            "a=b\n",
            "a=b\r\nx: y",
            "a=\u{7f}",
            "a=é",
            "é=a",
            "a=b;c,d",
            long_key.as_str(),
            long_value.as_str(),
            many(MOST + 1).as_str(),
        ] {
            assert_eq!(bad.parse::<TraceState>(), Err(BadTraceState), "{bad:?}");
        }
    }
}
