//! The `passkeys` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, PasskeyId, SessionId, Timestamp};
use store::{Passkey, Passkeys, Result};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{failed, id};

#[async_trait]
impl Passkeys for Engine {
    async fn add_passkey(&self, passkey: &Passkey, most: u32, session: SessionId) -> Result<bool> {
        let mut tx = self.begin().await?;
        // One after the other, or two at once would both be the last.
        tx.serialize().await?;
        let added = sqlx::query!(
            "INSERT INTO passkeys (id, account_id, credential, passkey, name, created_at)
             SELECT $1, id, $3, $4, $5, $6 FROM accounts
             WHERE id = $2 AND status = 'active' AND (SELECT COUNT(*) FROM passkeys WHERE account_id = $2) < $7
                   AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = $8 AND account_id = $2 AND ended_at IS NULL)
             ON CONFLICT (credential) DO NOTHING",
            passkey.id.uuid(),
            passkey.account.uuid(),
            passkey.credential,
            passkey.passkey,
            passkey.name,
            passkey.created_at.as_millis(),
            i64::from(most),
            session.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::sessions::end_all(&mut tx, passkey.account, Some(session), passkey.created_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn passkeys_of(&self, account: AccountId) -> Result<Vec<Passkey>> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id: Uuid", credential, passkey, name, created_at, last_used_at, uses
               FROM passkeys WHERE account_id = $1 ORDER BY created_at, id"#,
            account.uuid()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let passkeys = rows.into_iter().map(|row| Passkey {
            id: id(row.id),
            account,
            credential: row.credential,
            passkey: row.passkey,
            name: row.name,
            created_at: Timestamp::from_millis(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            uses: row.uses,
        });
        Ok(passkeys.collect())
    }

    async fn passkey_used(&self, id: PasskeyId, before: i64, passkey: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let used = sqlx::query!(
            "UPDATE passkeys SET passkey = $3, last_used_at = $4, uses = uses + 1 WHERE id = $1 AND uses = $2",
            id.uuid(),
            before,
            passkey,
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(used.rows_affected() == 1)
    }

    async fn name_passkey(&self, id: PasskeyId, account: AccountId, name: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let named = sqlx::query!(
            "UPDATE passkeys SET name = $3 WHERE id = $1 AND account_id = $2",
            id.uuid(),
            account.uuid(),
            name
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(named.rows_affected() == 1)
    }

    async fn remove_passkey(
        &self,
        id: PasskeyId,
        account: AccountId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Changes of an account's factors come one after the other: each looks at what the others left.
        tx.serialize().await?;
        let removed = sqlx::query!(
            "DELETE FROM passkeys WHERE id = $1 AND account_id = $2",
            id.uuid(),
            account.uuid()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if removed.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::factors::lost_one(&mut tx, account, Some(session), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
