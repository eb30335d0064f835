//! Signing in without a browser here (RFC 8628): a code is shown, and the person answers from a browser of their own.

use std::time::Duration;

use relying::device_authorization::{Answered, DeviceAuthorization};
use relying::oauth_client::{ClientError, Endpoints, Identity, OAuthClient, Tokens};

use super::authorization::{session_of, wanted_scope};
use super::{Login, LoginError, Screen, Surroundings};
use crate::callback::Callback;
use crate::discovery::Discovered;
use crate::registration;
use crate::session::{self, Session};
use crate::token_store::TokenStore;

/// How long each question may stay open: less than what stands between gives up after.
const WAIT: Duration = Duration::from_secs(20);
/// What the pause grows by when it was too short (RFC 8628 section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// Whether the authorization server offers it.
pub(super) fn is_offered(found: &Discovered) -> bool {
    let endpoint = Endpoints::read(&found.metadata, &found.issuer).map(|known| known.device_authorization);
    matches!(endpoint, Ok(Some(_)))
}

/// Shows the person a code, and waits for their answer.
pub(super) async fn authorize(
    login: &Login,
    found: &Discovered,
    store: &TokenStore,
    around: &Surroundings,
    screen: &impl Screen,
) -> Result<Session, LoginError> {
    let answered = asked(login, found, store, around, screen);
    let late = || LoginError::Late(login.patience.as_secs());
    tokio::time::timeout(login.patience, answered)
        .await
        .unwrap_or_else(|_| Err(late()))
}

async fn asked(
    login: &Login,
    found: &Discovered,
    store: &TokenStore,
    Surroundings { world, http, .. }: &Surroundings,
    screen: &impl Screen,
) -> Result<Session, LoginError> {
    let failed = |error| LoginError::Tokens {
        issuer: found.issuer.clone(),
        error,
    };
    let endpoints = Endpoints::read(&found.metadata, &found.issuer).map_err(failed)?;
    if endpoints.device_authorization.is_none() {
        return Err(LoginError::NoDevice(found.issuer.clone()));
    }
    let scope = wanted_scope(login.scope.as_deref().or(found.scope.as_deref()), &found.metadata);
    let oauth = session::oauth(
        endpoints.clone(),
        found.resource.as_deref(),
        &scope,
        Vec::new(),
        http,
    );
    // One that was registered for browsers alone is of no use here.
    let before = registration::kept(store, &found.issuer)?.filter(|before| before.device);
    // One client for both ways in: this is where the answer comes in the other one.
    let redirect_uri = match before.as_ref().and_then(|before| before.redirect_uri.clone()) {
        Some(known) => known,
        None => Callback::another_time().await.map_err(LoginError::Listen)?,
    };
    let beside = (store, &oauth, &endpoints);
    let was_known = before.is_some();
    let mut client = registration::client(&login.client, before, &redirect_uri, beside, world).await?;
    let mut begun = oauth.authorize_device(&client.identity, &machine(), world).await;
    if was_known && matches!(&begun, Err(ClientError::Client(_))) {
        // It was registered here before, and is not known there any more.
        registration::forget(store, &found.issuer)?;
        client = registration::client(&login.client, None, &redirect_uri, beside, world).await?;
        begun = oauth.authorize_device(&client.identity, &machine(), world).await;
    }
    let codes = begun.map_err(|error| LoginError::NoCode {
        issuer: found.issuer.clone(),
        error,
    })?;
    let page = codes.complete.as_ref().unwrap_or(&codes.verification_uri);
    screen.shows_code(&codes.user_code, &codes.verification_uri, page);
    let tokens = answer(&oauth, &client.identity, &codes, world, found).await?;
    Ok(session_of(found, client, endpoints, scope, tokens, world))
}

/// Asks until there is an answer. Whoever waits for the rest sees to it that this ends.
async fn answer(
    oauth: &OAuthClient,
    identity: &Identity,
    codes: &DeviceAuthorization,
    world: &model::World,
    found: &Discovered,
) -> Result<Tokens, LoginError> {
    let refused = |text: &str| Err(LoginError::Refused(text.to_owned()));
    let (begun, mut pause) = (world.elapsed(), codes.poll_every);
    loop {
        let asked = world.elapsed();
        let answered = oauth.poll_device(identity, &codes.device_code, WAIT, world).await;
        let answered = answered.map_err(|error| LoginError::Tokens {
            issuer: found.issuer.clone(),
            error,
        })?;
        match answered {
            Answered::Tokens(tokens) => return Ok(*tokens),
            Answered::Denied => return refused("the sign-in was declined"),
            Answered::Expired => return refused("nobody answered in time"),
            Answered::Pending => {}
            Answered::SlowDown => pause += SLOWER_BY,
            // Less often, as section 3.5 wants it of whoever gets no answer.
            Answered::NoAnswer(_) => pause = (pause * 2).min(Duration::from_mins(1)),
        }
        if world.elapsed().saturating_sub(begun) >= codes.lives {
            return refused("nobody answered in time");
        }
        // From the beginning of the question: one that was kept open has waited already.
        let spent = world.elapsed().saturating_sub(asked);
        tokio::time::sleep(pause.saturating_sub(spent)).await;
    }
}

/// What the person is told of who asks, so that they know their own machine.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = name.trim().chars().filter(plain).take(60).collect();
    match name.as_str() {
        "" => format!("Vestibule command line ({})", std::env::consts::OS),
        name => format!("Vestibule command line on {name} ({})", std::env::consts::OS),
    }
}
