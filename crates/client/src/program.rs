//! Sign-ins of programs: nobody is asked anything, and the next token is had as the first one was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, header};
use model::{ExposeSecret as _, SecretString};
use net::body;
use protocol::jwt::Compact;
use relying::client_key::{BadClientKey, ClientKey};
use relying::oauth_client::{ClientError, Endpoints, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::discovery::Discovered;
use crate::login::{Login, LoginError, Surroundings};
use crate::registration;
use crate::session::{Client, Session};

/// What a job of GitHub Actions, and of those that do as it does, is told about its platform's word for it.
const ACTIONS_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const ACTIONS_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// Most bytes of what a platform says.
const LARGEST: usize = 64 << 10;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// As what a program has tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// As the client itself (OAuth 2.1 section 4.2).
    ClientCredentials,
    /// As a workload for which its platform vouches (RFC 7523 section 2.1).
    Workload(Assertion),
}

/// Where a platform says what a workload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assertion {
    /// In a file, as Kubernetes does; it is read anew each time.
    File(PathBuf),
    /// In a variable of the environment, as GitLab does.
    Variable(String),
    /// At an address that is asked for one, as GitHub, Gitea and Forgejo do.
    Actions,
}

/// The variables of the environment, which is read elsewhere. Never shows any of them.
#[derive(Clone)]
pub struct Variables(Arc<Get>);

type Get = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The key of a client, and the file that it was read from.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// The key.
    pub key: Arc<ClientKey>,
}

/// A file without a key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{} {source}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: BadClientKey,
    },
}

/// Why a program has no token.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// Nobody vouches for it.
    #[error("{0}")]
    NoAssertion(String),
    /// The platform's word is for somebody else, who must not be shown to have said it.
    #[error(
        "the token in {place} is for {audience}, and not for {issuer}; with --issuer {issuer} it is sent there all the same"
    )]
    OtherAudience {
        /// Where it is.
        place: Assertion,
        /// For whom.
        audience: String,
        /// Who would be shown it.
        issuer: String,
    },
    /// The authorization server.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl std::fmt::Display for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Actions => f.write_str("this job"),
        }
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Variables")
    }
}

impl Variables {
    /// As whoever runs this has them.
    pub fn new(get: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(get))
    }

    /// A variable that is set, and to more than nothing.
    fn get(&self, name: &str) -> Result<String, ProgramError> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| ProgramError::NoAssertion(format!("${name} is not set")))
    }
}

impl KeyFile {
    /// Reads it.
    pub fn read(path: PathBuf) -> Result<Self, KeyFileError> {
        let text = std::fs::read_to_string(&path).map_err(|source| KeyFileError::File {
            path: path.clone(),
            source,
        })?;
        let key = ClientKey::from_pem(&text).map_err(|source| KeyFileError::Key {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            key: Arc::new(key),
        })
    }
}

impl Assertion {
    /// Where this process has one, if it runs at a platform that is known to give them.
    pub fn found(variables: &Variables) -> Option<Self> {
        let is_set = |name| variables.get(name).is_ok();
        (is_set(ACTIONS_URL) && is_set(ACTIONS_TOKEN)).then_some(Self::Actions)
    }

    /// The platform's word, for this issuer where it can be asked for one.
    async fn get(&self, issuer: &str, around: &Surroundings) -> Result<SecretString, ProgramError> {
        let none = |why: String| ProgramError::NoAssertion(why);
        let text = match self {
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| none(format!("{}: {error}", path.display())))?
            }
            Self::Variable(name) => around.variables.get(name)?,
            Self::Actions => {
                let said = ask_actions(issuer, around).await;
                said.map_err(|why| none(format!("the platform of this job gives it no token: {why}")))?
            }
        };
        Ok(text.trim().to_owned().into())
    }
}

async fn ask_actions(issuer: &str, around: &Surroundings) -> Result<String, String> {
    let variable = |name| around.variables.get(name).map_err(|error| error.to_string());
    let mut url: Url = variable(ACTIONS_URL)?
        .parse()
        .map_err(|_| format!("${ACTIONS_URL} is no address"))?;
    url.query_pairs_mut().append_pair("audience", issuer);
    let bearer = format!("Bearer {}", variable(ACTIONS_TOKEN)?);
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| format!("${ACTIONS_TOKEN} is no token"))?;
    bearer.set_sensitive(true);
    let mut request = Request::new(body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|_| format!("${ACTIONS_URL} is no address"))?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let asking = async {
        let response = around
            .http
            .call(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let read = body::read(response.into_body(), LARGEST, PATIENCE).await;
        read.map_err(|error| error.to_string())
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    let bytes = answer.map_err(|_| "no answer in time".to_owned())??;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let value = answer["value"].as_str().map(str::to_owned);
    value.ok_or_else(|| "its answer holds no token".to_owned())
}

/// For whom an assertion is, if it says so.
fn audiences(assertion: &SecretString) -> Vec<String> {
    let parsed = Compact::parse(assertion.expose_secret()).ok();
    let claims: Value = parsed
        .and_then(|parsed| serde_json::from_slice(&parsed.payload).ok())
        .unwrap_or_default();
    match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

impl Program {
    /// The next tokens of a sign-in. `may_send` says that the assertion may go to the issuer whomever it is for.
    pub(crate) async fn tokens(
        &self,
        session: &Session,
        may_send: bool,
        around: &Surroundings,
    ) -> Result<Tokens, ProgramError> {
        let oauth = session.oauth(&around.http);
        let identity = &session.client.identity;
        let place = match self {
            Self::ClientCredentials => return Ok(oauth.client_credentials(identity, &around.world).await?),
            Self::Workload(place) => place,
        };
        let assertion = place.get(&session.issuer, around).await?;
        let audiences = audiences(&assertion);
        let is_theirs = |audience: &String| {
            // Not by its token endpoint, which it names itself, and which may be somebody else's.
            audience.trim_end_matches('/') == session.issuer.trim_end_matches('/')
        };
        if !may_send && !audiences.iter().any(is_theirs) {
            return Err(ProgramError::OtherAudience {
                place: place.clone(),
                audience: audiences.first().cloned().unwrap_or_else(|| "nobody".to_owned()),
                issuer: session.issuer.clone(),
            });
        }
        Ok(oauth.jwt_bearer(identity, &assertion, &around.world).await?)
    }
}

/// Signs a program in.
pub(crate) async fn sign_in(
    program: &Program,
    login: &Login,
    found: &Discovered,
    around: &Surroundings,
) -> Result<Session, LoginError> {
    let failed = |error: ProgramError| LoginError::Program {
        issuer: found.issuer.clone(),
        error,
    };
    let endpoints = Endpoints::for_programs(&found.metadata, &found.issuer);
    let endpoints = endpoints.map_err(|error| failed(error.into()))?;
    let wanted = login.scope.clone().or_else(|| found.scope.clone());
    let mut session = Session {
        resource: found.resource.clone(),
        issuer: found.issuer.clone(),
        client: registration::named(&login.client, &endpoints.methods).unwrap_or_else(Client::nobody),
        program: Some(program.clone()),
        token_endpoint: endpoints.token,
        revocation_endpoint: endpoints.revocation,
        scope: wanted.clone(),
        wanted,
        access_token: String::new().into(),
        expires_at: None,
        refresh_token: None,
        id_token: None,
        person: Value::Null,
    };
    // Whoever names the issuer knows whom they send it to.
    let may_send = login.client.issuer.is_some();
    let tokens = program.tokens(&session, may_send, around).await.map_err(failed)?;
    session.renewed(tokens, &around.world);
    // An authorization server that gives one all the same (RFC 9700 section 4.14) would have it kept for nothing.
    session.refresh_token = None;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_says_for_whom_it_is() {
        let of = |claims: &str| {
            let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
            let text = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(claims), part("x"));
            audiences(&text.into())
        };
        assert_eq!(of(r#"{"aud":"https://a"}"#), ["https://a"]);
        assert_eq!(of(r#"{"aud":["https://a","b"]}"#), ["https://a", "b"]);
        assert!(of("{}").is_empty() && of("[]").is_empty());
        assert!(audiences(&"nonsense".to_owned().into()).is_empty());
    }
}
