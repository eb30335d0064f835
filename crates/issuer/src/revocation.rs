//! Token revocation (RFC 7009, DEC-2, CC-80 to CC-83).

use audit::{Person, What};
use keys::digest_of;
use model::{OpaqueToken, TokenKind};
use store::{Client, EndReason, Grant, StoreError};

use crate::clients::{Resolution, is_confidential};
use crate::jwt_bearer;
use crate::server::AuthorizationServer;

impl AuthorizationServer {
    /// Revokes a token, whatever its kind; the hint is not needed. `client` is the authenticated client, or
    /// none if a public one did not name itself (CC-80). Somebody else's token survives, and nobody is told
    /// (OS-110).
    pub async fn revoke(
        &self,
        token: &str,
        client: Option<&Client>,
        person: &Person,
    ) -> Result<(), StoreError> {
        if let Ok(token) = OpaqueToken::parse(TokenKind::Refresh, token) {
            self.revoke_refresh_token(&token, client, person).await
        } else if let Ok(token) = OpaqueToken::parse(TokenKind::Service, token) {
            self.revoke_service_token(&token, person).await
        } else {
            self.revoke_access_token(token, client, person).await
        }
    }

    /// The head of a chain ends the grant; a superseded member of a live chain changes nothing, because a
    /// client may tidy up what it has replaced (CC-83).
    async fn revoke_refresh_token(
        &self,
        token: &OpaqueToken,
        client: Option<&Client>,
        person: &Person,
    ) -> Result<(), StoreError> {
        let Some((row, grant, _)) = self.store.refresh_token(&digest_of(token)).await? else {
            return Ok(());
        };
        if !self.is_holder(client, &grant).await? || row.rotated_at.is_some() {
            return Ok(());
        }
        self.end_grant(&grant, EndReason::ClientRevoked, person)
            .await
            .map(drop)
    }

    /// An access token ends alone.
    async fn revoke_access_token(
        &self,
        token: &str,
        client: Option<&Client>,
        person: &Person,
    ) -> Result<(), StoreError> {
        let Ok(access) = self.verifier.read(token) else {
            return Ok(());
        };
        let now = self.world.now();
        if access.expires_at <= now {
            return Ok(());
        }
        let holder = match client {
            Some(client) => client.id == access.client,
            None => self.is_public(access.client.as_str()).await?,
        };
        if !holder {
            return Ok(());
        }
        self.store
            .revoke_token(access.token, access.expires_at, now)
            .await?;
        let what = What::TokenRevoked {
            token: access.token,
            grant: access.grant,
            client: access.client.clone(),
        };
        self.recorder.record(what, person.clone());
        Ok(())
    }

    /// A service token is no client's, so whoever holds it may end it: they could use it, and somebody who finds it in a file
    /// should not have to look for an operator first. Of what ended before, nothing is recorded.
    async fn revoke_service_token(&self, token: &OpaqueToken, person: &Person) -> Result<(), StoreError> {
        let Some(token) = self.store.service_token_by_digest(&digest_of(token)).await? else {
            return Ok(());
        };
        let now = self.world.now();
        // The row says whether it was this request that ended it.
        if token.expires_at <= now || !self.store.revoke_service_token(token.id, now).await? {
            return Ok(());
        }
        let what = What::ServiceTokenRevoked {
            service_token: token.id,
            account: token.account,
            operator: None,
        };
        self.recorder.record(what, person.clone());
        Ok(())
    }

    /// Ends a grant. `false` if it had ended.
    pub async fn end_grant(
        &self,
        grant: &Grant,
        reason: EndReason,
        person: &Person,
    ) -> Result<bool, StoreError> {
        let ended = self.store.end_grant(grant.id, reason, self.world.now()).await?;
        if ended {
            let what = What::GrantEnded {
                grant: grant.id,
                account: grant.account,
                client: grant.client.clone(),
                reason: reason.as_str().to_owned(),
            };
            self.recorder.record(what, person.clone());
        }
        Ok(ended)
    }

    async fn is_holder(&self, client: Option<&Client>, grant: &Grant) -> Result<bool, StoreError> {
        match client {
            Some(client) => Ok(client.id == grant.client),
            None => self.is_public(grant.client.as_str()).await,
        }
    }

    /// Whether whoever has the token may end it without more.
    async fn is_public(&self, client_id: &str) -> Result<bool, StoreError> {
        // A workload has nothing else to show.
        if client_id.starts_with(jwt_bearer::PREFIX) {
            return Ok(true);
        }
        Ok(match self.resolve_client(client_id, None).await? {
            Resolution::Known(client) => !is_confidential(&client),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests;
