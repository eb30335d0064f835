//! The "who am I" call: asks a provider whose a credential is, before it is kept and when it is doubted. An MCP server that
//! has an authorization server of its own mostly has nobody who says that; it is asked whether it takes the credential.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use net::operators::CallError;
use net::{Operators, body};
use relying::protected_resource;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::credential::Credential;
use crate::template::{Prepared, TemplateError};

/// Most bytes of an answer.
const LARGEST: usize = 256 << 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest text of a provider's that is kept.
const LONGEST: usize = 200;

/// Where in the answer something stands: a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

impl FromStr for Pointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > 1 && text.starts_with('/') {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is no JSON pointer such as /login"))
        }
    }
}

impl Pointer {
    /// The text or number there; what is too long to be a name is none.
    fn of(&self, answer: &Value) -> Option<String> {
        let text = match answer.pointer(&self.0)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
        fits.then_some(text)
    }
}

/// How it is found out whose a credential is.
#[derive(Clone, Debug)]
pub enum Whose {
    /// The provider says it.
    Said(WhoAmI),
    /// Nobody says it. This MCP server, which the credential is for, takes it or not.
    Taken(Url),
}

impl Whose {
    /// Whom to ask.
    pub fn url(&self) -> &Url {
        match self {
            Self::Said(who_am_i) => &who_am_i.url,
            Self::Taken(url) => url,
        }
    }

    /// Asks. Errors never hold the credential.
    pub async fn ask(
        &self,
        client: &Operators,
        credential: &Credential,
    ) -> Result<UpstreamAccount, WhoError> {
        match self {
            Self::Said(who_am_i) => who_am_i.ask(client, credential).await,
            Self::Taken(server) => taken(client, server, credential).await,
        }
    }
}

/// Whether an MCP server takes it. Only a plain refusal is one: servers of the stateless era know no `initialize` (TP-50).
async fn taken(
    client: &Operators,
    server: &Url,
    credential: &Credential,
) -> Result<UpstreamAccount, WhoError> {
    let bearer = credential.bearer()?;
    let asked = protected_resource::status_with(client, server, &bearer).await;
    let status = asked.map_err(|error| WhoError::Unavailable(error.to_string()))?;
    match status {
        StatusCode::UNAUTHORIZED => Err(WhoError::Refused),
        StatusCode::FORBIDDEN => Err(WhoError::Forbidden),
        status
            if status.is_success() || status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
        {
            Ok(UpstreamAccount::unnamed())
        }
        status => Err(WhoError::Unavailable(format!("it answered {status}"))),
    }
}

/// How a provider is asked.
#[derive(Clone, Debug)]
pub struct WhoAmI {
    /// Where.
    pub url: Url,
    /// With which headers; the credential is in one of them.
    pub headers: Vec<(HeaderName, Prepared)>,
    /// Where the answer says who it is, in a way that never changes.
    pub id: Pointer,
    /// Where it says what they are called.
    pub name: Option<Pointer>,
    /// Where it says their address.
    pub email: Option<Pointer>,
}

/// Who somebody is at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamAccount {
    /// For programs; empty if nobody says it.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
}

impl UpstreamAccount {
    /// Somebody of whom nobody says who they are.
    pub(crate) fn unnamed() -> Self {
        Self {
            id: String::new(),
            name: None,
            email: None,
        }
    }

    /// What people read, if anybody says it.
    pub fn shown(&self) -> Option<&str> {
        self.name
            .as_deref()
            .or(Some(&self.id))
            .filter(|text| !text.is_empty())
    }
}

/// Why nobody knows whose a credential is.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum WhoError {
    /// The provider does not take the credential.
    #[error("the provider does not take it")]
    Refused,
    /// The provider does not answer this question for it, or not now: it may be a limit.
    #[error("the provider does not say whose it is (403)")]
    Forbidden,
    /// The provider cannot be asked at this moment.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(String),
    /// The answer does not say it where the configuration looks.
    #[error("the provider's answer has nothing at {0}; look at `who_am_i` of the connector")]
    Unreadable(String),
    /// A credential that cannot stand in the headers.
    #[error("{0}")]
    Template(#[from] TemplateError),
}

impl From<CallError> for WhoError {
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl WhoAmI {
    /// Asks. Errors never hold the credential.
    pub async fn ask(
        &self,
        client: &Operators,
        credential: &Credential,
    ) -> Result<UpstreamAccount, WhoError> {
        let request = self.request(credential)?;
        let answered = async {
            let response = client.call(request).await?;
            let status = response.status();
            let read = body::read(response.into_body(), LARGEST, PATIENCE).await;
            let bytes = read.map_err(|error| WhoError::Unavailable(error.to_string()))?;
            Ok((status, bytes))
        };
        let (status, bytes) = tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| Err(WhoError::Unavailable("it did not answer in time".to_owned())))?;
        match status {
            StatusCode::OK => self.read(&serde_json::from_slice(&bytes).unwrap_or_default()),
            StatusCode::UNAUTHORIZED => Err(WhoError::Refused),
            StatusCode::FORBIDDEN => Err(WhoError::Forbidden),
            status => Err(WhoError::Unavailable(format!("it answered {status}"))),
        }
    }

    fn request(&self, credential: &Credential) -> Result<Request<net::Body>, WhoError> {
        let mut request = Request::new(body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.url.as_str().parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        // GitHub refuses requests without one.
        headers.insert(header::USER_AGENT, HeaderValue::from_static("vestibule"));
        for (name, prepared) in &self.headers {
            // Whose name is not known yet cannot be named in the question who it is.
            headers.insert(name.clone(), prepared.fill(Some(credential))?);
        }
        Ok(request)
    }

    /// Slack and its like refuse with 200 and `ok: false` (CC-111).
    fn read(&self, answer: &Value) -> Result<UpstreamAccount, WhoError> {
        if answer["ok"] == Value::Bool(false) {
            return Err(WhoError::Refused);
        }
        let id = self.id.of(answer);
        Ok(UpstreamAccount {
            id: id.ok_or_else(|| WhoError::Unreadable(self.id.0.clone()))?,
            name: self.name.as_ref().and_then(|pointer| pointer.of(answer)),
            email: self.email.as_ref().and_then(|pointer| pointer.of(answer)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn who() -> WhoAmI {
        WhoAmI {
            url: Url::parse("https://git.example/api/v1/user").unwrap(),
            headers: Vec::new(),
            id: "/id".parse().unwrap(),
            name: Some("/user/login".parse().unwrap()),
            email: None,
        }
    }

    #[test]
    fn an_answer_is_read_where_the_recipe_says() {
        let ana = who()
            .read(&json!({ "id": 7, "user": { "login": "ana" } }))
            .unwrap();
        assert_eq!(
            (ana.id.as_str(), ana.name.as_deref(), ana.shown()),
            ("7", Some("ana"), Some("ana"))
        );
        for odd in [json!(null), json!({ "id": "" }), json!({ "id": {} }), json!([])] {
            assert_eq!(who().read(&odd), Err(WhoError::Unreadable("/id".to_owned())));
        }
    }

    /// CC-111: an error with HTTP 200 is one.
    #[test]
    fn ok_false_is_a_refusal() {
        assert_eq!(
            who().read(&json!({ "ok": false, "id": 7 })),
            Err(WhoError::Refused)
        );
    }

    #[test]
    fn a_pointer_is_one() {
        for odd in ["", "login", "/"] {
            assert!(odd.parse::<Pointer>().is_err(), "{odd}");
        }
    }
}
