//! The `recovery_codes` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Timestamp};
use store::{RecoveryCodes, Result};

use crate::db::Engine;
use crate::rows::failed;

#[async_trait]
impl RecoveryCodes for Engine {
    async fn replace_recovery_codes(
        &self,
        account: AccountId,
        digests: &[[u8; 32]],
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        // One after the other, so that two pages at once do not leave the codes of both.
        tx.serialize().await?;
        sqlx::query!("DELETE FROM recovery_codes WHERE account_id = $1", account.uuid())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        for digest in digests {
            let added = sqlx::query!(
                "INSERT INTO recovery_codes (account_id, digest, created_at)
                 SELECT id, $2, $3 FROM accounts
                 WHERE id = $1 AND status = 'active'
                       AND (EXISTS (SELECT 1 FROM passkeys WHERE passkeys.account_id = $1)
                            OR EXISTS (SELECT 1 FROM totp_secrets WHERE totp_secrets.account_id = $1))",
                account.uuid(),
                digest.as_slice(),
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            if added.rows_affected() == 0 {
                tx.give_up().await?;
                return Ok(false);
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn use_recovery_code(&self, account: AccountId, digest: &[u8; 32], now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let used = sqlx::query!(
            "UPDATE recovery_codes SET used_at = $3 WHERE account_id = $1 AND digest = $2 AND used_at IS NULL",
            account.uuid(),
            digest.as_slice(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(used.rows_affected() == 1)
    }
}
