//! The step that says what a request asks for: one method and one path, whoever reads them.

use http::{HeaderMap, HeaderValue, Method, Uri, header, request};
use protocol::{BadRequestPath, RequestPath};
use thiserror::Error;

use super::Api;
use super::form::{self, Urlencoded};
use super::names::Found;
use crate::refusal::Refusal;
use crate::route::Route;

/// A request that is not forwarded, whoever sends it.
#[derive(Clone, Debug, Error)]
pub enum Unacceptable {
    /// The path has several readings.
    #[error("{0}")]
    Path(#[from] BadRequestPath),
    /// It says in another place than the first that it wants another method, which no rule would see.
    #[error("{0} would choose another method than the request line says; send the method itself")]
    MethodOverride(&'static str),
    /// It wants another protocol.
    #[error("connections are not switched to another protocol here")]
    Upgrade,
    /// It writes to a second place, which no rule would see.
    #[error("a Destination names a second path, which no rule decides about")]
    Destination,
    /// Its answer would hold what the door shows the upstream.
    #[error(
        "Git LFS is not forwarded: servers write the credential that they are shown into their answers to it"
    )]
    LargeFiles,
    /// A parameter brings a credential, or says for whom the upstream should act.
    #[error("{name} in the {place} is not forwarded; the door shows the API the credential of whoever calls")]
    Parameter {
        /// What it is called.
        name: String,
        /// Where it is.
        place: &'static str,
    },
    /// What stands in the body would be read in another way than it was looked at.
    #[error("{0}; an API could read it differently")]
    Body(&'static str),
}

impl Unacceptable {
    pub(crate) fn slug(&self) -> &'static str {
        match self {
            Self::Path(_) => "ambiguous_path",
            Self::MethodOverride(_) => "method_override",
            Self::Upgrade => "upgrade",
            Self::Destination => "destination",
            Self::LargeFiles => "git_lfs",
            Self::Parameter { .. } => "refused_query",
            Self::Body(_) => "ambiguous_body",
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Target {
    /// The method, a space and the path: what rules and the record see.
    pub(super) request: String,
    /// The path.
    pub(super) path: RequestPath,
}

/// Headers by which frameworks let a request say another method.
const OVERRIDES: [&str; 4] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
];

/// Where Git LFS asks where files are. Gitea, Forgejo and GitLab answer with the very `Authorization` that they were shown.
const LARGE_FILES: &str = "/info/lfs/objects/batch";

/// Reads it.
pub(super) fn read(api: &Api, head: &request::Parts, rest: &str) -> Result<Target, Refusal> {
    // TRACE would show what the door adds (RFC 9110 section 9.3.8), CONNECT is for proxies.
    if matches!(head.method, Method::TRACE | Method::CONNECT) {
        return Err(Refusal::Method("GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let path = RequestPath::parse(path, api.encoded_slashes).map_err(Unacceptable::from)?;
    if OVERRIDES.iter().any(|name| head.headers.contains_key(*name)) {
        return Err(Unacceptable::MethodOverride("a header").into());
    }
    // RFC 4918 section 10.3.
    if head.headers.contains_key("destination") {
        return Err(Unacceptable::Destination.into());
    }
    if path.as_str().to_ascii_lowercase().ends_with(LARGE_FILES) {
        return Err(Unacceptable::LargeFiles.into());
    }
    if wants_upgrade(&head.headers) {
        return Err(Unacceptable::Upgrade.into());
    }
    check_query(api, head.uri.query().unwrap_or_default())?;
    form::check(&head.method, &head.headers, &api.refused_names)?;
    Ok(Target {
        request: format!("{} {path}", head.method),
        path,
    })
}

/// `h2c` is an offer that may be left aside (RFC 9110 section 7.8); a WebSocket cannot.
fn wants_upgrade(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::UPGRADE).iter().map(HeaderValue::as_bytes);
    values.any(|value| !value.trim_ascii().eq_ignore_ascii_case(b"h2c"))
}

fn check_query(api: &Api, query: &str) -> Result<(), Unacceptable> {
    let mut parameters = Urlencoded::default();
    let found = parameters.look(query.as_bytes(), &api.refused_names);
    match found.or_else(|| parameters.end(&api.refused_names)) {
        None => Ok(()),
        Some(Found::Method) => Err(Unacceptable::MethodOverride("_method in the query")),
        Some(Found::Refused(name)) => Err(Unacceptable::Parameter { name, place: "query" }),
    }
}

impl Target {
    /// Where it goes: the path that was decided about, behind the upstream's own, with the query as it came.
    pub(super) fn uri(&self, route: &Route, query: Option<&str>) -> Result<Uri, Refusal> {
        let base = route.upstream.path().trim_end_matches('/');
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = route.uri.clone().into_parts();
        let whole = format!("{base}{}{query}", self.path);
        parts.path_and_query = whole.try_into().ok();
        // Whatever the standard's own parser takes for a path was read; nothing of it is left out.
        parts
            .path_and_query
            .is_some()
            .then(|| Uri::from_parts(parts).ok())
            .flatten()
            .ok_or_else(|| Unacceptable::Path(BadRequestPath::Escape).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RefusedNames;

    fn read_as(
        method: &str,
        rest: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<String, &'static str> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/api/x{rest}?{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let api = Api {
            refused_names: RefusedNames::new(["private_token", "sudo"]),
            ..Api::default()
        };
        match read(&api, &head, rest) {
            Ok(target) => Ok(target.request),
            Err(refusal) => Err(refusal.slug()),
        }
    }

    #[test]
    fn a_request_is_one_method_and_one_path() {
        assert_eq!(read_as("GET", "", "", &[]).unwrap(), "GET /");
        assert_eq!(read_as("PUT", "/a/%62", "x=1", &[]).unwrap(), "PUT /a/b");
        assert_eq!(
            read_as("PURGE", "/a", "", &[("upgrade", "h2c")]).unwrap(),
            "PURGE /a"
        );
        for (method, rest, query, headers, slug) in [
            ("TRACE", "/a", "", &[][..], "method"),
            ("CONNECT", "/a", "", &[], "method"),
            ("GET", "/a/../b", "", &[], "ambiguous_path"),
            (
                "POST",
                "/a",
                "",
                &[("x-http-method-override", "DELETE")],
                "method_override",
            ),
            (
                "POST",
                "/a",
                "",
                &[("X-HTTP-Method", "DELETE")],
                "method_override",
            ),
            ("POST", "/a", "a=1&_method=DELETE", &[], "method_override"),
            ("POST", "/a", "%5fmethod=DELETE", &[], "method_override"),
            ("POST", "/a", "a=1;_METHOD=DELETE", &[], "method_override"),
            ("MOVE", "/dav/a", "", &[("destination", "/dav/b")], "destination"),
            ("POST", "/a/b.git/info/LFS/objects/batch", "", &[], "git_lfs"),
            ("GET", "/a", "", &[("upgrade", "websocket")], "upgrade"),
            ("GET", "/a", "", &[("upgrade", "h2c, websocket")], "upgrade"),
            ("GET", "/a", "private%5Ftoken=x", &[], "refused_query"),
            ("GET", "/a", "x=1&Sudo=root", &[], "refused_query"),
            ("GET", "/a", "access%5ftoken=x", &[], "refused_query"),
            ("POST", "/a", "+.method=DELETE", &[], "method_override"),
            ("GET", "/a", "x=1&[sudo]=root", &[], "refused_query"),
            ("GET", "/a", "x=1&private.token%00", &[], "refused_query"),
        ] {
            assert_eq!(
                read_as(method, rest, query, headers),
                Err(slug),
                "{method} {rest}?{query}"
            );
        }
    }
}
