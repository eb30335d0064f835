//! Signing in without a browser here (RFC 8628): a code is shown, and the person answers from a browser of their own.

use std::time::Duration;

use relying::device_authorization::{Answered, DeviceAuthorization};
use relying::oauth_client::{ClientError, Identity, OAuthClient, Tokens};

use super::asking::Asking;
use super::{LoginError, Screen};
use crate::callback::Callback;
use crate::session::Session;

/// How long each question may stay open: less than what stands between gives up after.
const WAIT: Duration = Duration::from_secs(20);
/// What the pause grows by when it was too short (RFC 8628 section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// Shows the person a code, and waits for their answer.
pub(super) async fn authorize(asking: &Asking<'_>, screen: &impl Screen) -> Result<Session, LoginError> {
    let patience = asking.login.patience;
    let late = || LoginError::Late(patience.as_secs());
    tokio::time::timeout(patience, asked(asking, screen))
        .await
        .unwrap_or_else(|_| Err(late()))
}

async fn asked(asking: &Asking<'_>, screen: &impl Screen) -> Result<Session, LoginError> {
    let (found, world) = (asking.found, &asking.around.world);
    if !asking.offers_codes() {
        return Err(LoginError::NoDevice(found.issuer.clone()));
    }
    let oauth = asking.oauth(Vec::new());
    // One that was registered for browsers alone is of no use here.
    let before = asking.client_before()?.filter(|before| before.device);
    // One client for both ways in: this is where the answer comes in the other one.
    let redirect_uri = match before.as_ref().and_then(|before| before.redirect_uri.clone()) {
        Some(known) => known,
        None => Callback::another_time().await.map_err(LoginError::Listen)?,
    };
    let was_known = before.is_some();
    let mut client = asking.client(before, &redirect_uri, &oauth).await?;
    let mut begun = oauth.authorize_device(&client.identity, &machine(), world).await;
    if was_known && matches!(&begun, Err(ClientError::Client(_))) {
        // It was registered here before, and is not known there any more.
        asking.forget_client()?;
        client = asking.client(None, &redirect_uri, &oauth).await?;
        begun = oauth.authorize_device(&client.identity, &machine(), world).await;
    }
    let codes = begun.map_err(|error| LoginError::NoCode {
        issuer: found.issuer.clone(),
        error,
    })?;
    let page = codes.complete.as_ref().unwrap_or(&codes.verification_uri);
    asking.counts()?;
    screen.shows_code(&codes.user_code, &codes.verification_uri, page);
    let tokens = answer(&oauth, &client.identity, &codes, asking).await?;
    Ok(asking.session(client, tokens))
}

/// Asks until there is an answer. Whoever waits for the rest sees to it that this ends.
async fn answer(
    oauth: &OAuthClient,
    identity: &Identity,
    codes: &DeviceAuthorization,
    asking: &Asking<'_>,
) -> Result<Tokens, LoginError> {
    let world = &asking.around.world;
    let refused = |text: &str| Err(LoginError::Refused(text.to_owned()));
    let (begun, mut pause) = (world.elapsed(), codes.poll_every);
    loop {
        let asked = world.elapsed();
        let answered = oauth.poll_device(identity, &codes.device_code, WAIT, world).await;
        let answered = match answered {
            // The code was good when it was shown, and has not run out.
            Err(ClientError::Refused(_)) => {
                return refused(
                    "the code is used up, and what came for it was lost, as happens to a machine that sleeps meanwhile; sign in again",
                );
            }
            other => other.map_err(|error| asking.failed(error))?,
        };
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
