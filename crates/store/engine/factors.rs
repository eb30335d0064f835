//! All factors of an account at once, and what happens when one is gone.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, SessionId, Timestamp};
use store::Result;
use store::factors::{AllFactors, Factors};

use crate::db::{Engine, Tx};
use crate::rows::failed;

/// After a factor is gone within a transaction: recovery codes stand in for another factor and go with the last one, and
/// who is signed in by what is gone is signed in no more.
pub(crate) async fn lost_one(
    tx: &mut Tx<'_>,
    account: AccountId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM recovery_codes
         WHERE account_id = $1 AND NOT EXISTS (SELECT 1 FROM passkeys WHERE account_id = $1)
               AND NOT EXISTS (SELECT 1 FROM totp_secrets WHERE account_id = $1)",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    crate::sessions::end_all(tx, account, keep, now).await
}

#[async_trait]
impl AllFactors for Engine {
    async fn factors_of(&self, account: AccountId) -> Result<Factors> {
        let row = sqlx::query!(
            r#"SELECT (SELECT COUNT(*) FROM passkeys WHERE account_id = $1) AS "passkeys!: i64",
                      (SELECT COUNT(*) FROM totp_secrets WHERE account_id = $1) AS "totp!: i64",
                      (SELECT COUNT(*) FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL) AS "codes!: i64""#,
            account.uuid()
        )
        .fetch_one(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(Factors {
            passkeys: u64::try_from(row.passkeys).unwrap_or(0),
            totp: row.totp > 0,
            recovery_codes: u64::try_from(row.codes).unwrap_or(0),
        })
    }

    async fn reset_factors(&self, account: AccountId, now: Timestamp) -> Result<Option<Factors>> {
        let mut tx = self.begin().await?;
        // Changes of an account's factors come one after the other: each looks at what the others left.
        tx.serialize().await?;
        let passkeys = sqlx::query!("DELETE FROM passkeys WHERE account_id = $1", account.uuid())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        let totp = sqlx::query!("DELETE FROM totp_secrets WHERE account_id = $1", account.uuid())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        let codes = sqlx::query!(
            "DELETE FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL",
            account.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        let had = Factors {
            passkeys: passkeys.rows_affected(),
            totp: totp.rows_affected() > 0,
            recovery_codes: codes.rows_affected(),
        };
        if had == Factors::default() {
            tx.give_up().await?;
            return Ok(None);
        }
        lost_one(&mut tx, account, None, now).await?;
        tx.commit().await?;
        Ok(Some(had))
    }
}
