//! Being let in: the token that a request shows, renewed when it has ended, and a sign-in in the browser where none is
//! left (CC-104).
//!
//! Requests wait for a sign-in, but not for ever, because whoever sent them does not either; the sign-in itself goes on.
//! Of many requests, and of many bridges to one server, one opens a browser; when none does any more because nobody
//! answers, `login` decides.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ExposeSecret as _, SecretString};
use net::Tasks;
use thiserror::Error;
use tokio::sync::watch;
use url::Url;

use crate::login::{Login, LoginError, Outcome, Screen, Surroundings, login};
use crate::tokens::{self, Access, LEAST, TokenError};
use relying::challenge::Challenge;

/// Why nothing is let through.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Somebody has to answer in a browser first.
    #[error(
        "sign in to {0} first: a browser was opened for it, or the log of this bridge says where. Then try again"
    )]
    Waiting(Url),
    /// Nobody answered, several times.
    #[error("nobody is signed in to {0}. Run `vestibule login {0}` in a terminal, then try again")]
    SignedOut(Url),
    /// The sign-in did not succeed.
    #[error("the sign-in did not succeed: {0}")]
    Failed(String),
    /// There may be a token, but it cannot be had now.
    #[error("{0}")]
    Trouble(String),
    /// The server does not take a token that it has just been given.
    #[error("{0} does not take the token of a new sign-in; its operator has to know why")]
    Refused(Url),
}

impl From<LoginError> for Closed {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Unanswered(server) => Self::SignedOut(server),
            error => Self::Failed(error.to_string()),
        }
    }
}

type SigningIn = Pin<Box<dyn Future<Output = Result<Outcome, LoginError>> + Send>>;
/// What came of a sign-in; nothing yet while it is under way.
type Attempt = watch::Receiver<Option<Result<(), Closed>>>;

/// The way in.
pub(crate) struct Gate {
    server: Url,
    around: Surroundings,
    tasks: Tasks,
    /// How long a request waits for somebody to sign in.
    pub(crate) waiting: Duration,
    login: Login,
    sign_in: Box<dyn Fn(Login) -> SigningIn + Send + Sync>,
    state: Arc<Mutex<State>>,
    /// Counts the tokens that were had, for those who wait for one without asking for it.
    pub(crate) news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    access: Option<Access>,
    attempt: Option<Attempt>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({})", self.server)
    }
}

impl Gate {
    /// To a server. A request waits for so long for somebody to sign in; `login` says how.
    pub(crate) fn new(
        server: Url,
        around: Surroundings,
        (waiting, login): (Duration, Login),
        tasks: Tasks,
        screen: Arc<impl Screen + 'static>,
    ) -> Self {
        let whereto = (server.clone(), around.clone());
        let sign_in = move |login: Login| -> SigningIn {
            let ((server, around), screen) = (whereto.clone(), Arc::clone(&screen));
            Box::pin(async move { self::login(&login, &server, &around, &*screen).await })
        };
        Self {
            server,
            around,
            tasks,
            waiting,
            login,
            sign_in: Box::new(sign_in),
            state: Arc::default(),
            news: watch::Sender::new(0),
        }
    }

    /// The token to show, if there is one. Without one the server says whether it wants one.
    pub(crate) async fn token(&self) -> Result<Option<SecretString>, Closed> {
        let now = self.around.world.now();
        let kept = self.lock().access.clone();
        let is_good = |access: &Access| access.expires_at.is_none_or(|end| end.since(now) >= LEAST);
        if let Some(access) = kept.filter(is_good) {
            return Ok(Some(access.token));
        }
        self.renewed(None).await
    }

    /// Another token than the one that was refused, without asking anybody; none if nobody is signed in.
    pub(crate) async fn renewed(
        &self,
        refused: Option<&SecretString>,
    ) -> Result<Option<SecretString>, Closed> {
        match tokens::access(&self.server, &self.around, refused).await {
            Ok(access) => {
                let token = access.token.clone();
                self.lock().access = Some(access);
                self.news.send_modify(|count| *count += 1);
                Ok(Some(token))
            }
            Err(TokenError::SignedOut(_)) => {
                self.lock().access = None;
                Ok(None)
            }
            Err(error) => Err(Closed::Trouble(error.to_string())),
        }
    }

    /// A token after the server refused this one, or wanted one: renewed, or of a new sign-in as the server demands it. A
    /// second refusal is not one of a token that has ended.
    pub(crate) async fn another(
        &self,
        refused: Option<&SecretString>,
        again: bool,
        demand: &Challenge,
        patience: Duration,
    ) -> Result<SecretString, Closed> {
        // Another process may have signed in meanwhile.
        if !again && let Some(token) = self.renewed(refused).await? {
            return Ok(token);
        }
        let login = Login {
            challenge: Some(demand.clone()),
            ..self.login.clone()
        };
        self.signed_in(login, refused, patience).await
    }

    /// A token that is good for more, or of a better sign-in, as the server demands it (MA-30, RFC 9470 section 4).
    pub(crate) async fn more(
        &self,
        shown: &SecretString,
        demand: &Challenge,
        patience: Duration,
    ) -> Result<SecretString, Closed> {
        let had = self
            .lock()
            .access
            .as_ref()
            .and_then(|access| access.scope.clone());
        let login = Login {
            // What was there is asked for again beside what is missing (MA-125).
            scope: demand.scope.as_ref().map(|wanted| union(had.as_deref(), wanted)),
            acr_values: demand.acr_values.clone(),
            max_age: demand.max_age,
            challenge: Some(demand.clone()),
            keeps_session: true,
            ..self.login.clone()
        };
        self.signed_in(login, Some(shown), patience).await
    }

    /// Waits for a sign-in: the one that is under way, or a new one.
    async fn signed_in(
        &self,
        login: Login,
        refused: Option<&SecretString>,
        patience: Duration,
    ) -> Result<SecretString, Closed> {
        let mut attempt = self.attempt(login)?;
        let outcome = async {
            let outcome = attempt.wait_for(Option::is_some).await;
            outcome.ok().and_then(|outcome| outcome.clone())
        };
        match tokio::time::timeout(patience, outcome).await {
            Err(_) => return Err(Closed::Waiting(self.server.clone())),
            Ok(None) => return Err(Closed::Failed("it was given up".to_owned())),
            Ok(Some(Err(closed))) => return Err(closed),
            Ok(Some(Ok(()))) => {}
        }
        // Not through what is kept here: it is of before.
        let token = self.renewed(None).await?;
        let token = token.ok_or_else(|| Closed::SignedOut(self.server.clone()))?;
        let is_old = refused.is_some_and(|old| old.expose_secret() == token.expose_secret());
        if is_old {
            return Err(Closed::Refused(self.server.clone()));
        }
        Ok(token)
    }

    fn attempt(&self, login: Login) -> Result<Attempt, Closed> {
        let mut state = self.lock();
        if let Some(attempt) = &state.attempt {
            return Ok(attempt.clone());
        }
        let before = tokens::before(&self.server, &self.around);
        let before = before.map_err(|error| Closed::Trouble(error.to_string()))?;
        let (sender, attempt) = watch::channel(None);
        state.attempt = Some(attempt.clone());
        drop(state);
        let login = Login {
            client: before.client.unwrap_or(login.client),
            program: before.program.or(login.program),
            // What a program was told to ask for is more than what it was given once.
            scope: match before.wanted {
                Some(wanted) => Some(union(Some(&wanted), login.scope.as_deref().unwrap_or_default())),
                None => login.scope,
            },
            store: login.store.or_else(|| self.store_before()),
            ..login
        };
        let signing_in = (self.sign_in)(login);
        let state = Arc::clone(&self.state);
        self.tasks.spawn_bare("sign in", async move {
            let outcome = signing_in.await;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.attempt = None;
            state.access = None;
            drop(state);
            sender.send_replace(Some(outcome.map(|_| ()).map_err(Closed::from)));
        });
        Ok(attempt)
    }

    /// Where tokens of this server were kept.
    fn store_before(&self) -> Option<crate::Kind> {
        let known = self.around.home.server(&self.server).ok()??;
        Some(known.store)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both sets of scopes, each scope once.
fn union(had: Option<&str>, wanted: &str) -> String {
    let mut scopes: Vec<&str> = had.unwrap_or_default().split_whitespace().collect();
    for scope in wanted.split_whitespace() {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ma_125_what_was_there_is_asked_for_again() {
        assert_eq!(
            union(Some("mcp offline_access"), "mcp write"),
            "mcp offline_access write"
        );
        assert_eq!(union(None, "write"), "write");
    }
}
