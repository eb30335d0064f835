//! Credentials that show themselves by what is around them: private keys, JSON web tokens, addresses, headers.

use std::ops::Range;
use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use regex::bytes::Regex;
use serde_json::Value as Json;

use super::{Found, Shape, Subject};
use crate::entropy;
use crate::placeholder;
use crate::reading::Form;
use crate::rules::Severity;

pub(super) const NAMED_TOKEN: Shape = Shape {
    id: "named-token",
    title: "token or key, by its name",
    severity: Severity::Medium,
};
pub(super) const NAMED_PASSWORD: Shape = Shape {
    id: "named-password",
    title: "password, by its name",
    severity: Severity::Medium,
};
pub(super) const BASIC: Shape = Shape {
    id: "basic-credentials",
    title: "name and password in base 64",
    severity: Severity::High,
};
const BEARER: Shape = Shape {
    id: "authorization-header",
    title: "token in an Authorization header",
    severity: Severity::High,
};
const URL_PASSWORD: Shape = Shape {
    id: "url-password",
    title: "password in an address",
    severity: Severity::High,
};
const URL_TOKEN: Shape = Shape {
    id: "url-token",
    title: "token in an address",
    severity: Severity::High,
};
const PRIVATE_KEY: Shape = Shape {
    id: "private-key",
    title: "private key without a passphrase",
    severity: Severity::High,
};
const JWT: Shape = Shape {
    id: "json-web-token",
    title: "JSON web token that has not expired",
    severity: Severity::Medium,
};

/// All of them.
pub(crate) const SHAPES: [Shape; 8] = [
    PRIVATE_KEY,
    JWT,
    BASIC,
    BEARER,
    URL_PASSWORD,
    URL_TOKEN,
    NAMED_TOKEN,
    NAMED_PASSWORD,
];

static PEM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)-----BEGIN ((?:[A-Z0-9]{1,12} ){0,3})PRIVATE KEY(?: BLOCK)?-----((?:[A-Za-z0-9+/=:, \t\r\n\\-]){40,400})")
        .ok()
});
static WEB_TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)eyJ[A-Za-z0-9_-]{10,}\.(eyJ[A-Za-z0-9_-]{10,})\.[A-Za-z0-9_-]{20,}").ok()
});
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?-u)\b([a-zA-Z][a-zA-Z0-9+.-]{1,20})://([^\s:/@"'<>`]{0,200})(?::([^\s/@"'<>`]{1,300}))?@([A-Za-z0-9.\-\[\]:]{1,253})"#)
        .ok()
});
static QUERY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i-u)[?&](?:access_token|auth_token|token|api_?key|apikey|key|secret|auth|password)=([A-Za-z0-9_.~%+/=-]{12,400})")
        .ok()
});
static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i-u)\b(bearer|basic|token|sentry-bearer|apikey)[ \t]+([A-Za-z0-9_.~+/=:-]{8,})").ok()
});

/// PEM and OpenSSH keys that no passphrase keeps shut.
pub(super) fn private_keys(text: &str, found: &mut Found) {
    for key in PEM
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let (Some(whole), Some(kind), Some(body)) = (key.get(0), key.get(1), key.get(2)) else {
            continue;
        };
        let body = text.get(body.range()).unwrap_or_default();
        // Up to the next line of its kind.
        let body = body.split("-----").next().unwrap_or_default();
        let kind = text.get(kind.range()).unwrap_or_default();
        let is_shut = kind.contains("ENCRYPTED") || body.contains("ENCRYPTED") || is_shut_openssh(body);
        let dense = body.replace("\\n", "").replace("\\r", "");
        let dense: String = dense.chars().filter(|c| !c.is_whitespace()).collect();
        if is_shut || dense.len() < 40 || placeholder::is_made_up(&dense) || entropy::bits(&dense) < 3.0 {
            continue;
        }
        let line = text.get(whole.range()).and_then(|text| text.find("KEY"));
        let end = whole.start() + line.unwrap_or(10) + 8;
        found.take(PRIVATE_KEY.hit(whole.start()..end.min(whole.end()), &dense));
    }
}

/// `openssh-key-v1`, then the name of the cipher: `none` if there is no passphrase.
fn is_shut_openssh(body: &str) -> bool {
    let dense: String = body
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    let Ok(head) = BASE64.decode(dense.as_bytes()) else {
        return false;
    };
    let cipher = head
        .strip_prefix(b"openssh-key-v1\0".as_slice())
        .and_then(|rest| rest.get(4..8));
    cipher.is_some_and(|cipher| cipher != b"none")
}

/// Tokens that say by themselves until when they count.
pub(super) fn web_tokens(subject: Subject<'_>, found: &mut Found) {
    let Subject { text, now, .. } = subject;
    for token in WEB_TOKEN
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let (Some(whole), Some(claims)) = (token.get(0), token.get(1)) else {
            continue;
        };
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok();
        let claims: Option<Json> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let Some(claims) = claims.filter(Json::is_object) else {
            continue;
        };
        let is_over = claims["exp"].as_f64().is_some_and(|end| {
            let now = now.as_seconds();
            #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
            let now = now as f64;
            end <= now
        });
        // The one that everybody copies from jwt.io.
        let is_example = claims["sub"] == "1234567890";
        if !is_over
            && !is_example
            && let Some(secret) = text.get(whole.range())
        {
            found.take(JWT.hit(whole.range(), secret));
        }
    }
}

/// Whether it has the form of one, whether or not it counts.
pub(super) fn is_web_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.matches('.').count() == 2
}

/// `scheme://name:password@host`, and tokens in the query.
pub(super) fn addresses(subject: Subject<'_>, found: &mut Found) {
    let Subject { text, form, .. } = subject;
    for address in ADDRESS
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let part = |at| {
            address
                .get(at)
                .and_then(|part| Some((text.get(part.range())?, part.range())))
        };
        let host = part(4).map_or("", |(host, _)| host);
        let is_nowhere = form == Form::Text && is_nowhere(host);
        match (part(2), part(3)) {
            (Some((name, _)), Some((password, range))) => {
                let weak = form == Form::Text && !entropy::looks_like_a_password(password);
                let is_one = password.len() >= 6 && password != name && !placeholder::is_made_up(password);
                if is_one && !weak && !is_nowhere {
                    found.take(URL_PASSWORD.hit(range, password));
                }
            }
            (Some((name, range)), None)
                if entropy::looks_like_a_token(name) && !placeholder::is_made_up(name) && !is_nowhere =>
            {
                found.take(URL_TOKEN.hit(range, name));
            }
            _ => {}
        }
    }
    for query in QUERY
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let Some(token) = query.get(1) else { continue };
        let Some(secret) = text.get(token.range()) else {
            continue;
        };
        let is_one = entropy::looks_like_a_token(secret) && !placeholder::is_made_up(secret);
        if is_one && (form != Form::Text || secret.len() >= 20 && entropy::bits(secret) >= 3.6) {
            found.take(URL_TOKEN.hit(token.range(), secret));
        }
    }
}

/// Hosts of examples and of one's own machine.
fn is_nowhere(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or(host);
    let ends = [
        "example.com",
        "example.org",
        "example.net",
        ".example",
        ".test",
        ".invalid",
    ];
    host == "localhost" || host.starts_with("127.") || ends.iter().any(|end| host.ends_with(end))
}

/// `Bearer …`, `Basic …`, wherever they stand.
pub(super) fn headers(subject: Subject<'_>, found: &mut Found) {
    let Subject { text, form, .. } = subject;
    for header in HEADER
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text.as_bytes()))
    {
        let (Some(scheme), Some(value)) = (header.get(1), header.get(2)) else {
            continue;
        };
        let Some(secret) = text.get(value.range()) else {
            continue;
        };
        if scheme.as_bytes().eq_ignore_ascii_case(b"basic") {
            if is_basic(secret) && (form != Form::Text || !is_known_example(secret)) {
                found.take(BASIC.hit(value.range(), secret));
            }
            continue;
        }
        let is_one = entropy::looks_like_a_token(secret) && !placeholder::is_made_up(secret);
        // In prose, `token` is a word.
        let is_prose = form == Form::Text && (secret.len() < 20 || entropy::bits(secret) < 3.6);
        // A JSON web token that counts was found before; one that does not is none.
        if is_one && !is_prose && !is_web_token(secret) {
            found.take(BEARER.hit(value.range(), secret));
        }
    }
}

/// Whether it is a name and a password in base 64 (RFC 7617), and not the ones of an example.
pub(super) fn is_basic(text: &str) -> bool {
    let Ok(pair) = BASE64.decode(text.as_bytes()) else {
        return false;
    };
    let Ok(pair) = String::from_utf8(pair) else {
        return false;
    };
    let Some((name, password)) = pair.split_once(':') else {
        return false;
    };
    password.len() >= 6
        && !pair.chars().any(char::is_control)
        && name != password
        && !placeholder::is_made_up(password)
}

/// The pairs of RFC 7617 and RFC 2617.
fn is_known_example(text: &str) -> bool {
    let pair = BASE64.decode(text.as_bytes()).unwrap_or_default();
    pair.starts_with(b"Aladdin:") || pair.starts_with(b"test:")
}

/// A value of an Authorization header without its scheme, and how far it moved.
pub(super) fn without_scheme(text: &str) -> (usize, &str) {
    let schemes = ["bearer ", "token ", "basic ", "sentry-bearer ", "apikey "];
    let scheme = schemes.iter().find(|scheme| {
        let head = text.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    });
    let rest = scheme.and_then(|scheme| text.get(scheme.len()..)).unwrap_or(text);
    let rest = rest.trim_start();
    (text.len() - rest.len(), rest)
}

/// The host behind a password that stands in an address.
pub(super) fn host_of<'a>(text: &'a str, range: &Range<usize>) -> Option<&'a str> {
    let rest = text.get(range.end..)?.strip_prefix('@')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    rest.get(..end.unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn time_is_a_parameter() {
        let claims =
            |exp: i64| BASE64URL_NOPAD.encode(format!("{{\"exp\":{exp},\"sub\":\"ana\"}}").as_bytes());
        let token = |exp| format!("{}.{}.{}", "eyJhbGciOiJFUzI1NiJ9", claims(exp), "q".repeat(40));
        let hits = |text: &str| {
            let mut found = Found(std::collections::BTreeMap::new());
            let subject = Subject {
                text,
                form: Form::Text,
                words: "",
                now: Timestamp::from_seconds(1_000_000_000),
            };
            web_tokens(subject, &mut found);
            found.0.len()
        };
        assert_eq!(hits(&token(2_000_000_000)), 1);
        assert_eq!(hits(&token(1_000_000_000)), 0);
    }

    #[test]
    fn a_basic_header_is_a_pair() {
        let pair = |text: &str| BASE64.encode(text.as_bytes());
        assert!(is_basic(&pair("ana:q8$kL2!vRz")));
        assert!(!is_basic(&pair("ana:changeme")));
        assert!(!is_basic(&pair("no pair at all")));
        assert!(!is_basic("basicauthentication"));
    }
}
