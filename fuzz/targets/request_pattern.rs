//! The patterns by which rules name requests to a plain HTTP API, and a path, on two lines: matching decides as trying everything
//! does, and as it does for every other spelling of either.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::RequestPath;
use request::RequestPattern;

// As files, without the rest of their crate: the engine beside them takes minutes to build, and is no parser of ours.
#[path = "../../crates/policy/src/pattern.rs"]
mod pattern;
#[allow(dead_code, unreachable_pub, reason = "what the rest of that crate calls")]
#[path = "../../crates/policy/src/request.rs"]
mod request;

/// So much is no longer than a path may be however it is spelled.
const SHORT: usize = 500;
/// So much is quick to try in every way.
const QUICK: usize = 24;

fuzz_target!(|text: &str| {
    let Some((written, path)) = text.split_once('\n') else {
        return;
    };
    let (Ok(pattern), Ok(path)) = (written.parse::<RequestPattern>(), RequestPath::parse(path, true)) else {
        return;
    };
    assert_eq!(pattern.to_string().parse(), Ok(pattern.clone()));
    let path = path.as_str();
    if path.len().max(written.len()) > SHORT {
        return; // written as bytes it may be too long
    }
    let (method, of_path) = written.split_once(' ').expect("a method and a path");
    let fits = pattern.fits("GET", path);
    let spelled = RequestPath::parse(&spelled(path), true).expect("the same path");
    assert_eq!(spelled.as_str(), path);
    let other: RequestPattern = format!("{method} {}", self::spelled(of_path)).parse().expect("the same pattern");
    assert_eq!(other.fits("GET", path), fits, "{other}");
    assert_eq!(pattern.fits("HEAD", path), fits || method == "HEAD" && other_method(of_path, path));

    let canonical = RequestPath::parse(of_path, true).expect("it is in a pattern");
    if canonical.as_str().len().max(path.len()) <= QUICK {
        let expected = matches!(method, "GET" | "*") && tried(&segments(canonical.as_str()), &segments(path));
        assert_eq!(fits, expected, "{written} {path}");
    }
    if fits && !of_path.ends_with('/') {
        let below: RequestPattern = format!("{method} {of_path}/**").parse().expect("a pattern");
        assert!(below.fits("GET", path) && below.fits("GET", &format!("{path}/more")), "{below}");
    }
});

fn other_method(of_path: &str, path: &str) -> bool {
    let pattern: RequestPattern = format!("HEAD {of_path}").parse().expect("a pattern");
    pattern.fits("HEAD", path)
}

/// The same path, with its letters and digits written as bytes; what is written so already stays.
fn spelled(path: &str) -> String {
    let mut written = String::new();
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => {
                written.push('%');
                written.extend(letters.by_ref().take(2));
            }
            letter if letter.is_ascii_alphanumeric() => written.push_str(&format!("%{:02x}", u32::from(letter))),
            other => written.push(other),
        }
    }
    written
}

fn segments(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

/// What a pattern means, spelled out.
fn tried(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|taken| tried(rest, &path[taken..])),
        Some((first, rest)) => path.split_first().is_some_and(|(segment, others)| {
            let fits = match *first {
                "*" => !segment.is_empty(),
                first => within(first.as_bytes(), segment.as_bytes()),
            };
            fits && tried(rest, others)
        }),
    }
}

/// The same within a segment.
fn within(pattern: &[u8], segment: &[u8]) -> bool {
    match pattern.split_first() {
        None => segment.is_empty(),
        Some((b'*', rest)) => (0..=segment.len()).any(|taken| within(rest, &segment[taken..])),
        Some((first, rest)) => segment.split_first().is_some_and(|(byte, others)| byte == first && within(rest, others)),
    }
}
