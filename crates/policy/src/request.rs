//! Requests to a plain HTTP API as rules name them: `GET /repos/*/issues`, `* /repos/**`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use protocol::{BadRequestPath, RequestPath};
use thiserror::Error;

use crate::pattern;

/// Which requests a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requests {
    /// All.
    All,
    /// `GET` and `HEAD`, which change nothing (RFC 9110 section 9.2.1).
    ReadOnly,
    /// Those that fit one of these.
    Matching(Vec<RequestPattern>),
}

/// Whether a method changes nothing (RFC 9110 section 9.2.1), as far as rules are concerned.
pub(crate) fn is_read_only(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

/// A method and a path. `*` stands for any text within a segment, alone for a whole one; `**` for any number of segments,
/// none too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPattern {
    /// As the operator wrote it.
    text: Arc<str>,
    /// None for any.
    method: Option<Box<str>>,
    /// In the spelling of [`RequestPath`].
    segments: Vec<Box<str>>,
}

/// A text that is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadRequestPattern {
    /// Not a method and a path.
    #[error("{0:?} names no requests; write a method and a path, like \"GET /repos/**\"")]
    Form(String),
    /// The path is one that no request has.
    #[error("{0:?}: {1}")]
    Path(String, BadRequestPath),
    /// A star behind an escape.
    #[error(
        "{0:?}: %2A would stand for any text, as * does; there is no way to write a star that stands for itself"
    )]
    Star(String),
    /// `**` beside something else.
    #[error("{0:?}: ** stands for whole segments; write it between slashes, or * within one")]
    Stars(String),
}

impl FromStr for RequestPattern {
    type Err = BadRequestPattern;

    fn from_str(text: &str) -> Result<Self, BadRequestPattern> {
        let form = || BadRequestPattern::Form(text.to_owned());
        let (method, path) = text.split_once(' ').ok_or_else(form)?;
        let is_method =
            |method: &str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if method != "*" && !is_method(method) {
            return Err(form());
        }
        // In the one spelling of paths it is a star like any other, and whoever wrote it meant less.
        if path.to_ascii_uppercase().contains("%2A") {
            return Err(BadRequestPattern::Star(text.to_owned()));
        }
        let path = RequestPath::parse(path, true)
            .map_err(|error| BadRequestPattern::Path(text.to_owned(), error))?;
        let segments: Vec<Box<str>> = segments(path.as_str()).map(Into::into).collect();
        if segments
            .iter()
            .any(|segment| segment.contains("**") && &**segment != "**")
        {
            return Err(BadRequestPattern::Stars(text.to_owned()));
        }
        Ok(Self {
            text: text.into(),
            method: (method != "*").then(|| method.into()),
            segments,
        })
    }
}

impl fmt::Display for RequestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl RequestPattern {
    /// As it was written; names it in Cedar.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a request fits. What may be read may be asked for without its content too (`HEAD`, RFC 9110 section 9.3.2).
    pub(crate) fn fits(&self, method: &str, path: &str) -> bool {
        let method_fits = match self.method.as_deref() {
            None => true,
            Some("GET") => method == "GET" || method == "HEAD",
            Some(one) => one == method,
        };
        method_fits && self.fits_path(path)
    }

    /// From left to right; when something does not fit, the last `**` takes one segment more.
    fn fits_path(&self, path: &str) -> bool {
        let path: Vec<_> = segments(path).collect();
        let (mut pattern_at, mut path_at) = (0, 0);
        let mut last: Option<(usize, usize)> = None;
        while let Some(segment) = path.get(path_at) {
            match self.segments.get(pattern_at) {
                Some(pattern) if &**pattern == "**" => {
                    last = Some((pattern_at, path_at));
                    pattern_at += 1;
                    continue;
                }
                Some(pattern) if fits_segment(pattern, segment) => {
                    pattern_at += 1;
                    path_at += 1;
                    continue;
                }
                _ => {}
            }
            let Some((stars_at, from)) = last else {
                return false;
            };
            last = Some((stars_at, from + 1));
            (pattern_at, path_at) = (stars_at + 1, from + 1);
        }
        self.segments.iter().skip(pattern_at).all(|rest| &**rest == "**")
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Within a segment; a whole one has something in it.
fn fits_segment(pattern: &str, segment: &str) -> bool {
    if pattern == "*" {
        return !segment.is_empty();
    }
    pattern::fits(pattern, segment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, request: &str) -> bool {
        let (method, path) = request.split_once(' ').unwrap();
        pattern.parse::<RequestPattern>().unwrap().fits(method, path)
    }

    #[test]
    fn a_pattern_fits_whole_paths() {
        for (pattern, request, expected) in [
            ("GET /repos/*", "GET /repos/a", true),
            ("GET /repos/*", "HEAD /repos/a", true),
            ("GET /repos/*", "POST /repos/a", false),
            ("GET /repos/*", "get /repos/a", false),
            ("HEAD /repos/*", "GET /repos/a", false),
            ("* /repos/*", "DELETE /repos/a", true),
            ("GET /repos/*", "GET /repos", false),
            ("GET /repos/*", "GET /repos/", false),
            ("GET /repos/*", "GET /repos/a/b", false),
            ("GET /repos/*", "GET /reposa", false),
            ("GET /repos/**", "GET /repos", true),
            ("GET /repos/**", "GET /repos/a/b/c", true),
            ("GET /repos/**", "GET /reposx/a", false),
            (
                "POST /*/*.git/git-upload-pack",
                "POST /me/x.git/git-upload-pack",
                true,
            ),
            (
                "POST /*/*.git/git-upload-pack",
                "POST /me/deep/x.git/git-upload-pack",
                false,
            ),
            (
                "POST /**/*.git/git-upload-pack",
                "POST /me/deep/x.git/git-upload-pack",
                true,
            ),
            ("GET /**/a/**/b", "GET /a/b", true),
            ("GET /**/a/**/b", "GET /x/a/y/a/z/b", true),
            ("GET /**/a/**/b", "GET /x/a/y/a/z", false),
            ("GET /", "GET /", true),
            ("GET /", "GET /a", false),
            ("GET /**", "GET /", true),
            ("GET /a*b*c", "GET /a-b-b-c", true),
            ("GET /a*b*c", "GET /a-c-b", false),
            ("GET /caf\u{e9}/c%23", "GET /caf%C3%A9/c%23", true),
            ("GET /x%2fy", "GET /x%2Fy", true),
        ] {
            assert_eq!(fits(pattern, request), expected, "{pattern} {request}");
        }
    }

    #[test]
    fn other_texts_are_no_patterns() {
        for bad in [
            "",
            "GET",
            "/repos",
            "GET repos",
            "get /repos",
            "GET  /repos",
            " /a",
            "G*T /a",
            "GET /a/../b",
            "GET //a",
            "GET /a%2Ab",
            "GET /%2a",
        ] {
            assert!(bad.parse::<RequestPattern>().is_err(), "{bad}");
        }
        assert!(matches!(
            "GET /a/x**".parse::<RequestPattern>(),
            Err(BadRequestPattern::Stars(_))
        ));
    }

    /// What the pattern means, spelled out.
    fn reference(pattern: &[&str], path: &[&str]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((&"**", rest)) => (0..=path.len()).any(|taken| reference(rest, &path[taken..])),
            Some((first, rest)) => path
                .split_first()
                .is_some_and(|(segment, others)| fits_segment(first, segment) && reference(rest, others)),
        }
    }

    proptest! {
        #[test]
        fn going_back_finds_what_trying_all_finds(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**", "a*"]), 1..6),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", ""]), 1..7),
        ) {
            let text = format!("GET /{}", pattern.join("/"));
            let parsed: RequestPattern = text.parse().unwrap();
            prop_assert_eq!(parsed.fits_path(&format!("/{}", path.join("/"))), reference(&pattern, &path));
        }
    }
}
