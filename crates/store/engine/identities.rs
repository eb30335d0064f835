//! The `identities` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, Timestamp};
use store::{ForeignName, Identities, Identity, LinkedAccount, NewAccount, Result};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id};

async fn link(tx: &mut Tx<'_>, name: &ForeignName, account: AccountId, now: Timestamp) -> Result<bool> {
    let linked = sqlx::query!(
        "INSERT INTO identities (issuer, subject, account_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (issuer, subject) DO NOTHING",
        name.issuer,
        name.subject,
        account.uuid(),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(linked.rows_affected() > 0)
}

#[async_trait]
impl Identities for Engine {
    async fn identity(&self, name: &ForeignName) -> Result<Option<AccountId>> {
        let account = sqlx::query_scalar!(
            r#"SELECT account_id AS "account_id: Uuid" FROM identities WHERE issuer = $1 AND subject = $2"#,
            name.issuer,
            name.subject
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(account.map(id))
    }

    async fn identities(&self) -> Result<Vec<Identity>> {
        let rows = sqlx::query!(
            r#"SELECT issuer, subject, account_id AS "account_id: Uuid", created_at FROM identities
               ORDER BY issuer, subject"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| Identity {
                name: ForeignName {
                    issuer: row.issuer,
                    subject: row.subject,
                },
                account: id(row.account_id),
                created_at: Timestamp::from_millis(row.created_at),
            })
            .collect())
    }

    async fn link_identity(&self, name: &ForeignName, account: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let known = sqlx::query!(
            "UPDATE accounts
             SET status = CASE WHEN status = 'invited' THEN 'active' ELSE status END, updated_at = $2
             WHERE id = $1",
            account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if known.rows_affected() == 0 || !link(&mut tx, name, account, now).await? {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::AccountChanged { account }, now).await?;
        let (issuer, subject) = (name.issuer.clone(), name.subject.clone());
        tx.change(Change::IdentityChanged { issuer, subject }, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn unlink_identity(&self, name: &ForeignName, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query!(
            "DELETE FROM identities WHERE issuer = $1 AND subject = $2",
            name.issuer,
            name.subject
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if gone.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        let (issuer, subject) = (name.issuer.clone(), name.subject.clone());
        tx.change(Change::IdentityChanged { issuer, subject }, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn add_linked_account(
        &self,
        name: &ForeignName,
        account: &NewAccount,
        now: Timestamp,
    ) -> Result<LinkedAccount> {
        let mut tx = self.begin().await?;
        let added = sqlx::query!(
            "INSERT INTO accounts (id, username, display_name, email, email_verified, status, administrator,
                 grants_end_before, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 'active', $5, 0, $6, $6)
             ON CONFLICT (username) DO NOTHING",
            account.id.uuid(),
            account.username.as_str(),
            account.display_name,
            account.email,
            false,
            now.as_millis(),
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(LinkedAccount::NameTaken);
        }
        if !link(&mut tx, name, account.id, now).await? {
            tx.give_up().await?;
            return Ok(LinkedAccount::Linked);
        }
        tx.change(Change::AccountChanged { account: account.id }, now)
            .await?;
        let (issuer, subject) = (name.issuer.clone(), name.subject.clone());
        tx.change(Change::IdentityChanged { issuer, subject }, now)
            .await?;
        tx.commit().await?;
        Ok(LinkedAccount::Made)
    }
}
