//! The request itself: the one place where the token stands, and what an answer means.

use model::{ExposeSecret as _, SecretString};
use serde_json::{Value as Json, json};

use super::{Api, Protocol};

/// What a provider is asked.
#[derive(Clone, Debug)]
pub struct Request {
    protocol: Protocol,
    api: Api,
    token: SecretString,
}

impl Request {
    pub(crate) fn new(protocol: Protocol, api: Api, token: SecretString) -> Self {
        Self { protocol, api, token }
    }

    /// The method.
    pub const fn method(&self) -> &'static str {
        match self.protocol {
            Protocol::Gitlab => "DELETE",
            Protocol::Github | Protocol::Slack => "POST",
        }
    }

    /// The address. There is nothing secret in it.
    pub fn url(&self) -> String {
        let path = match self.protocol {
            Protocol::Github => "credentials/revoke",
            Protocol::Gitlab => "personal_access_tokens/self",
            Protocol::Slack => "auth.revoke",
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
        }
        headers
    }

    /// The body.
    pub fn body(&self) -> Option<SecretString> {
        let is_it = self.protocol == Protocol::Github;
        is_it.then(|| {
            json!({ "credentials": [self.token.expose_secret()] })
                .to_string()
                .into()
        })
    }

    /// Whether this answer says that the token counts no more.
    ///
    /// # Errors
    /// What it says instead: the status, and a code where the provider has one.
    pub fn outcome(&self, status: u16, body: &[u8]) -> Result<(), String> {
        let is_taken = match self.protocol {
            Protocol::Github => status == 202,
            Protocol::Gitlab => status == 204,
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
