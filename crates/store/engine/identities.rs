//! The `identities` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, SessionId, Timestamp};
use store::{ByAddress, ForeignName, Identities, Identity, LinkedAccount, NewAccount, OtherWay, Result};
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

async fn told(tx: &mut Tx<'_>, name: &ForeignName, account: AccountId, now: Timestamp) -> Result<()> {
    tx.change(Change::AccountChanged { account }, now).await?;
    let (issuer, subject) = (name.issuer.clone(), name.subject.clone());
    tx.change(Change::IdentityChanged { issuer, subject }, now).await
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
            r#"SELECT issuer, subject, account_id AS "account_id: Uuid", created_at, asked_at, confirmed_at FROM identities
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
                asked_at: row.asked_at.map(Timestamp::from_millis),
                confirmed_at: row.confirmed_at.map(Timestamp::from_millis),
            })
            .collect())
    }

    async fn identities_of(&self, account: AccountId) -> Result<Vec<Identity>> {
        let rows = sqlx::query!(
            "SELECT issuer, subject, created_at, asked_at, confirmed_at FROM identities WHERE account_id = $1
             ORDER BY issuer, subject",
            account.uuid()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let rows = rows.into_iter().map(|row| Identity {
            name: ForeignName {
                issuer: row.issuer,
                subject: row.subject,
            },
            account,
            created_at: Timestamp::from_millis(row.created_at),
            asked_at: row.asked_at.map(Timestamp::from_millis),
            confirmed_at: row.confirmed_at.map(Timestamp::from_millis),
        });
        Ok(rows.collect())
    }

    async fn link_identity_by_address(
        &self,
        name: &ForeignName,
        address: &str,
        now: Timestamp,
    ) -> Result<ByAddress> {
        let mut tx = self.begin().await?;
        // One after the other: two people at the provider with the same address must not both see an account that has
        // nobody there.
        tx.serialize().await?;
        let linked = sqlx::query_scalar!(
            r#"INSERT INTO identities (issuer, subject, account_id, created_at)
               SELECT $1, $2, id, $4 FROM accounts
               WHERE lower(email) = lower($3) AND status <> 'disabled'
                     AND (SELECT COUNT(*) FROM accounts AS others WHERE lower(others.email) = lower($3)) = 1
                     AND NOT EXISTS (SELECT 1 FROM identities AS known
                                     WHERE known.account_id = accounts.id
                                           AND (known.issuer = $1 OR NOT accounts.email_verified))
               ON CONFLICT (issuer, subject) DO NOTHING
               RETURNING account_id AS "account_id!: Uuid""#,
            name.issuer,
            name.subject,
            address,
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(account) = linked.map(id::<AccountId>) else {
            let owners = sqlx::query_scalar!(
                r#"SELECT COUNT(*) AS "owners!: i64" FROM accounts WHERE lower(email) = lower($1)"#,
                address
            )
            .fetch_one(tx.conn())
            .await
            .map_err(failed)?;
            tx.give_up().await?;
            return Ok(if owners == 0 {
                ByAddress::Nobody
            } else {
                ByAddress::Refused
            });
        };
        sqlx::query!(
            "UPDATE accounts
             SET email_verified = $3, status = CASE WHEN status = 'invited' THEN 'active' ELSE status END, updated_at = $2
             WHERE id = $1",
            account.uuid(),
            now.as_millis(),
            true
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        crate::invitations::withdraw(&mut tx, account).await?;
        told(&mut tx, name, account, now).await?;
        tx.commit().await?;
        Ok(ByAddress::Linked(account))
    }

    async fn link_own_identity(
        &self,
        name: &ForeignName,
        account: AccountId,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        tx.serialize().await?;
        let linked = sqlx::query!(
            "INSERT INTO identities (issuer, subject, account_id, created_at)
             SELECT $1, $2, id, $4 FROM accounts
             WHERE id = $3 AND status = 'active'
                   AND NOT EXISTS (SELECT 1 FROM identities AS known WHERE known.account_id = $3 AND known.issuer = $1)
             ON CONFLICT (issuer, subject) DO NOTHING",
            name.issuer,
            name.subject,
            account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if linked.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        told(&mut tx, name, account, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn unlink_own_identity(
        &self,
        issuer: &str,
        account: AccountId,
        other: OtherWay<'_>,
        provider: &str,
        keep: SessionId,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        // One after the other: two ways that are each taken away because of the other would leave none.
        tx.serialize().await?;
        let (password, elsewhere) = match other {
            OtherWay::Password => (true, ""),
            OtherWay::Identity(issuer) => (false, issuer),
        };
        let gone = sqlx::query_scalar!(
            r#"DELETE FROM identities
               WHERE issuer = $1 AND account_id = $2 AND issuer <> $4
                     AND (EXISTS (SELECT 1 FROM accounts WHERE id = $2 AND password_hash IS NOT NULL AND $3)
                          OR EXISTS (SELECT 1 FROM identities AS others
                                     WHERE others.account_id = $2 AND others.issuer = $4))
               RETURNING subject AS "subject!""#,
            issuer,
            account.uuid(),
            password,
            elsewhere
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        if gone.is_empty() {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::groups::forget_provided(&mut tx, account, issuer).await?;
        crate::sessions::end_of_provider(&mut tx, account, Some(provider), Some(keep), now).await?;
        for subject in gone {
            let name = ForeignName {
                issuer: issuer.to_owned(),
                subject,
            };
            told(&mut tx, &name, account, now).await?;
        }
        tx.commit().await?;
        Ok(true)
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
        crate::invitations::withdraw(&mut tx, account).await?;
        told(&mut tx, name, account, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn unlink_identity(&self, name: &ForeignName, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let account = sqlx::query_scalar!(
            r#"DELETE FROM identities WHERE issuer = $1 AND subject = $2 RETURNING account_id AS "account_id!: Uuid""#,
            name.issuer,
            name.subject
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(account) = account.map(id) else {
            tx.give_up().await?;
            return Ok(false);
        };
        crate::groups::forget_provided(&mut tx, account, &name.issuer).await?;
        crate::sessions::end_of_provider(&mut tx, account, None, None, now).await?;
        told(&mut tx, name, account, now).await?;
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
             VALUES ($1, $2, $3, $4, $5, 'active', $7, 0, $6, $6)
             ON CONFLICT (username) DO NOTHING",
            account.id.uuid(),
            account.username.as_str(),
            account.display_name,
            account.email,
            account.email_verified,
            now.as_millis(),
            false
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
        told(&mut tx, name, account.id, now).await?;
        tx.commit().await?;
        Ok(LinkedAccount::Made)
    }
}
