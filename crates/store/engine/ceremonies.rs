//! The `ceremonies` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Timestamp};
use store::ceremonies::Shown;
use store::{Ceremonies, Ceremony, NewCeremony, Result};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id};

/// Whatever an account was in the middle of is over, within a transaction.
pub(crate) async fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    sqlx::query!("DELETE FROM ceremonies WHERE account_id = $1", account.uuid())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl Ceremonies for Engine {
    async fn begin_ceremony(&self, ceremony: &NewCeremony) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO ceremonies (id, browser, purpose, account_id, state, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            ceremony.id.as_slice(),
            ceremony.browser.as_slice(),
            ceremony.purpose,
            ceremony.kept.account.map(Id::uuid),
            ceremony.kept.state,
            ceremony.expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn ceremony(&self, shown: Shown<'_>, now: Timestamp) -> Result<Option<Ceremony>> {
        let row = sqlx::query!(
            r#"SELECT account_id AS "account_id: Uuid", state FROM ceremonies
               WHERE id = $1 AND browser = $2 AND purpose = $3 AND expires_at > $4"#,
            shown.id.as_slice(),
            shown.browser.as_slice(),
            shown.purpose,
            now.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(|row| Ceremony {
            account: row.account_id.map(id),
            state: row.state,
        }))
    }

    async fn take_ceremony(&self, shown: Shown<'_>, now: Timestamp) -> Result<Option<Ceremony>> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query!(
            r#"DELETE FROM ceremonies WHERE id = $1 AND browser = $2 AND purpose = $3 AND expires_at > $4
               RETURNING account_id AS "account_id: Uuid", state AS "state!""#,
            shown.id.as_slice(),
            shown.browser.as_slice(),
            shown.purpose,
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(row) = taken else {
            tx.give_up().await?;
            return Ok(None);
        };
        tx.commit().await?;
        Ok(Some(Ceremony {
            account: row.account_id.map(id),
            state: row.state,
        }))
    }
}
