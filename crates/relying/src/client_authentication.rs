//! How a client proves itself at a token endpoint (OpenID Connect Core section 9, RFC 6749 section 2.3): the same for providers
//! at which people sign in and for those of connectors.

use std::sync::Arc;

use data_encoding::BASE64;
use http::{HeaderValue, Method, Request, header};
use keys::signing::KeyError;
use model::{ExposeSecret, SecretString, World};
use net::{Body, body};
use protocol::params;
use url::Url;

use crate::client_key::{ASSERTION_TYPE, ClientKey};

/// How we prove ourselves at the token endpoint, and with what.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// `none`: PKCE alone.
    None,
    /// `client_secret_basic`.
    Basic(SecretString),
    /// `client_secret_post`.
    Post(SecretString),
    /// `private_key_jwt`.
    PrivateKeyJwt(Arc<ClientKey>),
}

impl Authentication {
    /// Its name in metadata.
    pub fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    /// The secret, if it is one.
    pub fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Basic(secret) | Self::Post(secret) => Some(secret),
            Self::None | Self::PrivateKeyJwt(_) => None,
        }
    }

    /// By its name, and with this secret if it takes one; `None` if that does not fit, and of a key, which is no text.
    pub fn of(method: &str, secret: Option<SecretString>) -> Option<Self> {
        match (method, secret) {
            ("none", _) => Some(Self::None),
            ("client_secret_basic", Some(secret)) => Some(Self::Basic(secret)),
            ("client_secret_post", Some(secret)) => Some(Self::Post(secret)),
            _ => None,
        }
    }
}

/// A client that asks.
pub(crate) struct Proving<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) authentication: &'a Authentication,
    /// Whom an assertion is for.
    pub(crate) audience: &'a str,
}

impl Proving<'_> {
    /// A form for the token endpoint, with the proof that it is us who ask.
    pub(crate) fn request(
        &self,
        url: &Url,
        fields: Vec<(&str, &str)>,
        world: &World,
    ) -> Result<Request<Body>, KeyError> {
        let assertion = match self.authentication {
            Authentication::PrivateKeyJwt(key) => {
                Some(key.assertion(self.client_id, self.audience, world)?)
            }
            _ => None,
        };
        let mut fields: Vec<(&str, &str)> = fields;
        let mut basic = None;
        match self.authentication {
            Authentication::Basic(secret) => basic = credentials(self.client_id, secret.expose_secret()),
            Authentication::Post(secret) => {
                fields.push(("client_id", self.client_id));
                fields.push(("client_secret", secret.expose_secret()));
            }
            // A workload that is no client says what it is by its assertion alone.
            Authentication::None if self.client_id.is_empty() => {}
            Authentication::None | Authentication::PrivateKeyJwt(_) => {
                fields.push(("client_id", self.client_id));
            }
        }
        if let Some(assertion) = &assertion {
            fields.push(("client_assertion_type", ASSERTION_TYPE));
            fields.push(("client_assertion", assertion.expose_secret()));
        }
        let mut request = Request::new(body::full(params::encode(fields)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.as_str().parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(header::USER_AGENT, HeaderValue::from_static("vestibule"));
        if let Some(basic) = basic {
            headers.insert(header::AUTHORIZATION, basic);
        }
        Ok(request)
    }
}

/// Both parts form-encoded, as RFC 6749 section 2.3.1 wants it.
fn credentials(client_id: &str, secret: &str) -> Option<HeaderValue> {
    let form = |text: &str| params::encode([("", text)]).trim_start_matches('=').to_owned();
    let pair = format!("{}:{}", form(client_id), form(secret));
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_the_credentials_are_form_encoded() {
        let value = credentials("a b:c", "s+/%").unwrap();
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64.decode(encoded.as_bytes()).unwrap(), b"a+b%3Ac:s%2B%2F%25");
        assert!(value.is_sensitive());
    }
}
