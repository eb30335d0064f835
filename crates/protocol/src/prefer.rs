//! The `Prefer` header (RFC 7240), of which this server reads `wait`: how long who asks would rather wait than be told that
//! there is nothing yet (section 4.3).

use std::time::Duration;

/// More preferences than any program has.
const MOST: usize = 20;

/// What `wait` says in these `Prefer` headers. A preference that cannot be read is none, and of several the first counts
/// (section 2).
pub fn wait<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Duration> {
    let mut preferences = headers.flat_map(|header| header.split(',')).take(MOST);
    let value = preferences.find_map(|preference| {
        // Parameters of the preference, which `wait` has none of, come behind a semicolon.
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim())
    })?;
    let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let digits = plain.unwrap_or(value);
    // Digits alone, though numbers may have a sign elsewhere (RFC 9110 section 10.2.3).
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u32 = digits.parse().ok().filter(|_| is_plain)?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wait_is_found_among_others() {
        let of = |headers: &[&str]| wait(headers.iter().copied()).map(|wait| wait.as_secs());
        assert_eq!(of(&["wait=20"]), Some(20));
        assert_eq!(of(&["respond-async, Wait = \"5\"; x=y"]), Some(5));
        assert_eq!(of(&["return=minimal", "wait=7, wait=9"]), Some(7));
        for none in [
            "",
            "wait",
            "wait=",
            "wait=-1",
            "wait=+1",
            "wait=soon",
            "wait=99999999999",
            "waits=3",
            "x=\"wait=3\"",
        ] {
            assert_eq!(of(&[none]), None, "{none}");
        }
        assert_eq!(of(&["wait=soon, wait=9"]), None, "the first counts");
    }

    proptest! {
        #[test]
        fn never_panics(header: String) {
            let _ = wait([header.as_str()].into_iter());
        }
    }
}
