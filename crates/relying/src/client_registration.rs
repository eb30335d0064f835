//! Registering at somebody else's authorization server (RFC 7591).
//!
//! What comes back is what we are there from then on; what it says of how we prove ourselves counts, whatever we asked
//! for (section 3.2.1). Nothing of it is shown in an error but the provider's own word.

use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header};
use model::{Timestamp, World};
use net::body;
use serde_json::{Value, json};

use crate::oauth_client::{Authentication, ClientError, Endpoints, Identity, OAuthClient};
use crate::token_request::ask;

/// The longest name or secret that is taken.
const LONGEST: usize = 4096;
/// How we would prove ourselves, best first: a secret in a header, in the form, nothing but PKCE.
const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// What we say of ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFace {
    /// What people there read.
    pub name: String,
    /// Where we are, if we are anywhere.
    pub uri: Option<String>,
    /// Where browsers are sent back to.
    pub redirect_uri: String,
    /// Whether we ask without a browser too (RFC 8628).
    pub device: bool,
}

impl ClientFace {
    /// As metadata of a client (RFC 7591 section 2).
    pub fn metadata(&self, method: &str, scope: &str) -> Value {
        let mut metadata = json!({
            "client_name": self.name,
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            // In the clear is this machine alone, which is what OpenID Connect calls native.
            "application_type": if self.redirect_uri.starts_with("http:") { "native" } else { "web" },
        });
        if self.device
            && let Some(grants) = metadata["grant_types"].as_array_mut()
        {
            grants.push("urn:ietf:params:oauth:grant-type:device_code".into());
        }
        if let Some(uri) = &self.uri {
            metadata["client_uri"] = uri.as_str().into();
        }
        if !scope.is_empty() {
            metadata["scope"] = scope.into();
        }
        metadata
    }
}

/// What the provider made of us.
#[derive(Debug)]
pub struct Registered {
    /// Who we are there.
    pub identity: Identity,
    /// From then on the secret counts no longer.
    pub expires_at: Option<Timestamp>,
}

impl OAuthClient {
    /// Registers.
    pub async fn register(
        &self,
        face: &ClientFace,
        endpoints: &Endpoints,
        world: &World,
    ) -> Result<Registered, ClientError> {
        let unavailable = |text: &str| ClientError::Unavailable(text.to_owned());
        let Some(url) = &endpoints.registration else {
            return Err(unavailable(
                "clients cannot register there; it has to be done by hand",
            ));
        };
        // Where nothing is said, it is this one (RFC 8414 section 2).
        let method = match &endpoints.methods[..] {
            [] => Some(METHODS[0]),
            methods => METHODS
                .into_iter()
                .find(|ours| methods.iter().any(|method| method == ours)),
        };
        let method =
            method.ok_or_else(|| unavailable("it wants proofs of its clients that we cannot give"))?;
        let metadata = face.metadata(method, &self.registration.scope);
        let mut request = Request::new(body::full(metadata.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.as_str().parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("vestibule"));
        let (status, answer) = ask(&self.client, request)
            .await
            .map_err(|error| ClientError::Unavailable(error.to_string()))?;
        read(status, &answer, method, world.now())
    }
}

fn read(status: StatusCode, answer: &Value, asked: &str, now: Timestamp) -> Result<Registered, ClientError> {
    let unavailable = |text: String| Err(ClientError::Unavailable(text));
    if !status.is_success() {
        let word = answer["error"].as_str().unwrap_or_default();
        let word: String = word.chars().take(80).collect();
        return unavailable(format!("it did not register this client: {status} {word}"));
    }
    let text = |member: &str| {
        let text = answer[member]
            .as_str()
            .filter(|text| !text.is_empty() && text.len() <= LONGEST);
        text.map(str::to_owned)
    };
    let Some(client_id) = text("client_id") else {
        return unavailable("it registered this client without a name".to_owned());
    };
    let method = text("token_endpoint_auth_method").unwrap_or_else(|| asked.to_owned());
    let secret = text("client_secret").map(Into::into);
    let Some(authentication) = Authentication::of(&method, secret) else {
        return unavailable("it registered this client with a proof that we cannot give".to_owned());
    };
    let ends = match (&authentication, answer["client_secret_expires_at"].as_i64()) {
        (Authentication::None, _) | (_, None | Some(0)) => None,
        (_, Some(seconds)) => {
            Some(Timestamp::EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        }
    };
    if ends.is_some_and(|at| at <= now) {
        return unavailable("it registered this client with a secret that has run out".to_owned());
    }
    Ok(Registered {
        identity: Identity {
            client_id,
            authentication,
        },
        expires_at: ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ExposeSecret as _;

    #[test]
    fn what_the_provider_says_of_the_proof_counts() {
        let now = Timestamp::from_seconds(1_000);
        let of = |answer: &Value| read(StatusCode::CREATED, answer, "client_secret_basic", now);
        let answer = json!({ "client_id": "x", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post",
            "client_secret_expires_at": 5_000 });
        let post = of(&answer).unwrap();
        assert!(
            matches!(&post.identity.authentication, Authentication::Post(secret) if secret.expose_secret() == "s")
        );
        assert_eq!(post.expires_at, Some(Timestamp::from_seconds(5_000)));
        let basic =
            of(&json!({ "client_id": "x", "client_secret": "s", "client_secret_expires_at": 0 })).unwrap();
        assert!(
            matches!(basic.identity.authentication, Authentication::Basic(_)) && basic.expires_at.is_none()
        );
        let public = of(&json!({ "client_id": "x", "token_endpoint_auth_method": "none" })).unwrap();
        assert!(matches!(public.identity.authentication, Authentication::None));
        for odd in [
            json!(null),
            json!({ "client_id": "" }),
            json!({ "client_id": 7 }),
            json!({ "client_id": "x" }),
            json!({ "client_id": "x".repeat(LONGEST + 1), "client_secret": "s" }),
            json!({ "client_id": "x", "client_secret": "s", "token_endpoint_auth_method": "tls_client_auth" }),
            json!({ "client_id": "x", "client_secret": "s", "client_secret_expires_at": 999 }),
        ] {
            assert!(matches!(of(&odd), Err(ClientError::Unavailable(_))), "{odd}");
        }
        let refused = json!({ "error": "invalid_redirect_uri", "error_description": "s3cret" });
        let error = read(StatusCode::BAD_REQUEST, &refused, "none", now)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("invalid_redirect_uri") && !error.contains("s3cret"),
            "{error}"
        );
    }
}
