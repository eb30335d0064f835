//! Signing in: one request, one browser tab, one answer (OAuth 2.1 section 4.1, RFC 8252).

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use model::World;
use net::Operators;
use protocol::jwt::Compact;
use relying::oauth_client::{ClientError, Endpoints, Tokens};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::callback::{Arrival, Callback};
use crate::home::{Home, HomeError, Known};
use crate::registration::{self, Configured, RegistrationError, printable};
use crate::session::{self, Client, Session};
use crate::token_store::{Kind, TokenStore, TokenStoreError};
use crate::tokens::{TokenError, kept, renewing, session_name};
use crate::way::{Found, Way, WayError, find};

/// What is said to the person meanwhile.
pub trait Screen: Send + Sync {
    /// The address to open. Gives whether a browser was opened with it.
    fn open(&self, url: &Url) -> bool;
    /// Another command is signing in to the same server: this one waits for it.
    fn waits(&self);
    /// What was pasted is no address that a browser was sent to.
    fn is_no_answer(&self);
    /// An address that somebody pasted because the browser could not come back here; never, if nobody can.
    fn pasted(&self) -> impl Future<Output = String> + Send;
}

/// How to sign in.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// What is said of the client.
    pub client: Configured,
    /// What to ask for, in place of what the server says.
    pub scope: Option<String>,
    /// Where tokens are to lie.
    pub store: Option<Kind>,
    /// As somebody else than the browser is signed in as (`prompt=login`).
    pub as_other_user: bool,
    /// How long to wait for the person.
    pub patience: Duration,
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
    /// No way was found.
    #[error(transparent)]
    Way(#[from] WayError),
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
    /// The server names another authorization server than the one that the client was made at (MA-108, MA-110).
    #[error("the server's tokens come from {0}, and not from the issuer that the client is of")]
    OtherIssuer(String),
    /// What was there before.
    #[error(transparent)]
    Before(#[from] TokenError),
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
}

/// Signs in to a server.
pub async fn login(
    login: &Login,
    server: &Url,
    around: &Surroundings,
    screen: &impl Screen,
) -> Result<Outcome, LoginError> {
    let Surroundings { home, world, http } = around;
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
    let Found::Guarded(way) = find(http, server).await? else {
        return Ok(Outcome::Open);
    };
    let Configured { issuer, .. } = &login.client;
    if issuer.as_ref().is_some_and(|issuer| *issuer != way.issuer) {
        return Err(LoginError::OtherIssuer(way.issuer));
    }
    let store = TokenStore::choose(login.store, home, world)?;
    let (session, username) = authorize(login, &way, &store, around, screen).await?;
    // Whoever renews or ends what was there does it before or after, not meanwhile.
    let _renewing = renewing(home, server).await?;
    let old = kept(server, around).ok();
    store.put(&session_name(server), &session.to_text())?;
    let known = Known {
        url: server.clone(),
        issuer: way.issuer.clone(),
        username,
        store: store.kind(),
        signed_in_at: world.now(),
    };
    home.remember(known.clone()).await?;
    if let Some((_, old_store, old)) = old {
        if old_store.kind() != store.kind() {
            let _ = old_store.remove(&session_name(server));
        }
        // What nobody holds any more is good for nobody; whether it could be told is of no matter to who signs in.
        let _ = old.revoke(around).await;
    }
    drop(turn);
    Ok(Outcome::SignedIn(known))
}

async fn authorize(
    login: &Login,
    way: &Way,
    store: &TokenStore,
    Surroundings { world, http, .. }: &Surroundings,
    screen: &impl Screen,
) -> Result<(Session, Option<String>), LoginError> {
    let failed = |error| LoginError::Tokens {
        issuer: way.issuer.clone(),
        error,
    };
    let state = BASE64URL_NOPAD.encode(&world.random::<24>());
    let verifier = BASE64URL_NOPAD.encode(&world.random::<32>());
    let before = registration::kept(store, &way.issuer)?;
    let mut callback = listen(before.as_ref(), &state)
        .await
        .map_err(LoginError::Listen)?;
    let redirect_uri = callback.redirect_uri().to_owned();
    let endpoints = Endpoints::read(&way.metadata, &way.issuer).map_err(failed)?;
    let scope = wanted_scope(login.scope.as_deref().or(way.scope.as_deref()), &way.metadata);
    let mut parameters = Vec::new();
    if login.as_other_user {
        parameters.push(("prompt".to_owned(), "login".to_owned()));
    }
    let oauth = session::oauth(endpoints.clone(), &way.resource, &scope, parameters, http);
    let beside = (store, &oauth, &endpoints);
    let client = registration::client(&login.client, before, &redirect_uri, beside, world).await?;
    let identity = client.identity();
    let challenge = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
    let url = oauth
        .authorization_url(&identity, &redirect_uri, &state, &challenge, world.now())
        .await;
    screen.open(&url.map_err(failed)?);

    let answered = async {
        tokio::select! {
            arrival = callback.arrival() => arrival,
            arrival = pasted(screen) => arrival,
        }
    };
    let arrival = tokio::time::timeout(login.patience, answered).await;
    let Ok(arrival) = arrival else {
        // A server that does not know this client any more shows a page that says so, and nobody comes back.
        registration::forget(store, &way.issuer)?;
        return Err(LoginError::Late(login.patience.as_secs()));
    };
    let code = code_of(arrival, way, &state, endpoints.names_issuer);
    callback.close().await;
    let redeemed = oauth
        .redeem(&identity, &code?, &redirect_uri, &verifier, world)
        .await;
    if matches!(&redeemed, Err(ClientError::Client(_))) {
        // It was registered here before, and is not known there any more.
        registration::forget(store, &way.issuer)?;
    }
    let tokens = redeemed.map_err(failed)?;
    let username = username(&tokens, way, &client);
    let mut session = Session {
        resource: way.resource.clone(),
        issuer: way.issuer.clone(),
        client,
        token_endpoint: endpoints.token,
        revocation_endpoint: endpoints.revocation,
        scope: Some(scope).filter(|scope| !scope.is_empty()),
        access_token: tokens.access_token.clone(),
        expires_at: None,
        refresh_token: None,
    };
    session.renewed(tokens, world);
    Ok((session, username))
}

/// What somebody pastes that is an answer at all.
async fn pasted(screen: &impl Screen) -> Arrival {
    loop {
        if let Some(arrival) = Arrival::pasted(&screen.pasted().await) {
            return arrival;
        }
        screen.is_no_answer();
    }
}

/// Where the client that is registered already listens, if that is free.
async fn listen(before: Option<&Client>, state: &str) -> std::io::Result<Callback> {
    let port = before
        .and_then(|before| before.redirect_uri.as_deref())
        .and_then(|uri| Url::parse(uri).ok()?.port());
    match Callback::listen(port, state).await {
        Err(_) if port.is_some() => Callback::listen(None, state).await,
        outcome => outcome,
    }
}

/// What the server wants, and what the authorization server offers beside it: to renew (MA-132), and to say who it is.
fn wanted_scope(wanted: Option<&str>, metadata: &Value) -> String {
    let mut scopes: Vec<&str> = wanted.unwrap_or_default().split_whitespace().collect();
    if let Some(offered) = metadata["scopes_supported"].as_array() {
        for name in ["offline_access", "openid", "profile"] {
            if offered.iter().any(|scope| scope == name) && !scopes.contains(&name) {
                scopes.push(name);
            }
        }
    }
    scopes.join(" ")
}

/// The code of the answer, once it is known whose answer it is (MA-115, MA-118, MA-119).
fn code_of(arrival: Arrival, way: &Way, state: &str, names_issuer: bool) -> Result<String, LoginError> {
    if arrival.state.as_deref() != Some(state) {
        return Err(LoginError::NotAnswer);
    }
    match &arrival.iss {
        Some(iss) if *iss == way.issuer => {}
        None if !names_issuer => {}
        _ => return Err(LoginError::MixUp),
    }
    match (arrival.code, arrival.error) {
        (_, Some(error)) if error == "access_denied" => {
            Err(LoginError::Refused("the sign-in was declined".to_owned()))
        }
        (_, Some(error)) => {
            let word = printable(&error);
            Err(LoginError::Refused(format!("{} answered {word}", way.issuer)))
        }
        (Some(code), None) => Ok(code),
        (None, None) => Err(LoginError::NotAnswer),
    }
}

/// What the person is called, as the token endpoint says over its own connection (OpenID Connect Core section 3.1.3.7,
/// step 6). It is shown, and decides nothing.
fn username(tokens: &Tokens, way: &Way, client: &Client) -> Option<String> {
    use model::ExposeSecret as _;
    let id_token = tokens.id_token.as_ref()?;
    let parsed = Compact::parse(id_token.expose_secret()).ok()?;
    let claims: Value = serde_json::from_slice(&parsed.payload).ok()?;
    let is_ours = claims["iss"] == *way.issuer
        && (claims["aud"] == *client.id
            || claims["aud"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| *one == *client.id)));
    let name = ["preferred_username", "email", "name", "sub"]
        .into_iter()
        .find_map(|claim| claims[claim].as_str());
    name.filter(|_| is_ours).map(printable)
}

/// Opens a browser without a shell in between (MA-153), if there is one here.
pub fn open_browser(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && open::that_detached(url.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn way() -> Way {
        Way {
            resource: "https://gw.test/mcp/a".to_owned(),
            issuer: "https://gw.test".to_owned(),
            scope: None,
            metadata: Value::Null,
        }
    }

    fn arrival(iss: Option<&str>, code: Option<&str>, error: Option<&str>) -> Arrival {
        Arrival {
            state: Some("s".to_owned()),
            iss: iss.map(str::to_owned),
            code: code.map(str::to_owned),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn ma_115_ma_118_ma_119_an_answer_is_of_whoever_was_asked() {
        let code = |arrival, names| code_of(arrival, &way(), "s", names);
        assert_eq!(
            code(arrival(Some("https://gw.test"), Some("c"), None), true).unwrap(),
            "c"
        );
        assert_eq!(code(arrival(None, Some("c"), None), false).unwrap(), "c");
        assert!(matches!(
            code(arrival(None, Some("c"), None), true),
            Err(LoginError::MixUp)
        ));
        for iss in ["https://gw.test/", "https://GW.test", "https://evil.test"] {
            for names in [true, false] {
                let error = code(arrival(Some(iss), None, Some("evil words")), names).unwrap_err();
                assert!(matches!(error, LoginError::MixUp), "{iss}");
                assert!(!error.to_string().contains("evil"));
            }
        }
        let other = Arrival {
            state: Some("t".to_owned()),
            ..arrival(Some("https://gw.test"), Some("c"), None)
        };
        assert!(matches!(code(other, true), Err(LoginError::NotAnswer)));
        let denied = code(
            arrival(Some("https://gw.test"), None, Some("access_denied")),
            true,
        );
        assert!(matches!(denied, Err(LoginError::Refused(_))));
    }

    #[test]
    fn ma_132_to_renew_is_asked_for_where_it_is_offered() {
        let offered = json!({ "scopes_supported": ["mcp", "offline_access", "openid"] });
        assert_eq!(wanted_scope(Some("mcp"), &offered), "mcp offline_access openid");
        assert_eq!(
            wanted_scope(Some("mcp"), &json!({ "scopes_supported": ["mcp"] })),
            "mcp"
        );
        assert_eq!(wanted_scope(None, &json!({})), "");
    }
}
