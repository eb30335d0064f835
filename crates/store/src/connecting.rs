//! People who are at a provider to connect an account: what a browser has to show when it comes back.

use async_trait::async_trait;
use model::{ServerName, SessionId, Timestamp};

use crate::error::Result;

/// Somebody who leaves for a provider.
#[derive(Clone, Debug)]
pub struct NewConnecting {
    /// SHA-256 of the `state` that the provider gives back.
    pub state: [u8; 32],
    /// SHA-256 of the cookie of the browser that begins it.
    pub browser: [u8; 32],
    /// What the configuration calls the provider.
    pub connector: ServerName,
    /// Whose session it is begun in.
    pub session: SessionId,
    /// The approval that waits for it, sealed, if one does.
    pub approved: Option<String>,
    /// What was found out about the provider, if anything was: it comes back to that one.
    pub found: Option<String>,
    /// Until when the browser may come back.
    pub expires_at: Timestamp,
}

/// Somebody who is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenConnecting {
    /// Whose session it was begun in.
    pub session: SessionId,
    /// The approval that waits for it.
    pub approved: Option<String>,
    /// What was found out about the provider when it was begun.
    pub found: Option<String>,
}

/// The `connecting` table.
#[async_trait]
pub trait Connecting {
    /// Keeps who leaves.
    async fn begin_connecting(&self, connecting: &NewConnecting) -> Result<()>;
    /// Takes who comes back: once, in the browser that began it, from the provider it left for, in time.
    /// `None` otherwise, and what another browser shows stays for the right one.
    async fn take_connecting(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        connector: &ServerName,
        now: Timestamp,
    ) -> Result<Option<TakenConnecting>>;
}
