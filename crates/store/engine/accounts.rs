//! The `accounts` table.

use async_trait::async_trait;
use model::id::Id;
use model::{
    AccountId, AccountStatus, Change, ExposeSecret, GroupName, SecretString, SessionId, Timestamp, Username,
};
use store::{Account, AccountView, Accounts, NewAccount, NewInvitation, Result};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id, parse};

struct Row {
    id: Uuid,
    username: String,
    display_name: String,
    email: Option<String>,
    email_verified: bool,
    status: String,
    administrator: bool,
    password_hash: Option<String>,
    service: bool,
    created_at: i64,
    last_sign_in_at: Option<i64>,
}

impl TryFrom<Row> for Account {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: id(row.id),
            username: parse("accounts.username", &row.username)?,
            display_name: row.display_name,
            email: row.email,
            email_verified: row.email_verified,
            status: parse("accounts.status", &row.status)?,
            administrator: row.administrator,
            password_hash: row.password_hash.map(Into::into),
            service: row.service,
            created_at: Timestamp::from_millis(row.created_at),
            last_sign_in_at: row.last_sign_in_at.map(Timestamp::from_millis),
        })
    }
}

/// An account as tokens see it, of statements that read it beside something else.
pub(crate) struct ViewRow {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) status: String,
    pub(crate) administrator: bool,
    pub(crate) grants_end_before: i64,
    /// One a line: no name of a group has a line break in it.
    pub(crate) groups: Option<String>,
}

impl TryFrom<ViewRow> for AccountView {
    type Error = store::StoreError;
    fn try_from(row: ViewRow) -> Result<Self> {
        let groups = row.groups.as_deref().into_iter().flat_map(str::lines);
        let groups = groups
            .map(|name| parse::<GroupName>("memberships.group_name", name))
            .collect::<Result<_>>();
        Ok(Self {
            id: id(row.id),
            username: parse("accounts.username", &row.username)?,
            display_name: row.display_name,
            email: row.email.map(|email| (email, row.email_verified)),
            status: parse("accounts.status", &row.status)?,
            administrator: row.administrator,
            groups: groups?,
            grants_end_before: Timestamp::from_millis(row.grants_end_before),
        })
    }
}

#[async_trait]
impl Accounts for Engine {
    async fn add_account(
        &self,
        account: &NewAccount,
        invitation: Option<&NewInvitation>,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let hash = account.password_hash.as_ref().map(ExposeSecret::expose_secret);
        let status = match invitation {
            Some(_) => AccountStatus::Invited,
            None => AccountStatus::Active,
        };
        let added = sqlx::query!(
            "INSERT INTO accounts (id, username, display_name, email, email_verified, status, administrator,
                 password_hash, grants_end_before, created_at, updated_at, service_since)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, $10)
             ON CONFLICT (username) DO NOTHING",
            account.id.uuid(),
            account.username.as_str(),
            account.display_name,
            account.email,
            account.email_verified,
            status.as_str(),
            account.administrator,
            hash,
            now.as_millis(),
            account.service.then(|| now.as_millis()),
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        for group in &account.groups {
            sqlx::query!(
                "INSERT INTO memberships (account_id, group_name) VALUES ($1, $2)",
                account.id.uuid(),
                group.as_str()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        if let Some(invitation) = invitation {
            crate::invitations::add(&mut tx, account.id, invitation, now).await?;
        }
        tx.change(Change::AccountChanged { account: account.id }, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", password_hash,
                      service_since IS NOT NULL AS "service!: bool", created_at, last_sign_in_at
               FROM accounts WHERE id = $1"#,
            id.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn account_by_username(&self, username: &Username) -> Result<Option<Account>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", password_hash,
                      service_since IS NOT NULL AS "service!: bool", created_at, last_sign_in_at
               FROM accounts WHERE username = $1"#,
            username.as_str()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", password_hash,
                      service_since IS NOT NULL AS "service!: bool", created_at, last_sign_in_at
               FROM accounts ORDER BY username"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn account_view(&self, id: AccountId) -> Result<Option<AccountView>> {
        let row = sqlx::query_as!(
            ViewRow,
            r#"SELECT id AS "id: Uuid", username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", grants_end_before,
                      (SELECT string_agg(group_name, $2 ORDER BY group_name) FROM
                           (SELECT group_name FROM memberships WHERE account_id = accounts.id
                            UNION SELECT group_name FROM provided_groups WHERE account_id = accounts.id) AS of_both)
                          AS "groups: String"
               FROM accounts WHERE id = $1"#,
            id.uuid(),
            "\n"
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn set_password(
        &self,
        id: AccountId,
        hash: &SecretString,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let set = sqlx::query!(
            "UPDATE accounts SET password_hash = $2, updated_at = $3
             WHERE id = $1 AND status = 'active' AND service_since IS NULL",
            id.uuid(),
            hash.expose_secret(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if set.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        crate::sessions::end_all(&mut tx, id, keep, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn disable_account(&self, id: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let disabled = sqlx::query!(
            "UPDATE accounts SET status = 'disabled', grants_end_before = $2, updated_at = $2
             WHERE id = $1 AND status <> 'disabled'",
            id.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if disabled.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        end_everything(&mut tx, id, now).await?;
        tx.change(Change::AccountChanged { account: id }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn enable_account(&self, id: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let enabled = sqlx::query!(
            "UPDATE accounts
             SET status = CASE WHEN password_hash IS NULL AND service_since IS NULL
                                    AND NOT EXISTS (SELECT 1 FROM identities WHERE account_id = accounts.id)
                               THEN 'invited' ELSE 'active' END,
                 updated_at = $2
             WHERE id = $1 AND status = 'disabled'",
            id.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        finish(tx, enabled.rows_affected(), id, now).await
    }

    async fn set_administrator(&self, id: AccountId, administrator: bool, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let set = sqlx::query!(
            "UPDATE accounts SET administrator = $2, updated_at = $3 WHERE id = $1 AND administrator <> $2",
            id.uuid(),
            administrator,
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        finish(tx, set.rows_affected(), id, now).await
    }

    async fn remove_account(&self, id: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!("DELETE FROM accounts WHERE id = $1", id.uuid())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        finish(tx, removed.rows_affected(), id, now).await
    }
}

async fn finish(mut tx: Tx<'_>, rows: u64, account: AccountId, now: Timestamp) -> Result<bool> {
    if rows == 0 {
        tx.give_up().await?;
        return Ok(false);
    }
    tx.change(Change::AccountChanged { account }, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Ends grants, sessions, service tokens, codes, open consents and invitations of an account. That its tokens stop
/// counting follows from `grants_end_before`, which every check reads.
async fn end_everything(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE grants SET ended_at = $2, ended_because = 'account_disabled' WHERE account_id = $1 AND ended_at IS NULL",
        account.uuid(),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    crate::sessions::end_all(tx, account, None, now).await?;
    crate::service_tokens::end_all(tx, account, now).await?;
    sqlx::query!(
        "DELETE FROM codes WHERE account_id = $1 AND redeemed_at IS NULL",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!(
        "DELETE FROM device_authorizations WHERE account_id = $1 AND redeemed_at IS NULL",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!("DELETE FROM transactions WHERE account_id = $1", account.uuid())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    sqlx::query!(
        "DELETE FROM invitations WHERE account_id = $1 AND used_at IS NULL",
        account.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}
