//! Looks at the bodies that upstreams take parameters from: forms, and JSON.
//!
//! Frameworks take the method of a request out of its form (Rack, Laravel, Symfony), where no rule would see it, and Gitea and
//! GitLab take from there for whom they act, and other credentials. A body is read while it passes, a few bytes at a time; a
//! name that is refused ends it before it is whole, and one that is not whole does nothing.

use http::{HeaderMap, HeaderValue, Method, header};

use self::json::Json;
use self::multipart::Multipart;
pub(super) use self::urlencoded::Urlencoded;
use super::names::{Found, RefusedNames};
use super::target::Unacceptable;

mod json;
mod multipart;
mod urlencoded;

/// Looks at a body, in each way in which an upstream may read it.
#[derive(Debug)]
pub(super) struct Form {
    names: RefusedNames,
    urlencoded: Option<Urlencoded>,
    multipart: Option<Multipart>,
    json: Option<(Json, RefusedNames)>,
    /// Whether nobody says what it is: then it is JSON only if it begins so.
    is_guess: bool,
}

/// What a request says that its body is.
#[expect(clippy::struct_excessive_bools, reason = "each may be so beside each other")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds {
    urlencoded: bool,
    multipart: bool,
    json: bool,
    is_guess: bool,
}

impl Kinds {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let essence = value.and_then(|text| text.split(|byte| *byte == b';').next());
        let essence = essence.unwrap_or_default().trim_ascii().to_ascii_lowercase();
        if essence.is_empty() {
            return Self {
                // Rack takes a POST for a form then, Grape anything for JSON.
                urlencoded: *method == Method::POST,
                json: true,
                is_guess: true,
                ..Self::default()
            };
        }
        // Wherever in it: of `text/plain, application/json` some take the first and some the last.
        let says = |word: &[u8]| memchr::memmem::find(&essence, word).is_some();
        Self {
            urlencoded: says(b"urlencoded"),
            multipart: says(b"multipart/"),
            json: says(b"json"),
            is_guess: false,
        }
    }
}

/// Refuses what would make a body something else to the upstream than it is here: two types, a compression, letters that
/// are not ASCII's.
pub(super) fn check(method: &Method, headers: &HeaderMap, names: &RefusedNames) -> Result<(), Unacceptable> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next();
    if types.next().is_some() {
        return Err(Unacceptable::Body("there is more than one Content-Type"));
    }
    let kinds = Kinds::of(method, headers);
    // Where no name of the operator's counts, much JSON is compressed and nothing in it is asked for.
    let is_read = kinds.multipart || kinds.urlencoded || (kinds.json && !names.own().is_empty());
    if is_read && is_compressed(headers) {
        return Err(Unacceptable::Body(
            "a compressed form or JSON cannot be looked at",
        ));
    }
    if is_read && first.is_some_and(|value| !is_like_ascii(value.as_bytes())) {
        return Err(Unacceptable::Body(
            "the form or JSON is in another charset than UTF-8",
        ));
    }
    Ok(())
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    !encodings.all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
    // These have lengths between their messages.
    let in_frames = [&b"grpc"[..], b"connect+"];
    let is_framed = in_frames
        .iter()
        .any(|word| memchr::memmem::find(content_type, word).is_some());
    !is_compressed(headers) && !is_framed && is_like_ascii(content_type)
}

/// Whether each `charset` writes ASCII as it is. Tomcat reads the names of a form in whichever is said, EBCDIC too.
fn is_like_ascii(content_type: &[u8]) -> bool {
    const ALIKE: [&[u8]; 6] = [
        b"utf-8",
        b"utf8",
        b"us-ascii",
        b"ascii",
        b"iso-8859-1",
        b"windows-1252",
    ];
    let text = content_type.to_ascii_lowercase();
    memchr::memmem::find_iter(&text, b"charset").all(|at| {
        let after = text.get(at + 7..).unwrap_or_default().trim_ascii_start();
        let Some(value) = after.strip_prefix(b"=") else {
            // `charset*=` is none that a server reads.
            return !after.starts_with(b"*");
        };
        let value = value
            .split(|byte| matches!(byte, b';' | b','))
            .next()
            .unwrap_or_default();
        let value: Vec<u8> = value
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'"' | b'\''))
            .collect();
        ALIKE.contains(&value.trim_ascii())
    })
}

impl Form {
    /// What of a request has to be looked at.
    pub(super) fn of(method: &Method, headers: &HeaderMap, names: &RefusedNames) -> Option<Self> {
        let mut kinds = Kinds::of(method, headers);
        // Nothing takes a method out of JSON that does not say that it is JSON, or that is compressed or in other letters.
        kinds.json &= !names.own().is_empty() || (!kinds.is_guess && is_plain_text(headers));
        let is_read = kinds.urlencoded || kinds.multipart || kinds.json;
        is_read.then(|| Self {
            names: names.clone(),
            urlencoded: kinds.urlencoded.then(Urlencoded::default),
            multipart: kinds.multipart.then(Multipart::default),
            json: kinds.json.then(|| (Json::default(), names.in_json())),
            is_guess: kinds.is_guess,
        })
    }

    /// What is wrong with these bytes, behind those before.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<Unacceptable> {
        let names = &self.names;
        if let Some(found) = self.urlencoded.as_mut().and_then(|form| form.look(bytes, names)) {
            return Some(refused(found));
        }
        let wrong = self.multipart.as_mut().and_then(|form| form.look(bytes, names));
        if wrong.is_some() {
            return wrong.map(of_a_part);
        }
        if self.is_guess
            && let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace())
        {
            self.is_guess = false;
            // Behind a byte order mark, or the separator of a sequence (RFC 7464), too.
            if !matches!(first, b'{' | b'/' | 0xef | 0x1e) {
                self.json = None;
            }
        }
        let (json, names) = self.json.as_mut()?;
        json.look(bytes, names).map(|wrong| match wrong {
            json::Wrong::Unclear => Unacceptable::Body("the body is not the JSON of RFC 8259"),
            json::Wrong::Found(found) => refused(found),
        })
    }

    /// What is wrong with its end. To be asked while the last of it can still be kept back.
    pub(super) fn end(&mut self) -> Option<Unacceptable> {
        let names = &self.names;
        let found = self.urlencoded.as_mut().and_then(|form| form.end(names));
        let multipart = self.multipart.as_mut();
        found
            .map(refused)
            .or_else(|| multipart.and_then(|form| form.end(names)).map(of_a_part))
    }
}

fn refused(found: Found) -> Unacceptable {
    match found {
        Found::Method => Unacceptable::MethodOverride("_method in the body"),
        Found::Refused(name) => Unacceptable::Parameter { name, place: "body" },
    }
}

fn of_a_part(wrong: multipart::Wrong) -> Unacceptable {
    match wrong {
        multipart::Wrong::Found(found) => refused(found),
        multipart::Wrong::Unclear => {
            Unacceptable::Body("a part of the form has a name that servers read differently")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
    const PARTS: &str = "Multipart/Form-Data; boundary=x";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn slug(method: &Method, content_type: &str, body: &str, own: &[&str]) -> Option<&'static str> {
        let headers = headers(&[("content-type", content_type)]);
        let names = RefusedNames::new(own.iter().copied());
        let mut slugs = [1, 7, 1000].map(|chunk| {
            let mut form = Form::of(method, &headers, &names)?;
            let wrong = body.as_bytes().chunks(chunk).find_map(|bytes| form.look(bytes));
            wrong.or_else(|| form.end()).map(|wrong| wrong.slug())
        });
        slugs.sort_unstable();
        assert!(slugs[0] == slugs[2], "{body}: {slugs:?}");
        slugs[0]
    }

    #[test]
    fn json_in_which_nothing_is_asked_for_may_be_written_in_any_way() {
        for pairs in [
            &[("content-type", "application/json"), ("content-encoding", "gzip")][..],
            &[("content-type", "application/json; charset=utf-16")],
            &[("content-type", "application/connect+json")],
        ] {
            let (headers, names) = (headers(pairs), RefusedNames::default());
            assert!(check(&Method::POST, &headers, &names).is_ok(), "{pairs:?}");
            let wrong =
                Form::of(&Method::POST, &headers, &names).and_then(|mut form| form.look(b"\x1f\x8b\0{"));
            assert!(wrong.is_none(), "{pairs:?}");
        }
    }

    #[test]
    fn a_name_of_the_operator_is_found_however_it_is_written() {
        let own = ["user[admin]", "sudo[]"];
        for body in ["user[admin]=1", "user%5Badmin%5D=1", "sudo[]=root", "SUDO[]=1"] {
            assert_eq!(
                slug(&Method::POST, FORM, body, &own),
                Some("refused_query"),
                "{body}"
            );
        }
        let marked = "\u{feff}{\"sudo\":\"root\"}";
        assert_eq!(slug(&Method::PUT, "", marked, &["sudo"]), Some("refused_query"));
    }

    #[test]
    fn parameters_are_looked_for_where_upstreams_take_them_from() {
        let part = "--x\r\nContent-Disposition: form-data; name=\"sudo\"\r\n\r\nroot\r\n--x--";
        let (method, name) = (Some("method_override"), Some("refused_query"));
        for (content_type, body, expected) in [
            (FORM, "a=1&_method=DELETE", method),
            (FORM, "a=1&sudo=root", name),
            (FORM, "access_token=x", name),
            ("text/plain, application/x-www-form-urlencoded", "sudo=1", name),
            (PARTS, part, name),
            ("application/json", r#"{"sudo":"root"}"#, name),
            (
                "application/vnd.api+JSON; charset=utf-8",
                r#"{"access_token":"x"}"#,
                name,
            ),
            ("application/json", r#"{"_method":"DELETE"}"#, method),
            ("", r#"{"sudo":"root"}"#, name),
            ("", " \n{\"sudo\":1}", name),
            ("", " \n/**/{\"sudo\":1}", Some("ambiguous_body")),
            ("application/json", "{'sudo':1}", Some("ambiguous_body")),
            // What is no form to anybody.
            ("text/plain", "a=1&sudo=root", None),
            ("application/octet-stream", part, None),
            ("application/x-git-receive-pack-request", "&_method=x&", None),
            ("", r#"x {"sudo":1}"#, None),
            (FORM, "a=sudo", None),
            (PARTS, "a=1&sudo=root", None),
            ("application/json", "", None),
        ] {
            for verb in [
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::POST,
                Method::GET,
            ] {
                assert_eq!(
                    slug(&verb, content_type, body, &["sudo"]),
                    expected,
                    "{verb} {content_type:?} {body}"
                );
            }
        }
        // A form that does not say so is one to Rack, if it is posted.
        assert_eq!(slug(&Method::POST, "", "a=1&sudo=root", &["sudo"]), name);
        assert_eq!(slug(&Method::PUT, "", "a=1&sudo=root", &["sudo"]), None);
        // Nobody said that the API takes tokens from parameters: JSON may have a member of that name.
        let plain = r#"{"access_token":"x"}"#;
        assert_eq!(slug(&Method::POST, "application/json", plain, &[]), None);
        assert_eq!(slug(&Method::PUT, "", "/* no JSON */", &[]), None);
        let both = r#"{"access_token":"x","_method":"PUT"}"#;
        assert_eq!(slug(&Method::POST, "application/json", both, &[]), method);
        assert_eq!(slug(&Method::POST, FORM, "access_token=x", &[]), name);
    }

    #[test]
    fn what_would_be_read_in_another_way_is_refused() {
        let gzip = ("content-encoding", "gzip");
        let git = ("content-type", "application/x-git-upload-pack-request");
        let json = ("content-type", "application/json");
        for (pairs, own, expected) in [
            (
                &[("content-type", "text/plain"), ("content-type", FORM)][..],
                &[][..],
                false,
            ),
            (&[git, git], &[], false),
            (&[("content-type", FORM), gzip], &[], false),
            (
                &[
                    ("content-type", PARTS),
                    ("content-encoding", "identity"),
                    ("content-encoding", "br"),
                ],
                &[],
                false,
            ),
            (&[json, gzip], &["sudo"], false),
            (&[gzip], &[], false),
            (
                &[(
                    "content-type",
                    "application/x-www-form-urlencoded; charset=ibm037",
                )],
                &[],
                false,
            ),
            (
                &[(
                    "content-type",
                    "multipart/form-data; boundary=x; charset = \"UTF-16\"",
                )],
                &[],
                false,
            ),
            (
                &[(
                    "content-type",
                    "application/x-www-form-urlencoded; charset=utf-8; charset=cp500",
                )],
                &[],
                false,
            ),
            (
                &[("content-type", "application/json; charset=utf-16")],
                &["sudo"],
                false,
            ),
            (&[json, gzip], &[], true),
            (&[git, gzip], &["sudo"], true),
            (&[("content-type", "application/json; charset=utf-16")], &[], true),
            (
                &[("content-type", FORM), ("content-encoding", "Identity")],
                &[],
                true,
            ),
            (
                &[(
                    "content-type",
                    "application/x-www-form-urlencoded; charset=\"UTF-8\"",
                )],
                &[],
                true,
            ),
            (&[], &["sudo"], true),
        ] {
            let names = RefusedNames::new(own.iter().copied());
            let checked = check(&Method::POST, &headers(pairs), &names);
            assert_eq!(checked.is_ok(), expected, "{pairs:?}");
            if let Err(wrong) = checked {
                assert_eq!(wrong.slug(), "ambiguous_body");
            }
        }
    }
}
