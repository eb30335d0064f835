//! A place where people prove who they are, of whichever kind: the seam for a further one, which is a file beside
//! [`provider`](crate::provider) and [`github`](crate::github), and a case here.

use std::time::Duration;

use model::{Timestamp, World};
use net::Egress;
use url::Url;

use crate::github::GitHub;
use crate::kept::{Came, Kept, Renewed};
use crate::logout_token::{BadLogoutToken, LoggedOut};
use crate::profile::Profile;
use crate::provider::{OpenIdProvider, ProviderError};
use crate::relation::{Arrival, Departure};

/// Where people are sent.
#[derive(Debug)]
pub enum Upstream {
    /// An OpenID provider.
    OpenId(Box<OpenIdProvider>),
    /// GitHub, or a server of one's own.
    GitHub(Box<GitHub>),
}

impl Upstream {
    /// Its identifier, by which people from there are known.
    pub fn issuer(&self) -> &str {
        match self {
            Self::OpenId(provider) => &provider.relation.issuer,
            Self::GitHub(github) => &github.relation.issuer,
        }
    }

    /// What the way to it was made from.
    pub fn egress(&self) -> &Egress {
        match self {
            Self::OpenId(provider) => &provider.egress,
            Self::GitHub(github) => &github.egress,
        }
    }

    /// How far its clock may differ.
    pub fn leeway(&self) -> Duration {
        match self {
            Self::OpenId(provider) => provider.relation.leeway,
            Self::GitHub(_) => Duration::ZERO,
        }
    }

    /// Whether it can be asked, as far as that shows without anybody signing in.
    pub async fn examine(&self, now: Timestamp) -> Result<(), ProviderError> {
        match self {
            Self::OpenId(provider) => provider.metadata(now).await.map(|_| ()),
            Self::GitHub(github) => github.examine().await,
        }
    }

    /// Where the browser goes.
    pub async fn authorization_url(
        &self,
        departure: &Departure<'_>,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        match self {
            Self::OpenId(provider) => provider.authorization_url(departure, now).await,
            Self::GitHub(github) => github.authorization_url(departure, now).await,
        }
    }

    /// Checks whose answer it is, before anything else of it is looked at.
    pub async fn check_issuer(&self, iss: Option<&str>, now: Timestamp) -> Result<(), ProviderError> {
        match self {
            Self::OpenId(provider) => provider.check_issuer(iss, now).await,
            Self::GitHub(github) => github.check_issuer(iss),
        }
    }

    /// Redeems the code and says who came.
    pub async fn redeem(&self, arrival: &Arrival<'_>, world: &World) -> Result<Came, ProviderError> {
        match self {
            Self::OpenId(provider) => provider.redeem(arrival, world).await,
            Self::GitHub(github) => github.redeem(arrival, world).await,
        }
    }

    /// Whether it is asked again about people who signed in there.
    pub fn refreshes(&self) -> bool {
        match self {
            Self::OpenId(provider) => provider.relation.refresh,
            Self::GitHub(github) => github.relation.refresh,
        }
    }

    /// Asks again with what was kept. [`ProviderError::Code`] says that it does not count any more, and nothing else does.
    pub async fn renew(&self, kept: &Kept, world: &World) -> Result<Renewed, ProviderError> {
        match (self, kept) {
            (Self::OpenId(provider), Kept::Refresh(token)) => provider.renew(token, world).await,
            (Self::OpenId(_), Kept::Access(_)) => Err(ProviderError::Code("no refresh token".to_owned())),
            (Self::GitHub(github), kept) => github.renew(kept, world).await,
        }
    }

    /// Who somebody is now, of whom it is known who they are there.
    pub async fn look(
        &self,
        renewed: &Renewed,
        subject: &str,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        match self {
            Self::OpenId(provider) => provider.look(renewed, subject, now).await,
            Self::GitHub(github) => github.look(renewed, subject).await,
        }
    }

    /// Whose session there has ended, by a token that it sends.
    pub async fn logged_out(&self, token: &str, now: Timestamp) -> Result<LoggedOut, BadLogoutToken> {
        match self {
            Self::OpenId(provider) => provider.logged_out(token, now).await,
            // It sends none.
            Self::GitHub(_) => Err(BadLogoutToken::Issuer),
        }
    }

    /// Where a browser signs out there, if there is such a page.
    pub async fn sign_out_url(&self, now: Timestamp) -> Option<Url> {
        match self {
            Self::OpenId(provider) => provider.sign_out_url(now).await,
            Self::GitHub(_) => None,
        }
    }
}
