//! The `groups` and `memberships` tables.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, GroupName, Timestamp, Username};
use store::{Group, Groups, ProvidedGroup, Regrouped, Result};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id, parse};

/// Takes away what a provider gave to somebody; whoever calls writes the change.
pub(crate) async fn forget_provided(tx: &mut Tx<'_>, account: AccountId, issuer: &str) -> Result<()> {
    sqlx::query!(
        "DELETE FROM provided_groups WHERE account_id = $1 AND issuer = $2",
        account.uuid(),
        issuer
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

/// Notes what an issuer said when it was asked then. `false` if it was asked later already, or nobody is linked.
async fn note(
    tx: &mut Tx<'_>,
    account: AccountId,
    issuer: &str,
    asked: Timestamp,
    confirmed: Option<Timestamp>,
) -> Result<bool> {
    let noted = sqlx::query!(
        "UPDATE identities SET asked_at = $3, confirmed_at = $4
         WHERE account_id = $1 AND issuer = $2 AND (asked_at IS NULL OR asked_at <= $3)",
        account.uuid(),
        issuer,
        asked.as_millis(),
        confirmed.map(Timestamp::as_millis)
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(noted.rows_affected() > 0)
}

#[async_trait]
impl Groups for Engine {
    async fn add_group(&self, name: &GroupName, description: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let added = sqlx::query!(
            "INSERT INTO groups (name, description, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
            name.as_str(),
            description,
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(added.rows_affected() == 1)
    }

    async fn remove_group(&self, name: &GroupName, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let members = sqlx::query_scalar!(
            r#"DELETE FROM memberships WHERE group_name = $1 RETURNING account_id AS "account_id!: Uuid""#,
            name.as_str()
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        let provided = sqlx::query_scalar!(
            r#"DELETE FROM provided_groups WHERE group_name = $1 RETURNING account_id AS "account_id!: Uuid""#,
            name.as_str()
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        let removed = sqlx::query!("DELETE FROM groups WHERE name = $1", name.as_str())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        let was_there = removed.rows_affected() == 1 || !provided.is_empty();
        for member in members.into_iter().chain(provided) {
            tx.change(Change::AccountChanged { account: id(member) }, now)
                .await?;
        }
        tx.commit().await?;
        Ok(was_there)
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        let rows = sqlx::query!(
            r#"SELECT name, description,
                      (SELECT COUNT(*) FROM (SELECT account_id FROM memberships WHERE group_name = name
                                             UNION SELECT account_id FROM provided_groups WHERE group_name = name)
                                            AS everybody) AS "members!: i64"
               FROM groups ORDER BY name"#
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let name = parse("groups.name", &row.name)?;
                Ok(Group {
                    name,
                    description: row.description,
                    members: row.members,
                })
            })
            .collect()
    }

    async fn members(&self, name: &GroupName) -> Result<Vec<Username>> {
        let names = sqlx::query_scalar!(
            "SELECT username FROM accounts
             WHERE id IN (SELECT account_id FROM memberships WHERE group_name = $1
                          UNION SELECT account_id FROM provided_groups WHERE group_name = $1)
             ORDER BY username",
            name.as_str()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        names
            .iter()
            .map(|name| parse("accounts.username", name))
            .collect()
    }

    async fn add_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let added = sqlx::query!(
            "INSERT INTO memberships (account_id, group_name)
             SELECT accounts.id, groups.name FROM accounts, groups WHERE accounts.id = $1 AND groups.name = $2
             ON CONFLICT (account_id, group_name) DO NOTHING",
            account.uuid(),
            name.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if added.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::AccountChanged { account }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn remove_member(&self, name: &GroupName, account: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!(
            "DELETE FROM memberships WHERE account_id = $1 AND group_name = $2",
            account.uuid(),
            name.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if removed.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::AccountChanged { account }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn replace_provided_groups(
        &self,
        account: AccountId,
        issuer: &str,
        groups: &[GroupName],
        asked: Timestamp,
        now: Timestamp,
    ) -> Result<Regrouped> {
        let mut tx = self.begin().await?;
        // One after the other, so that what is there in the end is what one answer said.
        tx.serialize().await?;
        if !note(&mut tx, account, issuer, asked, Some(asked)).await? {
            tx.give_up().await?;
            return Ok(Regrouped::default());
        }
        let before = sqlx::query_scalar!(
            "SELECT group_name FROM provided_groups WHERE account_id = $1 AND issuer = $2",
            account.uuid(),
            issuer
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        let mut regrouped = Regrouped::default();
        for name in before {
            let name: GroupName = parse("provided_groups.group_name", &name)?;
            if groups.contains(&name) {
                continue;
            }
            sqlx::query!(
                "DELETE FROM provided_groups WHERE account_id = $1 AND issuer = $2 AND group_name = $3",
                account.uuid(),
                issuer,
                name.as_str()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            regrouped.left.push(name);
        }
        for name in groups {
            let added = sqlx::query!(
                "INSERT INTO provided_groups (account_id, issuer, group_name)
                 SELECT account_id, issuer, $3 FROM identities WHERE account_id = $1 AND issuer = $2
                 ON CONFLICT (account_id, issuer, group_name) DO NOTHING",
                account.uuid(),
                issuer,
                name.as_str()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            if added.rows_affected() > 0 {
                regrouped.joined.push(name.clone());
            }
        }
        if regrouped != Regrouped::default() {
            tx.change(Change::AccountChanged { account }, now).await?;
        }
        tx.commit().await?;
        Ok(regrouped)
    }

    async fn withdraw_provided_groups(
        &self,
        account: AccountId,
        issuer: &str,
        sessions_of: Option<&str>,
        asked: Timestamp,
        now: Timestamp,
    ) -> Result<Regrouped> {
        let mut tx = self.begin().await?;
        tx.serialize().await?;
        if !note(&mut tx, account, issuer, asked, None).await? {
            tx.give_up().await?;
            return Ok(Regrouped::default());
        }
        let left = sqlx::query_scalar!(
            r#"DELETE FROM provided_groups WHERE account_id = $1 AND issuer = $2
               RETURNING group_name AS "group_name!""#,
            account.uuid(),
            issuer
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        if let Some(provider) = sessions_of {
            crate::sessions::end_of_provider(&mut tx, account, Some(provider), None, now).await?;
        }
        tx.change(Change::AccountChanged { account }, now).await?;
        tx.commit().await?;
        let left: Result<_> = left
            .iter()
            .map(|name| parse("provided_groups.group_name", name))
            .collect();
        Ok(Regrouped {
            joined: Vec::new(),
            left: left?,
        })
    }

    async fn provided_groups(&self, account: AccountId) -> Result<Vec<ProvidedGroup>> {
        let rows = sqlx::query!(
            "SELECT issuer, group_name FROM provided_groups WHERE account_id = $1 ORDER BY issuer, group_name",
            account.uuid()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(ProvidedGroup {
                    group: parse("provided_groups.group_name", &row.group_name)?,
                    issuer: row.issuer,
                })
            })
            .collect()
    }
}
