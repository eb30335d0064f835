//! Access tokens for those who call: fresh ones, renewed once however many processes want one, and their end.

use std::time::Duration;

use model::{ExposeSecret as _, SecretString, Timestamp};
use relying::oauth_client::ClientError;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::home::{Home, HomeError, Known, Turn, name_of};
use crate::login::Surroundings;
use crate::program::{KeyFile, KeyFileError, Program, ProgramError};
use crate::registration::{self, Configured};
use crate::session::{Client, Session};
use crate::token_store::{TokenStore, TokenStoreError};

/// A token that ends sooner is renewed before it is given out.
pub(crate) const LEAST: Duration = Duration::from_mins(1);
/// How long somebody else may take to renew.
const PATIENCE: Duration = Duration::from_mins(1);

/// An access token, and until when it is good.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: SecretString,
    /// Its end, if it is known.
    pub expires_at: Option<Timestamp>,
    /// What it is good for, if it is known.
    pub scope: Option<String>,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Nobody signed in, or the sign-in has ended.
    #[error("not signed in to {0}: `vestibule login {0}`")]
    SignedOut(Url),
    /// The files.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The place where it lies.
    #[error(transparent)]
    Store(#[from] TokenStoreError),
    /// It would be more than a token wherever it is written: in a header, on a line for `git` (RFC 6749 appendix A.12).
    #[error("{0} gave a token that cannot be used: it is more than a line of plain characters")]
    Unusable(String),
    /// The client cannot prove itself.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A program that is signed in gets no further token.
    #[error("{issuer}: {error}")]
    Program {
        /// Who.
        issuer: String,
        /// Why.
        error: ProgramError,
    },
    /// It cannot be renewed now.
    #[error("{issuer}: {error}")]
    Renewing {
        /// Who.
        issuer: String,
        /// Why.
        error: ClientError,
    },
}

/// The name that a sign-in lies under.
pub(crate) fn session_name(server: &Url) -> String {
    format!("session-{}", name_of(server.as_str()))
}

/// One's turn to change what is kept of a server.
pub(crate) async fn renewing(home: &Home, server: &Url) -> Result<Turn, HomeError> {
    home.turn(&format!("renew {server}"), PATIENCE).await
}

/// What is kept of a server.
fn kept(server: &Url, around: &Surroundings) -> Result<(Known, TokenStore, Session), TokenError> {
    let signed_out = || TokenError::SignedOut(server.clone());
    let known = around.home.server(server)?.ok_or_else(signed_out)?;
    let store = TokenStore::of(known.store, &around.home, &around.world);
    let text = store.get(&session_name(server))?;
    let session = text
        .as_ref()
        .and_then(Session::from_text)
        .ok_or_else(signed_out)?;
    Ok((known, store, session))
}

/// As what and for what somebody signed in to a server, so that it is said again.
#[derive(Default)]
pub(crate) struct Before {
    /// The client that was named; none if this program registered by itself.
    pub(crate) client: Option<Configured>,
    /// As what a program; none if it was a person, or nobody.
    pub(crate) program: Option<Program>,
    /// What a program asks for.
    pub(crate) wanted: Option<String>,
}

/// The sign-in that is kept of a server. A client whose key cannot be read is none that asks without it.
pub(crate) fn before(server: &Url, around: &Surroundings) -> Result<Before, KeyFileError> {
    let Ok((_, _, session)) = kept(server, around) else {
        return Ok(Before::default());
    };
    Ok(Before {
        client: configured(session.issuer, session.client)?,
        program: session.program,
        wanted: session.wanted,
    })
}

fn configured(issuer: String, client: Client) -> Result<Option<Configured>, KeyFileError> {
    let Client {
        identity,
        redirect_uri,
        device: _,
        key_file,
    } = client;
    if redirect_uri.is_some() {
        return Ok(None);
    }
    Ok(Some(Configured {
        issuer: Some(issuer),
        client_secret: identity.authentication.secret().cloned(),
        client_id: Some(identity.client_id).filter(|id| !id.is_empty()),
        client_key: key_file.map(KeyFile::read).transpose()?,
        document: None,
    }))
}

/// As what a program was signed in to a server; none if it was a person, or nobody.
pub(crate) fn program(server: &Url, around: &Surroundings) -> Option<Program> {
    let (_, _, session) = kept(server, around).ok()?;
    session.program
}

/// A token that is good for a while. `refused` is one that the server did not take, whatever its date says.
pub async fn access(
    server: &Url,
    around: &Surroundings,
    refused: Option<&SecretString>,
) -> Result<Access, TokenError> {
    let is_refused = |session: &Session| {
        refused.is_some_and(|token| token.expose_secret() == session.access_token.expose_secret())
    };
    let lasts = |session: &Session, least: Duration| {
        let now = around.world.now();
        // One of which nobody knows the end is no last resort.
        session
            .expires_at
            .map_or(!least.is_zero(), |end| end > now + least)
    };
    let good = |session: &Session, least| !is_refused(session) && lasts(session, least);
    let session = good_session(server, around, good).await?;
    if !is_line(session.access_token.expose_secret()) {
        return Err(TokenError::Unusable(session.issuer));
    }
    Ok(Access {
        token: session.access_token.clone(),
        expires_at: session.expires_at,
        scope: session.scope,
    })
}

/// Whether it is what a token may be. An issuer that put a line end into one would write lines of its own to whoever is
/// given it: another header of a request, another credential for `git`.
fn is_line(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// An ID token that is good for a while, of a sign-in at an issuer itself, and until when.
pub async fn id_token(issuer: &Url, around: &Surroundings) -> Result<(SecretString, Timestamp), TokenError> {
    let ends_after = |session: &Session, least| {
        let end = session.id_token_ends_at();
        end.filter(|end| *end > around.world.now() + least)
    };
    let good = |session: &Session, least| ends_after(session, least).is_some();
    let session = good_session(issuer, around, good).await?;
    // An issuer that gives none when it renews wants the person again.
    let end = ends_after(&session, Duration::ZERO);
    end.and_then(|end| Some((session.id_token?, end)))
        .ok_or_else(|| TokenError::SignedOut(issuer.clone()))
}

/// A sign-in that is good for a while, renewed if it has to be. The new tokens are kept before the old ones are forgotten;
/// of many processes one renews. While the issuer cannot be asked, one counts that is good for no time at all.
async fn good_session(
    server: &Url,
    around: &Surroundings,
    is_good: impl Fn(&Session, Duration) -> bool,
) -> Result<Session, TokenError> {
    let (_, _, session) = kept(server, around)?;
    if is_good(&session, LEAST) {
        return Ok(session);
    }
    let _turn = renewing(&around.home, server).await?;
    let (_, store, mut session) = kept(server, around)?;
    if is_good(&session, LEAST) {
        return Ok(session);
    }
    let signed_out = || TokenError::SignedOut(server.clone());
    if let Some(path) = &session.client.key_file {
        KeyFile::read(path.clone())?;
    }
    if let Some(program) = session.program.clone() {
        return match program.tokens(&session, true, around).await {
            Ok(tokens) => {
                session.renewed(tokens, &around.world);
                session.refresh_token = None;
                store.put(&session_name(server), &session.to_text())?;
                Ok(session)
            }
            Err(ProgramError::Client(ClientError::Unavailable(_)) | ProgramError::NoAssertion(_))
                if is_good(&session, Duration::ZERO) =>
            {
                Ok(session)
            }
            Err(error) => Err(TokenError::Program {
                issuer: session.issuer,
                error,
            }),
        };
    }
    let refresh_token = session.refresh_token.clone().ok_or_else(signed_out)?;
    let oauth = session.oauth(&around.http);
    let renewed = oauth
        .refresh(
            &session.client.identity,
            refresh_token.expose_secret(),
            &around.world,
        )
        .await;
    let tokens = match renewed {
        Ok(tokens) => tokens,
        Err(ClientError::Refused(_)) => return Err(signed_out()),
        Err(ClientError::Client(_)) => {
            // Signing in again must not go on with a client that is not known there any more.
            registration::forget(&store, &session.issuer)?;
            return Err(signed_out());
        }
        // The issuer cannot be asked now; what is still good is given out as long as it is.
        Err(_) if is_good(&session, Duration::ZERO) => return Ok(session),
        Err(error) => {
            return Err(TokenError::Renewing {
                issuer: session.issuer,
                error,
            });
        }
    };
    session.renewed(tokens, &around.world);
    store.put(&session_name(server), &session.to_text())?;
    Ok(session)
}

/// What is known of a sign-in without asking anybody.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The server.
    pub known: Known,
    /// Whether tokens are still kept.
    pub is_kept: bool,
    /// Why they cannot be looked at now.
    pub trouble: Option<String>,
    /// Whether they can be renewed.
    pub is_renewable: bool,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// What it is good for.
    pub scope: Option<String>,
    /// Who signed in, and how: claims of the ID token, if the issuer gave one.
    pub person: Value,
}

/// Everything that somebody signed in to. A store that cannot be opened hides nothing of the others.
pub fn standings(around: &Surroundings) -> Result<Vec<Standing>, TokenError> {
    let servers = around.home.servers()?;
    let standing = |known: Known| {
        let kept = kept(&known.url, around);
        let trouble = match &kept {
            Err(error @ TokenError::Store(_)) => Some(error.to_string()),
            _ => None,
        };
        match kept {
            Ok((known, _, session)) => Ok(Standing {
                known,
                is_kept: true,
                trouble,
                is_renewable: session.refresh_token.is_some() || session.program.is_some(),
                expires_at: session.expires_at,
                scope: session.scope,
                person: session.person,
            }),
            Err(TokenError::SignedOut(_) | TokenError::Store(_)) => Ok(Standing {
                known,
                is_kept: trouble.is_some(),
                trouble,
                is_renewable: false,
                expires_at: None,
                scope: None,
                person: Value::Null,
            }),
            Err(error) => Err(error),
        }
    };
    servers.into_iter().map(standing).collect()
}

/// What signing out did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The issuer took the tokens back.
    Revoked,
    /// They are forgotten here; the issuer has no way to take them back.
    Forgotten,
    /// They are forgotten here; the issuer could not be asked to take them back.
    NotRevoked,
}

/// Signs out: the issuer takes the tokens back, and they are forgotten here whether it does or not.
pub async fn logout(server: &Url, around: &Surroundings) -> Result<Ended, TokenError> {
    let _turn = renewing(&around.home, server).await?;
    let ended = match kept(server, around) {
        Ok((_, store, session)) => {
            let ended = session.revoke(around).await;
            store.remove(&session_name(server))?;
            ended
        }
        Err(TokenError::SignedOut(_)) if around.home.server(server)?.is_some() => Ended::Forgotten,
        // To forget a token nobody has to read it.
        Err(TokenError::Store(why)) => {
            let known = around.home.server(server)?.ok_or(why)?;
            TokenStore::of(known.store, &around.home, &around.world).remove(&session_name(server))?;
            Ended::NotRevoked
        }
        Err(error) => return Err(error),
    };
    around.home.forget(server).await?;
    Ok(ended)
}
