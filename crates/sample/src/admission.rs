//! Who may come in: only requests that carry this server's own credential.
//!
//! The credential is taken off the request here, and a token of proof, [`Admitted`], is put on it, so that
//! nothing behind this module holds a secret that it could log or answer with. A caller's token is not the
//! credential and is refused like any other wrong one: an upstream behind the door accepts nobody directly
//! (MCP, Authorization: no token passthrough).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use model::{ExposeSecret as _, SecretString};
use net::Body;
use net::listener::{Answer, Connection};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::json;

use crate::handler::Sample;
use crate::serve::PATH;

/// Proof that a request carried this server's own credential; in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted(());

/// The check, and the server behind it.
#[derive(Clone)]
pub(crate) struct Admission {
    credential: Arc<SecretString>,
    mcp: StreamableHttpService<Sample, LocalSessionManager>,
}

impl Admission {
    /// In front of `mcp`, for those who know `credential`.
    pub(crate) fn new(
        credential: SecretString,
        mcp: StreamableHttpService<Sample, LocalSessionManager>,
    ) -> Self {
        Self {
            credential: Arc::new(credential),
            mcp,
        }
    }
}

impl Answer for Admission {
    async fn answer(self, mut request: Request<Incoming>, _: Connection) -> Response<Body> {
        let Some(admitted) = admit(request.headers_mut(), &self.credential) else {
            return unauthorized();
        };
        if request.uri().path() != PATH {
            return refusal(StatusCode::NOT_FOUND, "not_found", "The MCP endpoint is at /mcp.");
        }
        request.extensions_mut().insert(admitted);
        let answer = self.mcp.handle(request).await;
        answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
    }
}

/// Checks the credential and takes it off. It must be the only `Authorization` there is: a second one might
/// be the caller's.
fn admit(headers: &mut HeaderMap, credential: &SecretString) -> Option<Admitted> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, presented) = value.to_str().ok()?.split_once(' ')?;
    let right = scheme.eq_ignore_ascii_case("bearer")
        && keys::same(presented.as_bytes(), credential.expose_secret().as_bytes());
    headers.remove(header::AUTHORIZATION);
    right.then_some(Admitted(()))
}

fn unauthorized() -> Response<Body> {
    let mut answer = refusal(
        StatusCode::UNAUTHORIZED,
        "invalid_token",
        "This server is called through its front door alone, which holds the credential for it.",
    );
    answer.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Bearer realm="sample""#),
    );
    answer
}

fn refusal(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    let body = json!({ "error": error, "error_description": description });
    let mut answer = Response::new(net::body::full(body.to_string()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        let admitted = admit(&mut headers, &"s3cret".to_owned().into()).is_some();
        assert!(!admitted || !headers.contains_key(header::AUTHORIZATION));
        admitted
    }

    #[test]
    fn admits_its_own_credential_alone_and_takes_it_off() {
        assert!(admits(&["Bearer s3cret"]));
        assert!(admits(&["bearer s3cret"]));
        for wrong in [
            "",
            "s3cret",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer  s3cret",
            "Basic s3cret",
        ] {
            assert!(!admits(&[wrong]), "{wrong:?}");
        }
        assert!(!admits(&[]));
    }

    #[test]
    fn refuses_a_second_authorization_even_beside_the_right_one() {
        assert!(!admits(&["Bearer s3cret", "Bearer another"]));
        assert!(!admits(&["Bearer s3cret", "Bearer s3cret"]));
    }
}
