//! Company sign-ins that are under way: what a browser has to show when it comes back from a provider.

use std::time::Duration;

use async_trait::async_trait;
use model::{SessionId, Timestamp};

use crate::error::Result;

/// A sign-in that leaves for a provider.
#[derive(Clone, Debug)]
pub struct NewSignIn {
    /// SHA-256 of the `state` that the provider gives back.
    pub state: [u8; 32],
    /// SHA-256 of the cookie of the browser that begins it.
    pub browser: [u8; 32],
    /// What the configuration calls the provider.
    pub provider: String,
    /// What is kept of it.
    pub kept: UnderWay,
    /// Until when the browser may come back.
    pub expires_at: Timestamp,
}

/// What is kept of a sign-in until the browser comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The page that comes then.
    pub onward: String,
    /// Its query.
    pub query: String,
    /// The session of somebody who links an identity to their account; none for a sign-in.
    pub session: Option<SessionId>,
    /// How old the proof at the provider may be, in whole seconds.
    pub max_age: Option<Duration>,
    /// When it began.
    pub begun_at: Timestamp,
}

/// The `sign_ins` table.
#[async_trait]
pub trait SignIns {
    /// Keeps a sign-in that leaves.
    async fn begin_sign_in(&self, sign_in: &NewSignIn) -> Result<()>;
    /// Takes a sign-in that comes back: once, in the browser that began it, from the provider it left for, in time.
    /// `None` otherwise; what another browser shows stays for the right one.
    async fn take_sign_in(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        provider: &str,
        now: Timestamp,
    ) -> Result<Option<UnderWay>>;
}
