//! Refresh tokens: one chain per grant, which never forks (DEC-1).

use async_trait::async_trait;
use model::{GrantId, Timestamp, TokenDigest};

use crate::accounts::AccountView;
use crate::error::Result;
use crate::grants::Grant;

/// A member of a chain.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Of the token.
    pub digest: TokenDigest,
    /// Its chain.
    pub grant: GrantId,
    /// Its place in the chain, from 0.
    pub generation: i64,
    /// When it runs out if it is not used.
    pub expires_at: Timestamp,
    /// When it was replaced by its successor; the head of the chain was not.
    pub rotated_at: Option<Timestamp>,
    /// When an access token that came with it was first accepted.
    pub used_at: Option<Timestamp>,
    /// The successor, sealed under this token (CC-65).
    pub link: Option<Vec<u8>>,
}

/// A token to be appended to a chain.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// Of the token.
    pub digest: TokenDigest,
    /// When it runs out if it is not used.
    pub expires_at: Timestamp,
}

/// How a rotation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is now the head.
    Rotated,
    /// Somebody rotated it at the same moment: read again and deliver what they got.
    Lost,
}

/// The `refresh_tokens` table.
#[async_trait]
pub trait RefreshTokens {
    /// By digest, with its grant and whose that is.
    async fn refresh_token(&self, digest: &TokenDigest)
    -> Result<Option<(RefreshToken, Grant, AccountView)>>;
    /// The member of a chain at this place.
    async fn refresh_token_at(&self, grant: GrantId, generation: i64) -> Result<Option<RefreshToken>>;
    /// Replaces the head by a successor, which lies there sealed under it, once, while the grant lives.
    async fn rotate(
        &self,
        head: &RefreshToken,
        successor: &NewRefreshToken,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Rotation>;
    /// Counts a repeat and tells how many there have been.
    async fn count_repeat(&self, grant: GrantId) -> Result<i64>;
    /// Notes that access tokens were accepted, each as (grant, generation); written behind the calls.
    async fn mark_used(&self, uses: &[(GrantId, i64)], now: Timestamp) -> Result<()>;
}
