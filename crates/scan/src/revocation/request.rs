//! The request itself: the one place where the token stands, and what an answer means.

use model::{ExposeSecret as _, SecretString};
use serde_json::{Value as Json, json};
use url::{Url, form_urlencoded};

use super::{Api, NotAsked, Protocol};

/// What a provider is asked.
#[derive(Clone, Debug)]
pub struct Request {
    protocol: Protocol,
    api: Api,
    token: SecretString,
    /// Whether it is known where to ask.
    is_found: bool,
}

impl Request {
    pub(crate) fn new(protocol: Protocol, api: Api, token: SecretString) -> Self {
        Self {
            is_found: protocol != Protocol::Vestibule,
            protocol,
            api,
            token,
        }
    }

    /// The server of a door that is to be asked first where tokens are revoked (RFC 9728, RFC 8414), without the token; none if
    /// that is known.
    pub fn server(&self) -> Option<&Url> {
        (!self.is_found).then_some(&self.api.url)
    }

    /// The same request to the revocation endpoint that was found.
    ///
    /// # Errors
    /// A server that shows a token of its own door to another host is none of that door.
    pub fn at(mut self, endpoint: Url) -> Result<Self, NotAsked> {
        if endpoint.origin() != self.api.url.origin() {
            return Err(NotAsked::Elsewhere);
        }
        self.api.url = endpoint;
        self.is_found = true;
        Ok(self)
    }

    /// The method.
    pub const fn method(&self) -> &'static str {
        match self.protocol {
            Protocol::Gitlab => "DELETE",
            Protocol::Github | Protocol::Slack | Protocol::Vestibule => "POST",
        }
    }

    /// The address. There is nothing secret in it.
    pub fn url(&self) -> String {
        let path = match self.protocol {
            Protocol::Github => "credentials/revoke",
            Protocol::Gitlab => "personal_access_tokens/self",
            Protocol::Slack => "auth.revoke",
            Protocol::Vestibule => return self.api.url.to_string(),
        };
        format!("{}/{path}", self.api.url.as_str().trim_end_matches('/'))
    }

    /// The host and the port that is asked.
    pub fn host(&self) -> String {
        let host = self.api.url.host_str().unwrap_or_default();
        match self.api.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The headers. All of them are kept as secrets, for one of them is.
    pub fn headers(&self) -> Vec<(&'static str, SecretString)> {
        let token = self.token.expose_secret();
        let bearer = || ("authorization", format!("Bearer {token}").into());
        let mut headers = vec![
            ("user-agent", "vestibule".into()),
            ("accept", "application/json".into()),
        ];
        match self.protocol {
            Protocol::Github => {
                headers.push(("content-type", "application/json".into()));
                // At GitHub itself a request that says who asks is refused.
                headers.extend(self.api.is_own.then(bearer));
            }
            Protocol::Gitlab => headers.push(("private-token", self.token.clone())),
            Protocol::Slack => headers.push(bearer()),
            Protocol::Vestibule => {
                headers.push(("content-type", "application/x-www-form-urlencoded".into()));
            }
        }
        headers
    }

    /// The body.
    pub fn body(&self) -> Option<SecretString> {
        let token = self.token.expose_secret();
        match self.protocol {
            Protocol::Github => Some(json!({ "credentials": [token] }).to_string().into()),
            Protocol::Vestibule => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                Some(form.append_pair("token", token).finish().into())
            }
            Protocol::Gitlab | Protocol::Slack => None,
        }
    }

    /// Whether this answer says that the token counts no more.
    ///
    /// # Errors
    /// What it says instead: the status, and a code where the provider has one.
    pub fn outcome(&self, status: u16, body: &[u8]) -> Result<(), String> {
        let is_taken = match self.protocol {
            Protocol::Github => status == 202,
            Protocol::Gitlab => status == 204,
            // One that ended before is answered so too (RFC 7009 section 2.2).
            Protocol::Vestibule => status == 200,
            Protocol::Slack => {
                let answer: Json = serde_json::from_slice(body).unwrap_or_default();
                if status == 200 && answer["ok"] != true {
                    let code = answer["error"].as_str().filter(|code| is_code(code));
                    return Err(code.unwrap_or("an answer of another form").to_owned());
                }
                status == 200 && answer["revoked"] == true
            }
        };
        if is_taken {
            Ok(())
        } else {
            Err(format!("status {status}"))
        }
    }
}

/// Nothing but a word is repeated of what somebody's server answers.
fn is_code(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
