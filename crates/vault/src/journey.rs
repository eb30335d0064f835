//! The way to a provider and back, in the browser of whoever connects: authorization code with PKCE.
//!
//! Who leaves is one row, which the browser that began it can take once, at the address of the provider that it left for.
//! The verifier is made from the state and that browser's cookie, so that nothing lies anywhere with which a code could be
//! redeemed. Nothing that comes back is believed before the row was taken.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use model::{ExposeSecret as _, SessionId};
use relying::oauth_client::ClientError;
use store::{ConnectionKind, NewConnecting, StoreError, TakenConnecting};
use thiserror::Error;

use crate::connections::Connections;
use crate::connector::Connector;
use crate::credential::{Credential, Secrets};
use crate::guarded_server::Guard;
use crate::linking::{ConnectError, Owner};
use crate::renewal::renew_at;
use crate::upstream_client::Errand;
use crate::who_am_i::UpstreamAccount;

/// How long somebody may be at the provider.
const AWAY: Duration = Duration::from_mins(15);
/// The length of a `state`: 32 bytes in Base64.
const STATE: usize = 43;

/// Who leaves.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// The cookie of the browser.
    pub browser: &'a str,
    /// The session of the person.
    pub session: SessionId,
    /// Where the provider sends it back to.
    pub redirect_uri: &'a str,
    /// The approval that waits for it, sealed, if one does.
    pub approved: Option<&'a str>,
}

/// What the browser is back with.
#[derive(Clone, Copy, Debug)]
pub struct Back<'a> {
    /// The cookie of the browser.
    pub browser: &'a str,
    /// As when it left.
    pub redirect_uri: &'a str,
    /// `state`.
    pub state: &'a str,
    /// `code`.
    pub code: &'a str,
    /// `iss`.
    pub iss: Option<&'a str>,
    /// What was found out when it left, from its row.
    pub found: Option<&'a str>,
}

/// Why nobody leaves.
#[derive(Debug, Error)]
pub enum LeaveError {
    /// The connector has no such way.
    #[error("this provider's accounts are not connected in the browser")]
    NotOffered,
    /// The provider cannot be asked.
    #[error(transparent)]
    Provider(#[from] ClientError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Connections {
    /// Begins; gives where the browser goes.
    pub async fn leave(&self, connector: &Connector, leaving: &Leaving<'_>) -> Result<String, LeaveError> {
        let oauth = connector.oauth.as_ref().ok_or(LeaveError::NotOffered)?;
        let now = self.world.now();
        let state = BASE64URL_NOPAD.encode(&self.world.random::<32>());
        let challenge = BASE64URL_NOPAD.encode(&sha256(verifier(&state, leaving.browser).as_bytes()));
        // Asked before anything is kept: where nobody answers, nobody leaves.
        let (client, guard) = oauth.find(now).await?;
        let known = self
            .known_as(connector, (oauth, &client), Errand::Leaving)
            .await?;
        let url = client
            .authorization_url(&known.identity, leaving.redirect_uri, &state, &challenge, now)
            .await?;
        self.store
            .begin_connecting(&NewConnecting {
                state: sha256(state.as_bytes()),
                browser: sha256(leaving.browser.as_bytes()),
                connector: connector.name.clone(),
                session: leaving.session,
                approved: leaving.approved.map(str::to_owned),
                found: guard.as_ref().map(Guard::write),
                expires_at: now + AWAY,
            })
            .await?;
        Ok(url.into())
    }

    /// Takes who is back, once. What cannot be of ours is not looked up.
    pub async fn take(
        &self,
        connector: &Connector,
        browser: &str,
        state: &str,
    ) -> Result<Option<TakenConnecting>, StoreError> {
        if browser.is_empty() || state.len() != STATE {
            return Ok(None);
        }
        let (state, browser) = (sha256(state.as_bytes()), sha256(browser.as_bytes()));
        self.store
            .take_connecting(&state, &browser, &connector.name, self.world.now())
            .await
    }

    /// Redeems what the browser is back with, and keeps it if it is theirs.
    pub async fn arrive(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        back: &Back<'_>,
    ) -> Result<UpstreamAccount, ConnectError> {
        let arrived = self.redeem_and_keep(owner, connector, back).await;
        if let Err(error) = &arrived {
            self.record_refusal(owner, connector, error);
        }
        arrived
    }

    async fn redeem_and_keep(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        back: &Back<'_>,
    ) -> Result<UpstreamAccount, ConnectError> {
        let oauth = connector.oauth.as_ref().ok_or(ConnectError::NotOffered)?;
        let guard = back.found.and_then(Guard::read);
        let client = oauth.known(guard.as_ref())?;
        client.check_issuer(back.iss, self.world.now()).await?;
        let verifier = verifier(back.state, back.browser);
        let known = self.known_as(connector, (oauth, &client), Errand::Back).await?;
        let tokens = client
            .redeem(
                &known.identity,
                back.code,
                back.redirect_uri,
                &verifier,
                &self.world,
            )
            .await;
        if let Err(error) = &tokens {
            self.unless_known(&known, error).await;
        }
        let tokens = tokens?;
        let now = self.world.now();
        let credential = Credential::new(tokens.access_token.clone(), None);
        let who = connector.whose.ask(&connector.client, &credential).await?;
        self.prove(owner.account, connector, &who).await?;
        let secrets = Secrets {
            place: connector.place.clone(),
            guard,
            token: tokens.access_token.expose_secret().to_owned(),
            refresh_token: tokens
                .refresh_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
        };
        let ends = tokens.lives.map(|lives| (now + lives, renew_at(now, lives)));
        self.keep(owner, connector, (ConnectionKind::OAuth, ends), &secrets, &who)
            .await?;
        Ok(who)
    }
}

/// Nobody knows it who does not have the cookie.
fn verifier(state: &str, browser: &str) -> String {
    let text = format!("connecting verifier\0{state}\0{browser}");
    BASE64URL_NOPAD.encode(&sha256(text.as_bytes()))
}
