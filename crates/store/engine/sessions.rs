//! The `sessions` and `browsers` tables.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Change, SessionId, Timestamp, TokenDigest};
use store::{EndedThere, NewSession, Proved, Result, Session, Sessions};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{digest_option, failed, id};

struct Row {
    id: Uuid,
    account_id: Uuid,
    created_at: i64,
    authenticated_at: i64,
    fresh_for: Option<Vec<u8>>,
    last_seen_at: i64,
    expires_at: i64,
    user_agent: String,
    address: String,
    name: Option<String>,
    provider: Option<String>,
    acr: Option<String>,
    amr: Option<String>,
    provider_session: Option<String>,
}

impl TryFrom<Row> for Session {
    type Error = store::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: id(row.id),
            account: id(row.account_id),
            created_at: Timestamp::from_millis(row.created_at),
            authenticated_at: Timestamp::from_millis(row.authenticated_at),
            fresh_for: digest_option("sessions.fresh_for", row.fresh_for)?,
            last_seen_at: Timestamp::from_millis(row.last_seen_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            user_agent: row.user_agent,
            address: row.address,
            name: row.name,
            proved: Proved {
                provider: row.provider,
                acr: row.acr,
                amr: row.amr,
                session: row.provider_session,
            },
        })
    }
}

/// Ends the sessions of an account that a provider began within a transaction, except one; those of any provider if none
/// is named.
pub(crate) async fn end_of_provider(
    tx: &mut Tx<'_>,
    account: AccountId,
    provider: Option<&str>,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    let keep = keep.map_or(Uuid::nil(), Id::uuid);
    let ended = sqlx::query_scalar!(
        r#"UPDATE sessions SET ended_at = $3
           WHERE account_id = $1 AND id <> $2 AND provider IS NOT NULL AND ($4 = '' OR provider = $4) AND ended_at IS NULL
           RETURNING id AS "id!: Uuid""#,
        account.uuid(),
        keep,
        now.as_millis(),
        provider.unwrap_or_default()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(failed)?;
    tell(tx, ended, now).await
}

/// Ends all sessions of an account within a transaction, except one, and whatever was to become one.
pub(crate) async fn end_all(
    tx: &mut Tx<'_>,
    account: AccountId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    let keep = keep.map_or(Uuid::nil(), Id::uuid);
    let ended = sqlx::query_scalar!(
        r#"UPDATE sessions SET ended_at = $3 WHERE account_id = $1 AND id <> $2 AND ended_at IS NULL
           RETURNING id AS "id!: Uuid""#,
        account.uuid(),
        keep,
        now.as_millis()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(failed)?;
    crate::ceremonies::forget(tx, account).await?;
    tell(tx, ended, now).await
}

async fn tell(tx: &mut Tx<'_>, ended: Vec<Uuid>, now: Timestamp) -> Result<()> {
    for session in ended {
        tx.change(Change::SessionEnded { session: id(session) }, now)
            .await?;
    }
    Ok(())
}

#[async_trait]
impl Sessions for Engine {
    async fn add_session(&self, session: &NewSession, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let active = sqlx::query!(
            "UPDATE accounts SET last_sign_in_at = $2
             WHERE id = $1 AND status = 'active' AND service_since IS NULL",
            session.account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if active.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        if let Some(replaced) = session.replaces {
            let ended = sqlx::query!(
                "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL",
                replaced.uuid(),
                now.as_millis()
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
            if session.raises && ended.rows_affected() == 0 {
                tx.give_up().await?;
                return Ok(false);
            }
        }
        sqlx::query!(
            "INSERT INTO sessions (id, digest, account_id, created_at, authenticated_at, fresh_for, last_seen_at,
                 expires_at, user_agent, address, provider, acr, amr, provider_session, browser, name)
             VALUES ($1, $2, $3, $4, $9, $5, $4, $6, $7, $8, $10, $11, $12, $13, $14,
                 (SELECT name FROM browsers WHERE digest = $14 AND account_id = $3))",
            session.id.uuid(),
            session.digest.as_bytes(),
            session.account.uuid(),
            now.as_millis(),
            session.fresh_for.as_ref().map(<[u8; 32]>::as_slice),
            session.expires_at.as_millis(),
            session.user_agent,
            session.address,
            session.authenticated_at.as_millis(),
            session.proved.provider,
            session.proved.acr,
            session.proved.amr,
            session.proved.session,
            session.browser.as_bytes()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        sqlx::query!(
            "INSERT INTO browsers (digest, account_id, last_seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (digest, account_id) DO UPDATE SET last_seen_at = excluded.last_seen_at",
            session.browser.as_bytes(),
            session.account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(true)
    }

    async fn session(
        &self,
        digest: &TokenDigest,
        seen_after: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT sessions.id AS "id: Uuid", account_id AS "account_id: Uuid", sessions.created_at,
                      authenticated_at, fresh_for, last_seen_at, expires_at, user_agent, address, name, provider,
                      acr, amr, provider_session
               FROM sessions JOIN accounts ON accounts.id = account_id
               WHERE digest = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3
                     AND accounts.status = 'active'"#,
            digest.as_bytes(),
            now.as_millis(),
            seen_after.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn touch_session(&self, id: SessionId, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2",
            id.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn sessions_of(
        &self,
        account: AccountId,
        seen_after: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Session>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", created_at, authenticated_at, fresh_for,
                      last_seen_at, expires_at, user_agent, address, name, provider, acr, amr,
                      provider_session
               FROM sessions
               WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3
               ORDER BY last_seen_at DESC"#,
            account.uuid(),
            now.as_millis(),
            seen_after.as_millis()
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn sessions(&self, most: i64, seen_after: Timestamp, now: Timestamp) -> Result<Vec<Session>> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", created_at, authenticated_at, fresh_for,
                      last_seen_at, expires_at, user_agent, address, name, provider, acr, amr,
                      provider_session
               FROM sessions
               WHERE ended_at IS NULL AND expires_at > $1 AND last_seen_at > $2
               ORDER BY last_seen_at DESC LIMIT $3"#,
            now.as_millis(),
            seen_after.as_millis(),
            most
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn session_by_id(&self, id: SessionId) -> Result<Option<Session>> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: Uuid", account_id AS "account_id: Uuid", created_at, authenticated_at, fresh_for,
                      last_seen_at, expires_at, user_agent, address, name, provider, acr, amr,
                      provider_session
               FROM sessions WHERE id = $1 AND ended_at IS NULL"#,
            id.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn name_session(
        &self,
        id: SessionId,
        account: AccountId,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let named = sqlx::query_scalar!(
            "UPDATE sessions SET name = $3
             WHERE id = $1 AND account_id = $2 AND ended_at IS NULL AND expires_at > $4
             RETURNING browser",
            id.uuid(),
            account.uuid(),
            name,
            now.as_millis()
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let Some(browser) = named else {
            tx.give_up().await?;
            return Ok(false);
        };
        if let Some(browser) = browser {
            sqlx::query!(
                "UPDATE browsers SET name = $3 WHERE digest = $1 AND account_id = $2",
                browser,
                account.uuid(),
                name
            )
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn end_session(&self, id: SessionId, account: AccountId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query!(
            "UPDATE sessions SET ended_at = $3 WHERE id = $1 AND account_id = $2 AND ended_at IS NULL",
            id.uuid(),
            account.uuid(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if ended.rows_affected() == 0 {
            tx.give_up().await?;
            return Ok(false);
        }
        tx.change(Change::SessionEnded { session: id }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn end_sessions_of_provider(
        &self,
        there: &EndedThere<'_>,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, AccountId)>> {
        if there.account.is_none() && there.session.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let rows = sqlx::query!(
            r#"UPDATE sessions SET ended_at = $5
               WHERE provider = $1 AND ($2 = '' OR provider_session = $2)
                     AND (account_id = $3 OR $3 = $6) AND created_at <= $4 AND ended_at IS NULL
               RETURNING id AS "id!: Uuid", account_id AS "account_id!: Uuid""#,
            there.provider,
            there.session.unwrap_or_default(),
            there.account.map_or(Uuid::nil(), Id::uuid),
            there.until.as_millis(),
            now.as_millis(),
            Uuid::nil()
        )
        .fetch_all(tx.conn())
        .await
        .map_err(failed)?;
        if rows.is_empty() {
            tx.give_up().await?;
            return Ok(Vec::new());
        }
        let ended: Vec<(SessionId, AccountId)> = rows
            .into_iter()
            .map(|row| (id(row.id), id(row.account_id)))
            .collect();
        tell(
            &mut tx,
            ended.iter().map(|(session, _)| session.uuid()).collect(),
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(ended)
    }

    async fn knows_browser(&self, browser: &TokenDigest, account: AccountId) -> Result<bool> {
        let known = sqlx::query_scalar!(
            "SELECT last_seen_at FROM browsers WHERE digest = $1 AND account_id = $2",
            browser.as_bytes(),
            account.uuid()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(known.is_some())
    }
}
