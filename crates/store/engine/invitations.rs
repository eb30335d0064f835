//! The `invitations` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, ExposeSecret, SecretString, Timestamp, TokenDigest};
use store::{Invitation, Invitations, NewInvitation, Result};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id};

/// Gives out a link within a transaction.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    account: AccountId,
    invitation: &NewInvitation,
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM invitations WHERE account_id = $1 AND used_at IS NULL",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!(
        "INSERT INTO invitations (digest, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        invitation.digest.as_bytes(),
        account.uuid(),
        now.as_millis(),
        invitation.expires_at.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

/// Withdraws what somebody could still set a password with, within a transaction.
pub(crate) async fn withdraw(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    sqlx::query!(
        "DELETE FROM invitations WHERE account_id = $1 AND used_at IS NULL",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl Invitations for Engine {
    async fn invite(&self, account: AccountId, invitation: &NewInvitation, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Takes the account's row, so that a disabling at the same moment comes before or after, not between.
        let usable = sqlx::query!(
            "UPDATE accounts SET updated_at = $2
             WHERE id = $1 AND status <> 'disabled' AND service_since IS NULL",
            account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if usable.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        add(&mut tx, account, invitation, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn invitation(&self, digest: &TokenDigest) -> Result<Option<Invitation>> {
        let row = sqlx::query!(
            r#"SELECT account_id AS "account_id: Uuid", expires_at, used_at FROM invitations WHERE digest = $1"#,
            digest.as_bytes()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(|row| Invitation {
            account: id(row.account_id),
            expires_at: Timestamp::from_millis(row.expires_at),
            used_at: row.used_at.map(Timestamp::from_millis),
        }))
    }

    async fn redeem_invitation(
        &self,
        digest: &TokenDigest,
        password_hash: &SecretString,
        now: Timestamp,
    ) -> Result<Option<AccountId>> {
        let mut tx = self.begin().await?;
        let used = sqlx::query_scalar!(
            r#"UPDATE invitations SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2
               RETURNING account_id AS "account_id!: Uuid""#,
            digest.as_bytes(),
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(account) = used.map(id::<AccountId>) else {
            tx.give_up().await?;
            return Ok(None);
        };
        let set = sqlx::query!(
            "UPDATE accounts SET password_hash = $2, status = 'active', updated_at = $3
             WHERE id = $1 AND status <> 'disabled'",
            account.uuid(),
            password_hash.expose_secret(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if set.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(None);
        }
        crate::sessions::end_all(&mut tx, account, None, now).await?;
        tx.change(Change::AccountChanged { account }, now).await?;
        tx.commit().await?;
        Ok(Some(account))
    }
}
