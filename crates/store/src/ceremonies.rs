//! Ceremonies: what has begun in a browser and has to be finished there, once, soon.

use async_trait::async_trait;
use model::{AccountId, Timestamp};

use crate::error::Result;

/// A ceremony that begins.
#[derive(Clone, Debug)]
pub struct NewCeremony {
    /// SHA-256 of the id that the page holds.
    pub id: [u8; 32],
    /// SHA-256 of the cookie of the browser that begins it.
    pub browser: [u8; 32],
    /// What it is, in a word.
    pub purpose: &'static str,
    /// What is kept of it.
    pub kept: Ceremony,
    /// Until when it can be finished.
    pub expires_at: Timestamp,
}

/// What is kept of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// Whose it is, if that is known.
    pub account: Option<AccountId>,
    /// What only its purpose understands.
    pub state: String,
}

/// Which ceremony is meant, and who shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// SHA-256 of its id.
    pub id: &'a [u8; 32],
    /// SHA-256 of the browser's cookie.
    pub browser: &'a [u8; 32],
    /// What it has to be.
    pub purpose: &'static str,
}

/// The `ceremonies` table.
#[async_trait]
pub trait Ceremonies {
    /// Keeps one that begins.
    async fn begin_ceremony(&self, ceremony: &NewCeremony) -> Result<()>;
    /// One that is under way in this browser, without taking it.
    async fn ceremony(&self, shown: Shown<'_>, now: Timestamp) -> Result<Option<Ceremony>>;
    /// Takes it: once, in the browser that began it, in time. What another browser shows stays for the right one.
    async fn take_ceremony(&self, shown: Shown<'_>, now: Timestamp) -> Result<Option<Ceremony>>;
}
