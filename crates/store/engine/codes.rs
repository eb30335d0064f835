//! The `codes` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, Assurance, ClientId, GrantId, ServerName, SessionId, Timestamp, TokenDigest};
use protocol::pkce::CodeChallenge;
use protocol::{RedirectUri, Scopes};
use std::time::Duration;
use store::{AccountView, Allowed, Client, Code, Codes, NewGrant, Redemption, Result, StoreError};
use uuid::Uuid;

use crate::accounts::ViewRow;
use crate::db::{Engine, Tx};
use crate::rows::{failed, id, parse};

/// A client's use is noted once in so long: one metadata document is the client of very many people, and
/// its row must not become the place where they all wait for each other.
const NOTE_USE_EVERY: Duration = Duration::from_hours(1);

/// Keeps a code within a transaction.
pub(crate) async fn add(tx: &mut Tx<'_>, code: &Code, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "INSERT INTO codes (digest, grant_id, account_id, session_id, client_id, redirect_uri, challenge, server,
             resource, scopes, nonce, auth_time, created_at, expires_at, acr, amr)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        code.digest.as_bytes(),
        code.grant.uuid(),
        code.account.uuid(),
        code.session.uuid(),
        code.client.as_str(),
        code.redirect_uri.as_str(),
        code.challenge.as_str(),
        code.server.as_ref().map(ServerName::as_str),
        code.resource,
        code.scopes.to_string(),
        code.nonce,
        code.auth_time.as_millis(),
        now.as_millis(),
        code.expires_at.as_millis(),
        code.assurance.acr(),
        code.amr
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl Codes for Engine {
    async fn code(&self, digest: &TokenDigest) -> Result<Option<(Code, AccountView)>> {
        let row = sqlx::query!(
            r#"SELECT grant_id AS "grant_id: Uuid", account_id AS "account_id: Uuid", session_id AS "session_id: Uuid",
                      client_id, redirect_uri, challenge, server, resource, scopes, nonce, auth_time, expires_at,
                      redeemed_at, acr, amr, username, display_name, email, email_verified AS "email_verified: bool", status,
                      administrator AS "administrator: bool", grants_end_before,
                      (SELECT string_agg(group_name, $2 ORDER BY group_name) FROM
                           (SELECT group_name FROM memberships WHERE account_id = accounts.id
                            UNION SELECT group_name FROM provided_groups WHERE account_id = accounts.id) AS of_both)
                          AS "groups: String"
               FROM codes JOIN accounts ON accounts.id = account_id WHERE digest = $1"#,
            digest.as_bytes(),
            "\n"
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let account = ViewRow {
            id: row.account_id,
            username: row.username,
            display_name: row.display_name,
            email: row.email,
            email_verified: row.email_verified,
            status: row.status,
            administrator: row.administrator,
            grants_end_before: row.grants_end_before,
            groups: row.groups,
        };
        let code = Code {
            digest: *digest,
            grant: id(row.grant_id),
            account: id(row.account_id),
            session: id(row.session_id),
            client: parse("codes.client_id", &row.client_id)?,
            redirect_uri: RedirectUri::parse(&row.redirect_uri, |_| true)
                .map_err(|error| StoreError::corrupt("codes.redirect_uri", error))?,
            challenge: CodeChallenge::parse(Some(&row.challenge), Some("S256"))
                .map_err(|error| StoreError::corrupt("codes.challenge", error))?,
            server: row
                .server
                .as_deref()
                .map(|name| parse("codes.server", name))
                .transpose()?,
            resource: row.resource,
            scopes: Scopes::parse(&row.scopes),
            nonce: row.nonce,
            auth_time: Timestamp::from_millis(row.auth_time),
            assurance: Assurance::of_acr(row.acr.as_deref()),
            amr: row.amr,
            expires_at: Timestamp::from_millis(row.expires_at),
            redeemed_at: row.redeemed_at.map(Timestamp::from_millis),
        };
        Ok(Some((code, account.try_into()?)))
    }

    async fn redeem_code(
        &self,
        code: &Code,
        client: &Client,
        grant: &NewGrant,
        now: Timestamp,
    ) -> Result<Redemption> {
        let mut tx = self.begin().await?;
        tx.hold_account(code.account).await?;
        let redeemed = sqlx::query!(
            "UPDATE codes SET redeemed_at = $2
             WHERE digest = $1 AND redeemed_at IS NULL AND expires_at > $2
                   AND EXISTS (SELECT 1 FROM accounts WHERE id = account_id AND status = 'active')
                   AND EXISTS (SELECT 1 FROM clients WHERE id = client_id AND disabled_at IS NULL)",
            code.digest.as_bytes(),
            now.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        if redeemed.rows_affected() == 0 {
            let used = sqlx::query_scalar!(
                "SELECT redeemed_at FROM codes WHERE digest = $1 AND redeemed_at IS NOT NULL",
                code.digest.as_bytes()
            )
            .fetch_optional(tx.conn())
            .await
            .map_err(failed)?;
            tx.give_up().await?;
            return Ok(if used.is_some() {
                Redemption::AlreadyRedeemed
            } else {
                Redemption::Refused
            });
        }
        self::redeemed(&mut tx, &Given::from(code), client, grant, now).await?;
        tx.commit().await?;
        Ok(Redemption::Redeemed)
    }
}

/// What a person gave, whatever the program shows for it.
pub(crate) struct Given<'a> {
    pub(crate) grant: GrantId,
    pub(crate) account: AccountId,
    client: &'a ClientId,
    session: SessionId,
    server: Option<&'a ServerName>,
    resource: &'a str,
    scopes: &'a Scopes,
    nonce: Option<&'a str>,
    auth_time: Timestamp,
    assurance: Assurance,
    amr: Option<&'a str>,
}

impl<'a> From<&'a Code> for Given<'a> {
    fn from(code: &'a Code) -> Self {
        Self {
            grant: code.grant,
            account: code.account,
            client: &code.client,
            session: code.session,
            server: code.server.as_ref(),
            resource: &code.resource,
            scopes: &code.scopes,
            nonce: code.nonce.as_deref(),
            auth_time: code.auth_time,
            assurance: code.assurance,
            amr: code.amr.as_deref(),
        }
    }
}

impl<'a> From<(&'a Allowed, &'a Client)> for Given<'a> {
    fn from((allowed, client): (&'a Allowed, &'a Client)) -> Self {
        Self {
            grant: allowed.grant,
            account: allowed.account,
            client: &client.id,
            session: allowed.session,
            server: allowed.server.as_ref(),
            resource: &allowed.resource,
            scopes: &allowed.scopes,
            nonce: None,
            auth_time: allowed.auth_time,
            assurance: allowed.assurance,
            amr: allowed.amr.as_deref(),
        }
    }
}

/// What comes with a redemption: its client counts as used, and the grant is made.
pub(crate) async fn redeemed(
    tx: &mut Tx<'_>,
    given: &Given<'_>,
    client: &Client,
    grant: &NewGrant,
    now: Timestamp,
) -> Result<()> {
    let noted_before = now - NOTE_USE_EVERY;
    if client.completed_at.is_none() || client.last_used_at < noted_before {
        note_use(tx, given, noted_before, now).await?;
    }
    add_grant(tx, given, grant, now).await
}

async fn note_use(tx: &mut Tx<'_>, given: &Given<'_>, noted_before: Timestamp, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE clients SET completed_at = COALESCE(completed_at, $2), last_used_at = $2
         WHERE id = $1 AND (completed_at IS NULL OR last_used_at < $3)",
        given.client.as_str(),
        now.as_millis(),
        noted_before.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

async fn add_grant(tx: &mut Tx<'_>, given: &Given<'_>, grant: &NewGrant, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE grants SET replaced_at = $5
         WHERE account_id = $1 AND client_id = $2 AND resource = $3 AND redirect_host = $4
               AND replaced_at IS NULL AND ended_at IS NULL",
        given.account.uuid(),
        given.client.as_str(),
        given.resource,
        grant.redirect_host,
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query!(
        "INSERT INTO grants (id, account_id, client_id, session_id, server, resource, scopes, redirect_host, nonce,
             auth_time, created_at, last_used_at, expires_at, repeats, acr, amr)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, 0, $13, $14)",
        given.grant.uuid(),
        given.account.uuid(),
        given.client.as_str(),
        given.session.uuid(),
        given.server.map(ServerName::as_str),
        given.resource,
        given.scopes.to_string(),
        grant.redirect_host,
        given.nonce,
        given.auth_time.as_millis(),
        now.as_millis(),
        grant.expires_at.as_millis(),
        given.assurance.acr(),
        given.amr
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    if let Some(token) = &grant.refresh_token {
        crate::refresh_tokens::add(tx, given.grant, token, now).await?;
    }
    Ok(())
}
