//! Signing in: one request, one browser tab, one answer (OAuth 2.1 section 4.1, RFC 8252).

use std::time::Duration;

use model::World;
use net::Operators;
use relying::oauth_client::ClientError;
use thiserror::Error;
use url::Url;

use crate::discovery::{Discovered, DiscoveryError, Found, discover};
use crate::home::{Home, HomeError, Known};
use crate::program::{self, Program, ProgramError, Variables};
use crate::registration::{Configured, RegistrationError};
use crate::session::Session;
use crate::token_store::{Kind, TokenStore, TokenStoreError};
use crate::tokens::{self, logout, renewing, session_name};
use asking::Asking;
use relying::challenge::Challenge;

mod asking;
mod authorization;
mod device;

/// So many sign-ins that nobody asked for are shown to somebody without an answer (CC-104, MA-126). What failed before
/// anything was shown, as where no authorization server was found, bothered nobody and does not count.
const UNANSWERED: u32 = 3;

/// What is said to the person meanwhile.
pub trait Screen: Send + Sync {
    /// The address to open. Gives whether a browser was opened with it.
    fn open(&self, url: &Url) -> bool;
    /// The code to type, where to type it, and the address that has it typed already.
    fn shows_code(&self, code: &str, page: &Url, complete: &Url);
    /// Another command is signing in to the same server: this one waits for it.
    fn waits(&self);
    /// What was pasted is no address that a browser was sent to.
    fn is_no_answer(&self);
    /// Something that is worth knowing, and nothing secret.
    fn note(&self, text: &str);
    /// An address that somebody pasted because the browser could not come back here; never, if nobody can.
    fn pasted(&self) -> impl Future<Output = String> + Send;
}

/// Which way a person signs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// In a browser that comes back here, or whose last address is pasted.
    #[default]
    Browser,
    /// With a code that they type into a browser anywhere (RFC 8628).
    Device,
    /// That, where the authorization server offers it: there is no browser here.
    DeviceIfOffered,
}

/// How to sign in.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Which way.
    pub way: Way,
    /// What is said of the client.
    pub client: Configured,
    /// As what, where no person signs in.
    pub program: Option<Program>,
    /// What to ask for, in place of what the server says.
    pub scope: Option<String>,
    /// What the server said when it refused something; it is asked otherwise.
    pub challenge: Option<Challenge>,
    /// Where tokens are to lie.
    pub store: Option<Kind>,
    /// As somebody else than the browser is signed in as (`prompt=login`).
    pub as_other_user: bool,
    /// In which way to sign in at least (RFC 9470 section 4).
    pub acr_values: Option<String>,
    /// How many seconds ago the last sign-in may have been (RFC 9470 section 4).
    pub max_age: Option<u64>,
    /// What is there stays until there is something better.
    pub keeps_session: bool,
    /// How long to wait for the person.
    pub patience: Duration,
    /// The person asked for something else, and a program found out that this is needed.
    pub is_unasked: bool,
}

impl Login {
    /// Whether it is for a sign-in other than the one that the person has, which a page alone can ask for.
    fn wants_page(&self) -> bool {
        self.as_other_user || self.acr_values.is_some() || self.max_age.is_some()
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server takes everybody.
    Open,
    /// Tokens are kept.
    SignedIn(Known),
}

/// Why nobody is signed in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Nothing was found to sign in at.
    #[error(transparent)]
    Discovered(#[from] DiscoveryError),
    /// No client.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The files.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The tokens have no place.
    #[error(transparent)]
    Store(#[from] TokenStoreError),
    /// Nothing can listen on this machine.
    #[error("this machine does not let the browser come back: {0}")]
    Listen(std::io::Error),
    /// The other command that this one waited for ended without a sign-in.
    #[error("the other command did not sign in; run this one again")]
    Abandoned,
    /// Nobody answered several of these (CC-104).
    #[error(
        "the last {UNANSWERED} sign-ins were not answered; no more are begun until you run `vestibule login {0}`"
    )]
    Unanswered(Url),
    /// The server names another authorization server than the one that the client was made at (MA-108, MA-110).
    #[error("the server's tokens come from {0}, and not from the issuer that the client is of")]
    OtherIssuer(String),
    /// It was asked for, and is not offered.
    #[error("{0} has no way to sign in with a code; run this without --device")]
    NoDevice(String),
    /// It is offered, and no code was given.
    #[error("{issuer} gives no code to sign in with: {error}")]
    NoCode {
        /// Who.
        issuer: String,
        /// Why.
        error: ClientError,
    },
    /// Nobody answered.
    #[error("nobody signed in within {0} s")]
    Late(u64),
    /// The answer is of another issuer, or does not say whose it is; nothing of it is shown (MA-119).
    #[error("the answer is not of the server that was asked")]
    MixUp,
    /// What was pasted answers nothing that was asked.
    #[error("this is not the address that the browser was sent to")]
    NotAnswer,
    /// The server said no.
    #[error("{0}")]
    Refused(String),
    /// It is no OpenID provider, or gave an ID token for somebody else.
    #[error("{0} gave no ID token for this client")]
    NoIdToken(String),
    /// A program is given no token.
    #[error("{issuer}: {error}")]
    Program {
        /// Who.
        issuer: String,
        /// Why.
        error: ProgramError,
    },
    /// The token endpoint.
    #[error("{issuer}: {error}")]
    Tokens {
        /// Who.
        issuer: String,
        /// Why.
        error: ClientError,
    },
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The folder.
    pub home: Home,
    /// The time and dice.
    pub world: World,
    /// The way out.
    pub http: Operators,
    /// What the environment says.
    pub variables: Variables,
}

/// Signs in to a server.
pub async fn login(
    login: &Login,
    server: &Url,
    around: &Surroundings,
    screen: &impl Screen,
) -> Result<Outcome, LoginError> {
    let Surroundings {
        home, world, http, ..
    } = around;
    let before = home.server(server)?;
    let what = format!("sign-in {server}");
    let turn = match home.turn(&what, Duration::ZERO).await {
        Err(HomeError::Busy) => {
            screen.waits();
            let turn = home.turn(&what, login.patience).await?;
            let after = home.server(server)?;
            let is_new = |known: &Known| {
                let before = before.as_ref();
                before.is_none_or(|before| before.signed_in_at != known.signed_in_at)
            };
            if login.as_other_user {
                turn
            } else {
                // Nobody answered in that tab; another one, and another after it, would be no better.
                let known = after.filter(is_new).ok_or(LoginError::Abandoned)?;
                return Ok(Outcome::SignedIn(known));
            }
        }
        turn => turn?,
    };
    if login.is_unasked && home.unanswered(server)? >= UNANSWERED {
        return Err(LoginError::Unanswered(server.clone()));
    }
    let Found::Guarded(found) = discover(http, server, login.challenge.as_ref()).await? else {
        return Ok(Outcome::Open);
    };
    let Configured { issuer, .. } = &login.client;
    if issuer.as_ref().is_some_and(|issuer| *issuer != found.issuer) {
        return Err(LoginError::OtherIssuer(found.issuer));
    }
    let store = TokenStore::choose(login.store, home, world)?;
    let session = match &login.program {
        Some(program) => {
            let session = program::sign_in(program, login, &found, around).await?;
            // What a program had before ends soon by itself, and one that is refused now keeps it.
            if tokens::program(server, around).is_none() {
                end_before(login, server, around).await;
            }
            session
        }
        None => by_a_person(login, (server, &found), &store, around, screen).await?,
    };
    // Whoever renews or ends what is there does it before or after, not meanwhile.
    let _renewing = renewing(home, server).await?;
    store.put(&session_name(server), &session.to_text())?;
    let known = Known {
        url: server.clone(),
        issuer: found.issuer.clone(),
        username: session.username(),
        store: store.kind(),
        signed_in_at: world.now(),
    };
    home.remember(known.clone()).await?;
    if let Some(before) = before.filter(|before| before.store != known.store) {
        // Nobody would find it there any more.
        let _ = TokenStore::of(before.store, home, world).remove(&session_name(server));
    }
    home.forget_unanswered(server)?;
    drop(turn);
    Ok(Outcome::SignedIn(known))
}

/// Ends the sign-in that was there. Before the next one, because an issuer that takes old tokens back may take back all
/// that this program has there, new ones too. What cannot be taken back is replaced all the same.
async fn end_before(login: &Login, server: &Url, around: &Surroundings) {
    if !login.keeps_session {
        let _ = logout(server, around).await;
    }
}

async fn by_a_person(
    login: &Login,
    (server, found): (&Url, &Discovered),
    store: &TokenStore,
    around: &Surroundings,
    screen: &impl Screen,
) -> Result<Session, LoginError> {
    let asking = Asking::new(login, (server, found), store, around)?;
    let by_device = match login.way {
        Way::Browser => false,
        Way::Device => true,
        // Who is to sign in otherwise than they have needs the page that asks for it.
        Way::DeviceIfOffered => !login.wants_page() && asking.offers_codes(),
    };
    if !by_device {
        asking.gives_codes()?;
    }
    end_before(login, server, around).await;
    let signed_in = if by_device {
        match device::authorize(&asking, screen).await {
            // Nothing was shown yet, and nobody asked for a code.
            Err(LoginError::NoCode { .. }) if login.way == Way::DeviceIfOffered => None,
            outcome => Some(outcome?),
        }
    } else {
        None
    };
    let session = match signed_in {
        Some(signed_in) => signed_in,
        None => {
            asking.gives_codes()?;
            authorization::authorize(&asking, screen).await?
        }
    };
    if session.resource.is_none() && session.id_token_ends_at().is_none() {
        return Err(LoginError::NoIdToken(session.issuer));
    }
    Ok(session)
}

/// Opens a browser without a shell in between (MA-153), if there is one here.
pub fn open_browser(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && open::that_detached(url.as_str()).is_ok()
}
