//! The `authorization_code` grant (OAuth 2.1 section 4.1.3, OS-56 to OS-62, CC-52).
//!
//! Order: read the code, check all it is bound to, ask whether tokens may be issued, sign them, and only
//! then redeem the code, in one guarded transaction with the grant it makes. A request that fails before
//! consumes nothing (OS-58, CC-60).

use std::collections::BTreeSet;

use audit::{Issue, Person, What};
use keys::digest::verifies;
use keys::digest_of;
use model::{ClientId, GrantId, OpaqueToken, TokenKind};
use protocol::{OAuthError, Params, pkce};
use store::{AccountView, Client, Code, EndReason, NewGrant, NewRefreshToken, Redemption};

use crate::issue::{Holder, IssueError, Standpoint, TokenResponse};
use crate::server::AuthorizationServer;

impl AuthorizationServer {
    /// Redeems an authorization code for an authenticated client.
    pub async fn redeem_code(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<TokenResponse, IssueError> {
        let (code, mut account, verifier) = self.read_code(client, form, person).await?;
        self.check_binding(&code, form, &verifier)?;
        if code.redeemed_at.is_some() {
            return Err(self.replayed(&code, person).await?);
        }
        // A session that lasts must not give more than a refresh would.
        if self.readings.can_ask() {
            self.still_upheld(&client.id, (code.account, code.grant), person)
                .await?;
            (_, account, _) = self.read_code(client, form, person).await?;
        }
        let permit = self
            .permit(Standpoint::from(&code), account, Holder::Client(client))
            .inspect_err(|error| self.note_not_permitted(&client.id, code.grant, error, person))?;
        let minted = self.mint(&permit, 0, &code.scopes)?;
        let refresh = client
            .metadata
            .refresh
            .then(|| self.world.new_token(TokenKind::Refresh));
        let now = self.world.now();
        let lifetimes = self.settings().lifetimes;
        let grant = NewGrant {
            redirect_host: code.redirect_uri.target(),
            expires_at: now + lifetimes.refresh_absolute,
            refresh_token: refresh.as_ref().map(|token| NewRefreshToken {
                digest: digest_of(token),
                expires_at: now + lifetimes.refresh_idle,
            }),
        };
        match self.store.redeem_code(&code, client, &grant, now).await? {
            Redemption::Redeemed => {}
            Redemption::AlreadyRedeemed => return Err(self.replayed(&code, person).await?),
            Redemption::Refused => return Err(refused("the code has run out, or may not be used any more")),
        }
        self.note_issue(&permit, &minted, Issue::AuthorizationCode, person);
        Ok(self.response(&minted, refresh.map(|token| token.expose().to_owned())))
    }

    /// Finds the code and makes sure that it was issued to this client.
    async fn read_code(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<(Code, AccountView, String), IssueError> {
        let text = single(form, "code")?.ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
        let verifier = single(form, "code_verifier")?.unwrap_or_default().to_owned();
        let not_yours = || refused("the code is unknown, has run out, or was issued to another client");
        let code = match OpaqueToken::parse(TokenKind::Code, text) {
            Ok(token) => self.store.code(&digest_of(&token)).await?,
            Err(_) => None,
        };
        let code = code.filter(|(code, _)| code.client == client.id);
        match code {
            Some((code, account)) if code.redeemed_at.is_some() || code.expires_at > self.world.now() => {
                Ok((code, account, verifier))
            }
            _ => {
                self.note_refused_grant(&client.id, None, "unknown, expired or foreign code", person);
                let network = person.address.map(net::address::network_of);
                match network.map(|network| self.code_failures.take(&network)) {
                    Some(Err(wait)) => Err(IssueError::TooMany(wait)),
                    _ => Err(not_yours()),
                }
            }
        }
    }

    /// PKCE, redirect URI and resource. All of it can be tried again, so nothing is consumed.
    fn check_binding(&self, code: &Code, form: &Params, verifier: &str) -> Result<(), IssueError> {
        if verifier.is_empty() {
            return Err(OAuthError::invalid_request("code_verifier is missing").into());
        }
        if !pkce::is_verifier(verifier) || !verifies(&code.challenge, verifier) {
            return Err(refused("code_verifier does not fit the code_challenge"));
        }
        // OS-61: absent is fine, present must be the same, port included (CC-47).
        if single(form, "redirect_uri")?.is_some_and(|uri| uri != code.redirect_uri.as_str()) {
            return Err(refused(
                "redirect_uri is not the one of the authorization request",
            ));
        }
        self.check_resource(form, code.server.as_ref())
    }

    /// OS-53: `resource` at the token endpoint must be what was granted. The origin or a parent path says
    /// nothing.
    pub(crate) fn check_resource(
        &self,
        form: &Params,
        server: Option<&model::ServerName>,
    ) -> Result<(), IssueError> {
        let named = self.fold_resources(form.all("resource"))?;
        let granted: BTreeSet<_> = server.cloned().into_iter().collect();
        if named.is_subset(&granted) {
            Ok(())
        } else {
            Err(OAuthError::invalid_target("this grant is for another server").into())
        }
    }

    /// A second valid request with the same code: what it issued is revoked (OS-57).
    async fn replayed(&self, code: &Code, person: &Person) -> Result<IssueError, IssueError> {
        let now = self.world.now();
        if self
            .store
            .end_grant(code.grant, EndReason::CodeReplayed, now)
            .await?
        {
            let what = What::GrantEnded {
                grant: code.grant,
                account: code.account,
                client: code.client.clone(),
                reason: EndReason::CodeReplayed.as_str().to_owned(),
            };
            self.recorder.record(what, person.clone());
        }
        Ok(refused("the code was used before; what it issued is revoked"))
    }

    /// Records that there is no permit for a grant, unless it is a fault of ours.
    pub(crate) fn note_not_permitted(
        &self,
        client: &ClientId,
        grant: GrantId,
        error: &IssueError,
        person: &Person,
    ) {
        if let IssueError::Refused(why) = error {
            self.note_refused_grant(client, Some(grant), &why.description, person);
        }
    }

    pub(crate) fn note_refused_grant(
        &self,
        client: &ClientId,
        grant: Option<GrantId>,
        reason: &str,
        person: &Person,
    ) {
        let what = What::GrantRefused {
            client: client.clone(),
            grant,
            reason: reason.to_owned(),
        };
        self.recorder.record(what, person.clone());
    }
}

/// A parameter's only value.
pub(crate) fn single<'a>(form: &'a Params, name: &str) -> Result<Option<&'a str>, OAuthError> {
    form.one(name)
        .map_err(|error| OAuthError::invalid_request(error.to_string()))
}

fn refused(text: &str) -> IssueError {
    IssueError::Refused(OAuthError::invalid_grant(text))
}

#[cfg(test)]
mod tests;
