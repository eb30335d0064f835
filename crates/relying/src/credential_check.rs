//! A service of the company that says whether a name and a password are right: one request with both, one answer.
//!
//! ```text
//! POST url         {"username", "password"}  ─▶ 200 {"subject", …}    right: this is who it is
//!                                            ├▶ 401, 403              wrong
//!                                            ├▶ 404                   nobody is called so
//!                                            └▶ anything else         nobody knows
//! POST lookup_url  {"subject"}               ─▶ 200 {"subject", …}    still there
//!                                            ├▶ 404 {"subject"}       gone
//!                                            └▶ anything else         nobody knows
//! ```
//!
//! A password goes to that one address, over TLS or on this machine, and into nothing that is logged. Redirects are followed by
//! nobody: they could lead passwords anywhere. An answer that is late, long or not what is written above says nothing of
//! anybody: it is never a wrong password, and never somebody's end.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use http::{HeaderValue, Method, Request, StatusCode, header};
use model::{ExposeSecret as _, SecretString};
use net::{Egress, Operators, body};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use self::answer::{Person, Unfit};
use crate::profile::Profile;

mod answer;

/// Most bytes of an answer.
const LARGEST: usize = 256 << 10;
/// How long one question may take in all, with waiting for a place.
const LONGEST: Duration = Duration::from_secs(10);
/// Questions at the same moment, for people who sign in; as many again for asking about those who are known, so that a flood
/// of the one keeps nobody from the other.
const AT_ONCE: usize = 16;

/// What the door proves itself to the service with.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A bearer token (RFC 6750 section 2.1).
    Bearer(SecretString),
    /// A name and a password (RFC 7617).
    Basic(String, SecretString),
}

impl Secret {
    /// The `Authorization` header; `None` if it cannot stand in one.
    fn header(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(match self {
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret()),
            Self::Basic(name, password) => {
                let pair = Zeroizing::new(format!("{name}:{}", password.expose_secret()));
                format!("Basic {}", BASE64.encode(pair.as_bytes()))
            }
        });
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether it can stand in a header.
    pub fn is_sendable(&self) -> bool {
        self.header().is_some()
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bearer(one), Self::Bearer(other)) => one.expose_secret() == other.expose_secret(),
            (Self::Basic(name, one), Self::Basic(others, other)) => {
                name == others && one.expose_secret() == other.expose_secret()
            }
            _ => false,
        }
    }
}

/// What the operator says of the service.
#[derive(Clone, Debug)]
pub struct CheckedAt {
    /// Where passwords are checked.
    pub url: Url,
    /// Where is asked about somebody who is known, without their password.
    pub lookup_url: Option<Url>,
    /// What the door proves itself with.
    pub secret: Secret,
    /// Whether anybody wants to know the groups: an answer without them is none then.
    pub groups: bool,
}

impl CheckedAt {
    /// Whether nothing differs, the secret too.
    pub fn is_same(&self, other: &Self) -> bool {
        self.url == other.url
            && self.lookup_url == other.lookup_url
            && self.secret.is_same(&other.secret)
            && self.groups == other.groups
    }
}

/// Why the service does not say anything.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// Nobody answers, or too late, or with a fault of its own; it may pass.
    #[error("the service does not answer: {0}")]
    Unreachable(String),
    /// It answers with what does not count: somebody has to change something.
    #[error("the service's answer does not count: {0}")]
    Answer(String),
}

/// What the service says of a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They are right; this is who it is.
    Right(Box<Profile>),
    /// They are not, or this person may not sign in; why, for the record.
    Wrong(String),
    /// Nobody is called so.
    Nobody,
}

/// The service.
#[derive(Debug)]
pub struct CredentialCheck {
    /// What the operator says.
    pub at: CheckedAt,
    /// What the way to it was made from, so that a new configuration can take it over.
    pub egress: Egress,
    client: Operators,
    places: Arc<Semaphore>,
    places_again: Arc<Semaphore>,
}

impl CredentialCheck {
    /// Asks nobody yet.
    pub fn new(at: CheckedAt, egress: Egress, client: Operators) -> Self {
        Self {
            at,
            egress,
            client,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            places_again: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Asks whether a name and a password are right.
    pub async fn check(&self, username: &str, password: &SecretString) -> Result<Checked, CheckError> {
        let question = json!({ "username": username, "password": password.expose_secret() });
        let (status, answer, challenged) = self.ask(&self.at.url, &question, &self.places).await?;
        match status {
            StatusCode::OK => Ok(Checked::Right(Box::new(self.person(&answer)?))),
            StatusCode::UNAUTHORIZED if challenged => Ok(Checked::Wrong(format!(
                "{status} with WWW-Authenticate: if everybody is refused, it does not take the door's own secret"
            ))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Checked::Wrong(status.to_string())),
            StatusCode::NOT_FOUND => Ok(Checked::Nobody),
            status => Err(unexpected(status)),
        }
    }

    /// Whether it can be asked about somebody who is known.
    pub fn looks_again(&self) -> bool {
        self.at.lookup_url.is_some()
    }

    /// Asks about somebody who is known already. `None` if they are not there any more, which only an answer can say that
    /// names them: a wrong address has nobody either.
    pub async fn look_again(&self, subject: &str) -> Result<Option<Profile>, CheckError> {
        let Some(url) = &self.at.lookup_url else {
            return Err(CheckError::Answer("there is no `lookup_url`".to_owned()));
        };
        let question = json!({ "subject": subject });
        let (status, answer, _) = self.ask(url, &question, &self.places_again).await?;
        let somebody_else =
            || CheckError::Answer("it speaks of another `subject` than it was asked about".to_owned());
        match status {
            StatusCode::OK => {
                let person = self.person(&answer)?;
                if person.subject == subject {
                    Ok(Some(person))
                } else {
                    Err(somebody_else())
                }
            }
            StatusCode::NOT_FOUND => match answer::subject(&answer) {
                Some(gone) if gone == subject => Ok(None),
                Some(_) => Err(somebody_else()),
                None => Err(CheckError::Answer(
                    "404 without the `subject` that it was asked about: is `lookup_url` right?".to_owned(),
                )),
            },
            status => Err(unexpected(status)),
        }
    }

    /// Asks at each address about somebody who is nobody; gives what is wrong with the answers.
    pub async fn examine(&self, nobody: &str) -> Vec<(Url, Result<(), CheckError>)> {
        let checked = match self.check(nobody, &nobody.to_owned().into()).await {
            Ok(Checked::Right(_)) => Err(CheckError::Answer(
                "it takes any password: somebody was let in who is nobody".to_owned(),
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let mut seen = vec![(self.at.url.clone(), checked)];
        if let Some(url) = &self.at.lookup_url {
            let looked = match self.look_again(nobody).await {
                Ok(Some(_)) => Err(CheckError::Answer("it knows somebody who is nobody".to_owned())),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            seen.push((url.clone(), looked));
        }
        seen
    }

    /// The status, the bytes, and whether the answer is a challenge.
    async fn ask(
        &self,
        url: &Url,
        question: &Value,
        places: &Semaphore,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>, bool), CheckError> {
        let asking = async {
            let _place = places.acquire().await.map_err(unreachable)?;
            let mut request = Request::new(body::full(question.to_string()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = url.as_str().parse().map_err(unreachable)?;
            let headers = request.headers_mut();
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json.clone());
            headers.insert(header::ACCEPT, json);
            headers.insert(header::USER_AGENT, HeaderValue::from_static("vestibule"));
            let secret = self.at.secret.header();
            headers.insert(
                header::AUTHORIZATION,
                secret.ok_or_else(|| unreachable("the secret is none"))?,
            );
            let response = self.client.call(request).await.map_err(unreachable)?;
            let (parts, content) = response.into_parts();
            let challenged = parts.headers.contains_key(header::WWW_AUTHENTICATE);
            let bytes = body::read(content, LARGEST, LONGEST).await;
            let bytes = bytes.map_err(|error| match error {
                body::ReadError::TooLarge(_) => CheckError::Answer(error.to_string()),
                error => unreachable(error),
            })?;
            Ok((parts.status, Zeroizing::new(bytes.to_vec()), challenged))
        };
        let timed = tokio::time::timeout(LONGEST, asking).await;
        timed.unwrap_or_else(|_| Err(unreachable("no answer in time")))
    }

    /// Who an answer speaks of.
    fn person(&self, body: &[u8]) -> Result<Profile, CheckError> {
        let person = Person::read(body, self.at.groups)?;
        Ok(Profile {
            subject: person.subject,
            username: person.username,
            name: person.name,
            email: person.email,
            email_verified: person.email_verified,
            groups: person.groups,
            amr: Some("pwd".to_owned()),
            ..Profile::default()
        })
    }
}

impl From<Unfit> for CheckError {
    fn from(unfit: Unfit) -> Self {
        Self::Answer(unfit.to_string())
    }
}

fn unexpected(status: StatusCode) -> CheckError {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        CheckError::Unreachable(status.to_string())
    } else if status.is_redirection() {
        CheckError::Answer(format!("{status}: it refers elsewhere, and nobody is sent there"))
    } else {
        CheckError::Answer(status.to_string())
    }
}

fn unreachable(why: impl std::fmt::Display) -> CheckError {
    let why = why.to_string();
    CheckError::Unreachable(why.chars().filter(|c| !c.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests;
