//! Cookies (OS-40): `__Host-`, Secure, `HttpOnly`, Lax. On plain-http loopback, where browsers and curl-like
//! clients keep no such cookies, the same ones without prefix and `Secure`.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use protocol::Origin;
use std::time::Duration;

/// The cookies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// A signed-in session.
    Session,
    /// A browser that signed in before.
    Browser,
    /// Binds forms that are filled in before anybody is signed in.
    Form,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "vestibule-session",
            Self::Browser => "vestibule-browser",
            Self::Form => "vestibule-form",
        }
    }

    const fn lives(self) -> Option<Duration> {
        match self {
            Self::Session => Some(Duration::from_hours(14 * 24)),
            Self::Browser => Some(Duration::from_hours(365 * 24)),
            Self::Form => None,
        }
    }

    fn full_name(self, origin: &Origin) -> String {
        if origin.is_https() {
            format!("__Host-{}", self.name())
        } else {
            self.name().to_owned()
        }
    }
}

/// A cookie's value.
pub fn read(headers: &HeaderMap, cookie: Cookie, origin: &Origin) -> Option<String> {
    let name = cookie.full_name(origin);
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Sets a cookie; values are tokens of ours and need no quoting.
pub fn set(headers: &mut HeaderMap, cookie: Cookie, value: &str, origin: &Origin) {
    append(headers, cookie, value, cookie.lives(), origin);
}

/// Takes a cookie away.
pub fn clear(headers: &mut HeaderMap, cookie: Cookie, origin: &Origin) {
    append(headers, cookie, "", Some(Duration::ZERO), origin);
}

fn append(headers: &mut HeaderMap, cookie: Cookie, value: &str, lives: Option<Duration>, origin: &Origin) {
    let secure = if origin.is_https() { "; Secure" } else { "" };
    let age = lives
        .map(|lives| format!("; Max-Age={}", lives.as_secs()))
        .unwrap_or_default();
    let text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}",
        cookie.full_name(origin)
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_40_attributes() {
        let mut headers = HeaderMap::new();
        set(
            &mut headers,
            Cookie::Session,
            "v",
            &"https://gw.test".parse().unwrap(),
        );
        assert_eq!(
            headers[SET_COOKIE],
            "__Host-vestibule-session=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=1209600"
        );
        let mut headers = HeaderMap::new();
        set(
            &mut headers,
            Cookie::Form,
            "v",
            &"http://127.0.0.1:8080".parse().unwrap(),
        );
        assert_eq!(
            headers[SET_COOKIE],
            "vestibule-form=v; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn reads_only_the_name_of_its_profile() {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            HeaderValue::from_static("a=1; vestibule-session=plain; __Host-vestibule-session=host"),
        );
        let read = |origin: &str| read(&headers, Cookie::Session, &origin.parse().unwrap());
        assert_eq!(read("https://gw.test").as_deref(), Some("host"));
        assert_eq!(read("http://localhost:1").as_deref(), Some("plain"));
    }
}
