//! The `refresh_token` grant, exactly as DEC-1 and DEC-2: rotation that survives lost replies, several
//! processes with one token file and laptops that wake up, without ever forking a chain.
//!
//! ```text
//!            head ──────────────────────────────▶ rotate: successor becomes the head
//!  presented
//!   token n  rotated, n+1 unused, < 24 h ───────▶ the same pair again
//!            rotated, n+1 in use, < overlap ────▶ the pair at the head of the chain
//!            rotated, later ────────────────────▶ invalid_grant; this grant ends, and only it
//! ```
//!
//! The database holds digests. What a repeat needs lies sealed under the predecessor, so only the holder
//! of token n can make us say what n+1 is (`keys::succession`).

use std::time::Duration;

use audit::{Issue, Person, What};
use keys::{digest_of, succession};
use model::{AccountId, ClientId, GrantId, OpaqueToken, TokenKind};
use people::NotUpheld;
use protocol::{OAuthError, Params, Scopes};
use serde::{Deserialize, Serialize};
use store::{AccountView, Client, EndReason, Grant, NewRefreshToken, RefreshToken, Rotation};

use crate::code::single;
use crate::issue::{Holder, IssueError, Minted, Permit, Standpoint, TokenResponse};
use crate::server::AuthorizationServer;

/// A chain is walked so far at most from a late token to its head.
const LONGEST_WALK: usize = 1000;
/// A delivered access token that is nearly over is minted anew.
const NEARLY_OVER: Duration = Duration::from_secs(30);

/// What lies sealed under a rotated token: its successor and what came with it.
#[derive(Serialize, Deserialize)]
struct Link {
    refresh_token: String,
    minted: Minted,
}

/// What is to be done with a presented token.
enum Course {
    Rotate,
    /// The pair that this token was rotated into.
    Redeliver,
    /// The pair at the head of the chain.
    Head,
}

impl AuthorizationServer {
    /// Refreshes for an authenticated client.
    pub async fn refresh(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<TokenResponse, IssueError> {
        let text = single(form, "refresh_token")?
            .ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
        let token = OpaqueToken::parse(TokenKind::Refresh, text)
            .map_err(|_| refused("refresh_token is malformed; it may have been cut off"))?;
        if self.readings.can_ask() {
            let (_, grant, _) = self.find(client, &token, person).await?;
            self.still_upheld(&client.id, (grant.account, grant.id), person)
                .await?;
        }
        // Twice at most: whoever loses the race to rotate finds the winner's result.
        for _ in 0..2 {
            let (row, grant, account) = self.find(client, &token, person).await?;
            // Before anything is rotated, so that the client can try again (invalid_target is retryable).
            self.check_resource(form, grant.server.as_ref())?;
            // Before anything else is refused: a token that somebody copied ends its grant in any case.
            let Some(course) = self.course(&row).await? else {
                return Err(self.revoke_replayed(&grant, person).await?);
            };
            let permit = self
                .permit(Standpoint::from(&grant), account, Holder::Client(client))
                .inspect_err(|error| self.note_not_permitted(&client.id, grant.id, error, person))?;
            let scopes = narrowed(single(form, "scope")?, &grant);
            match course {
                Course::Rotate => {
                    if let Some(response) = self.rotate(&token, &row, &permit, &scopes, person).await? {
                        return Ok(response);
                    }
                }
                Course::Redeliver => return self.deliver(&token, &row, &grant, &permit, false, person).await,
                Course::Head => {
                    if self.store.count_repeat(grant.id).await? > self.settings().refresh.repeats {
                        return Err(self.revoke_replayed(&grant, person).await?);
                    }
                    return self.deliver(&token, &row, &grant, &permit, true, person).await;
                }
            }
        }
        Err(IssueError::Unavailable(
            "the refresh token is being rotated at this moment".to_owned(),
        ))
    }

    /// Whoever came from a directory or a provider is asked about there, before anything is decided by what it said before. Somebody who is
    /// gone gets nothing more; while nobody answers, clients keep what they have. Asked before the transaction: what it changes
    /// is read again there.
    pub(crate) async fn still_upheld(
        &self,
        client: &ClientId,
        (account, grant): (AccountId, GrantId),
        person: &Person,
    ) -> Result<(), IssueError> {
        match self.readings.uphold(account, person).await {
            Ok(()) => Ok(()),
            Err(error @ (NotUpheld::TurnedAway | NotUpheld::Expired)) => {
                let why = error.to_string();
                self.note_refused_grant(client, Some(grant), &why, person);
                Err(refused(&why))
            }
            Err(error) => Err(IssueError::Unavailable(error.to_string())),
        }
    }

    /// The token's row and its living grant, of this client, with whose it is.
    async fn find(
        &self,
        client: &Client,
        token: &OpaqueToken,
        person: &Person,
    ) -> Result<(RefreshToken, Grant, AccountView), IssueError> {
        let now = self.world.now();
        let Some((row, grant, account)) = self.store.refresh_token(&digest_of(token)).await? else {
            self.note_refused_grant(&client.id, None, "unknown refresh token", person);
            return Err(refused("refresh_token is unknown or has run out; sign in again"));
        };
        let why = match &grant.ended {
            _ if grant.client != client.id => Some("the refresh token was issued to another client"),
            Some(_) => Some("the grant has ended; sign in again"),
            None if grant.expires_at <= now => Some("the grant is too old; sign in again"),
            None if row.rotated_at.is_none() && row.expires_at <= now => {
                Some("the refresh token was not used for too long; sign in again")
            }
            None => None,
        };
        match why {
            None => Ok((row, grant, account)),
            Some(why) => {
                self.note_refused_grant(&client.id, Some(grant.id), why, person);
                Err(refused(why))
            }
        }
    }

    /// DEC-1. `None` if it came too late: somebody else may have it.
    async fn course(&self, row: &RefreshToken) -> Result<Option<Course>, IssueError> {
        let Some(rotated_at) = row.rotated_at else {
            return Ok(Some(Course::Rotate));
        };
        let rules = self.settings().refresh;
        let age = self.world.now().since(rotated_at);
        let successor = self.store.refresh_token_at(row.grant, row.generation + 1).await?;
        // Used: it was itself refreshed, or an access token that came with it was accepted.
        let used =
            successor.is_none_or(|successor| successor.rotated_at.is_some() || successor.used_at.is_some());
        Ok(match used {
            false if age < rules.redelivery => Some(Course::Redeliver),
            true if age < rules.overlap => Some(Course::Head),
            _ => None,
        })
    }

    /// Makes the successor the head; `None` if somebody else was faster.
    async fn rotate(
        &self,
        token: &OpaqueToken,
        row: &RefreshToken,
        permit: &Permit,
        scopes: &Scopes,
        person: &Person,
    ) -> Result<Option<TokenResponse>, IssueError> {
        let now = self.world.now();
        let successor = self.world.new_token(TokenKind::Refresh);
        let minted = self.mint(permit, row.generation + 1, scopes)?;
        let link = Link {
            refresh_token: successor.expose().to_owned(),
            minted,
        };
        let sealed = serde_json::to_vec(&link).map_err(|error| IssueError::Unavailable(error.to_string()))?;
        let sealed = succession::seal(&self.world, token, row.grant, &sealed);
        let new = NewRefreshToken {
            digest: digest_of(&successor),
            expires_at: now + self.settings().lifetimes.refresh_idle,
        };
        match self.store.rotate(row, &new, &sealed, now).await? {
            Rotation::Lost => Ok(None),
            Rotation::Rotated => {
                self.note_issue(permit, &link.minted, Issue::RefreshToken, person);
                Ok(Some(self.response(&link.minted, Some(link.refresh_token))))
            }
        }
    }

    /// Gives again what was given before: the successor's pair, or the pair at the head of the chain.
    async fn deliver(
        &self,
        token: &OpaqueToken,
        row: &RefreshToken,
        grant: &Grant,
        permit: &Permit,
        to_head: bool,
        person: &Person,
    ) -> Result<TokenResponse, IssueError> {
        let broken = || refused("the refresh token cannot be delivered again; sign in again");
        let mut link = open(token, row).ok_or_else(broken)?;
        let mut generation = row.generation + 1;
        for _ in 0..LONGEST_WALK {
            let next = self
                .store
                .refresh_token_at(grant.id, generation)
                .await?
                .ok_or_else(broken)?;
            if !to_head || next.rotated_at.is_none() {
                break;
            }
            let token = OpaqueToken::parse(TokenKind::Refresh, &link.refresh_token).map_err(|_| broken())?;
            link = open(&token, &next).ok_or_else(broken)?;
            generation += 1;
        }
        if link.minted.expires_at <= self.world.now() + NEARLY_OVER {
            let scopes = Scopes::parse(&link.minted.scope).union(&grant.widened);
            link.minted = self.mint(permit, generation, &scopes)?;
        }
        self.note_issue(permit, &link.minted, Issue::Redelivery, person);
        Ok(self.response(&link.minted, Some(link.refresh_token)))
    }

    /// A rotated token that comes back too late: this chain and its grant end, and nothing else does.
    async fn revoke_replayed(&self, grant: &Grant, person: &Person) -> Result<IssueError, IssueError> {
        let reason = EndReason::RefreshReplayed;
        if self.store.end_grant(grant.id, reason, self.world.now()).await? {
            let what = What::GrantEnded {
                grant: grant.id,
                account: grant.account,
                client: grant.client.clone(),
                reason: reason.as_str().to_owned(),
            };
            self.recorder.record(what, person.clone());
        }
        Ok(refused(
            "the refresh token was replaced long ago; the session has ended, sign in again",
        ))
    }
}

fn open(token: &OpaqueToken, row: &RefreshToken) -> Option<Link> {
    let opened = succession::unseal(token, row.grant, row.link.as_ref()?).ok()?;
    serde_json::from_slice(&opened).ok()
}

/// CC-67: absent means unchanged, a subset narrows the access token, the rest is ignored. What the person added later
/// stays: a client that repeats what it asked for does not know of that (CC-77).
fn narrowed(asked: Option<&str>, grant: &Grant) -> Scopes {
    let asked = Scopes::parse(asked.unwrap_or_default()).intersection(&grant.scopes);
    if asked.is_empty() {
        grant.scopes.clone()
    } else {
        asked.union(&grant.widened)
    }
}

fn refused(text: &str) -> IssueError {
    IssueError::Refused(OAuthError::invalid_grant(text))
}

#[cfg(test)]
mod tests;
