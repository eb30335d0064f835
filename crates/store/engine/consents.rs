//! The `consents` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, ClientId, Timestamp};
use protocol::Scopes;
use store::{Consent, Consents, Result};

use crate::db::{Engine, Tx};
use crate::rows::{digest_option, failed};

/// Remembers an approval within a transaction.
pub(crate) async fn add(tx: &mut Tx<'_>, consent: &Consent, now: Timestamp) -> Result<()> {
    sqlx::query!(
        "INSERT INTO consents (account_id, client_id, redirect_uri, resource, scopes, document_digest, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account_id, client_id, redirect_uri, resource) DO UPDATE SET
             scopes = excluded.scopes, document_digest = excluded.document_digest, created_at = excluded.created_at",
        consent.account.uuid(),
        consent.client.as_str(),
        consent.redirect_uri,
        consent.resource,
        consent.scopes.to_string(),
        consent.document_digest.as_ref().map(<[u8; 32]>::as_slice),
        now.as_millis()
    )
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl Consents for Engine {
    async fn consent(
        &self,
        account: AccountId,
        client: &ClientId,
        redirect_uri: &str,
        resource: &str,
    ) -> Result<Option<Consent>> {
        let row = sqlx::query!(
            "SELECT scopes, document_digest FROM consents
             WHERE account_id = $1 AND client_id = $2 AND redirect_uri = $3 AND resource = $4",
            account.uuid(),
            client.as_str(),
            redirect_uri,
            resource
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Consent {
            account,
            client: client.clone(),
            redirect_uri: redirect_uri.to_owned(),
            resource: resource.to_owned(),
            scopes: Scopes::parse(&row.scopes),
            document_digest: digest_option("consents.document_digest", row.document_digest)?,
        }))
    }

    async fn forget_consents(&self, account: AccountId, client: &ClientId) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "DELETE FROM consents WHERE account_id = $1 AND client_id = $2",
            account.uuid(),
            client.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }
}
