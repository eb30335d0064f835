//! Recovery codes: each lets its owner in once when every other factor is lost.

use async_trait::async_trait;
use model::{AccountId, Timestamp};

use crate::error::Result;

/// The `recovery_codes` table.
#[async_trait]
pub trait RecoveryCodes {
    /// Puts these in place of all that the account has; only for an account with a passkey or a TOTP secret, since without
    /// one they are of no use. `false` if it has none.
    async fn replace_recovery_codes(
        &self,
        account: AccountId,
        digests: &[[u8; 32]],
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes a code, once.
    async fn use_recovery_code(&self, account: AccountId, digest: &[u8; 32], now: Timestamp) -> Result<bool>;
}
