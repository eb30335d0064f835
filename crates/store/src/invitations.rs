//! One-time links: a first sign-in, or a new password.

use async_trait::async_trait;
use model::{AccountId, SecretString, Timestamp, TokenDigest};

use crate::error::Result;

/// A link that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Whose it is.
    pub account: AccountId,
    /// Until when it can be opened.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// A link to be given out.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Of the token in the link.
    pub digest: TokenDigest,
    /// Until when it can be opened.
    pub expires_at: Timestamp,
}

/// The `invitations` table.
#[async_trait]
pub trait Invitations {
    /// Gives out a link; earlier unused ones of the account stop working. `false` if the account is
    /// unknown or disabled.
    async fn invite(&self, account: AccountId, invitation: &NewInvitation, now: Timestamp) -> Result<bool>;
    /// By digest.
    async fn invitation(&self, digest: &TokenDigest) -> Result<Option<Invitation>>;
    /// Uses a link: sets the password, makes an invited account active, ends its sessions. `None` if the
    /// link is unknown, used or too old, or the account disabled.
    async fn redeem_invitation(
        &self,
        digest: &TokenDigest,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> Result<Option<AccountId>>;
}
