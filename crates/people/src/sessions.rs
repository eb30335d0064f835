//! Browser sessions: begun by a proof, known by a cookie, rotated at sign-in, ended by their owner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use keys::digest_of;
use model::{AccountId, OpaqueToken, SessionId, TokenKind, World};
use protocol::text::display_name;
use store::{AccountView, NewSession, Session, Store, StoreError};

use crate::directory::Directory;
use crate::sign_in::{Proof, SignInError};

/// How long a session lives.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// Without being used.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(24),
            absolute: Duration::from_hours(14 * 24),
        }
    }
}

/// A session's use is written at most so often.
const TOUCH_EVERY: Duration = Duration::from_mins(1);
const LONGEST_USER_AGENT: usize = 200;
/// Most characters of a name that somebody gives a session.
const LONGEST_NAME: usize = 60;

/// A browser that is signed in, with who it is.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The person.
    pub account: Arc<AccountView>,
    /// The session's cookie, from which form tokens are derived.
    pub cookie: OpaqueToken,
}

/// The cookies of a session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// The session's id.
    pub session: SessionId,
    /// The session cookie.
    pub cookie: OpaqueToken,
    /// The cookie by which the browser is known again; kept if there was one.
    pub browser: OpaqueToken,
}

/// Where a session begins.
#[derive(Debug)]
pub struct Place<'a> {
    /// The browser's cookie, if it signed in before.
    pub browser: Option<&'a str>,
    /// The session this browser had.
    pub replaces: Option<SessionId>,
    /// Digest of the authorization request that asked for a fresh sign-in.
    pub fresh_for: Option<[u8; 32]>,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

/// Sessions.
#[derive(Clone, Debug)]
pub struct Sessions {
    world: World,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    recorder: Recorder,
    policy: SessionPolicy,
}

impl Sessions {
    /// The parts it needs.
    pub fn new(
        world: World,
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        recorder: Recorder,
        policy: SessionPolicy,
    ) -> Self {
        Self {
            world,
            store,
            directory,
            recorder,
            policy,
        }
    }

    /// Begins a session for somebody who has proved who they are.
    pub async fn begin(&self, proof: Proof, place: Place<'_>) -> Result<Begun, SignInError> {
        let now = self.world.now();
        let raised = proof.raises.as_ref();
        let stands = raised.is_none_or(|raised| place.replaces == Some(raised.session));
        let cookie = self.world.new_token(TokenKind::Session);
        let browser = place
            .browser
            .and_then(|text| OpaqueToken::parse(TokenKind::Browser, text).ok())
            .unwrap_or_else(|| self.world.new_token(TokenKind::Browser));
        let user_agent = display_name(place.user_agent, LONGEST_USER_AGENT).unwrap_or_default();
        let there = proof.there;
        // A proof of before, if the provider says when; never one of the future.
        let proved_at = there.as_ref().and_then(|there| there.at);
        let lives = there
            .as_ref()
            .map_or(self.policy.absolute, |there| there.lifetime);
        let session = NewSession {
            id: self.world.new_id(),
            digest: digest_of(&cookie),
            replaces: place.replaces,
            raises: raised.is_some(),
            browser: digest_of(&browser),
            account: proof.account,
            authenticated_at: proved_at.map_or(now, |at| at.min(now)),
            // Made for a request is what the whole proof was made for.
            fresh_for: raised.map_or(place.fresh_for, |raised| raised.fresh_for),
            expires_at: match raised {
                Some(raised) => raised.until,
                None => now + lives.min(self.policy.absolute),
            },
            user_agent: user_agent.clone(),
            address: place.address.to_string(),
            proved: proof.proved,
        };
        let person = Person {
            username: Some(proof.username.to_string()),
            address: Some(place.address),
            user_agent: Some(user_agent),
            ..Person::default()
        };
        if !stands || !self.store.add_session(&session, now).await? {
            let what = What::SignInRefused {
                account: Some(proof.account),
                reason: match raised {
                    Some(_) => "the session has ended, or the account is not active".to_owned(),
                    None => "account not active".to_owned(),
                },
            };
            self.recorder.record(what, person);
            return Err(SignInError::Refused);
        }
        let what = What::SignedIn {
            account: proof.account,
            session: session.id,
            method: proof.method,
        };
        self.recorder.record(what, person);
        Ok(Begun {
            session: session.id,
            cookie,
            browser,
        })
    }

    /// Who this cookie is, if anybody.
    pub async fn find(&self, cookie: &str) -> Result<Option<SignedIn>, StoreError> {
        let Ok(cookie) = OpaqueToken::parse(TokenKind::Session, cookie) else {
            return Ok(None);
        };
        let now = self.world.now();
        let Some(session) = self
            .store
            .session(&digest_of(&cookie), now - self.policy.idle, now)
            .await?
        else {
            return Ok(None);
        };
        let Some(account) = self.directory.view(session.account).await? else {
            return Ok(None);
        };
        if now.since(session.last_seen_at) >= TOUCH_EVERY {
            self.store.touch_session(session.id, now).await?;
        }
        Ok(Some(SignedIn {
            session,
            account,
            cookie,
        }))
    }

    /// The sessions of a person, latest first.
    pub async fn of(&self, account: AccountId) -> Result<Vec<Session>, StoreError> {
        let now = self.world.now();
        self.store.sessions_of(account, now - self.policy.idle, now).await
    }

    /// Gives a session of this person a name, or takes it away if nothing of it can be shown. `false` if they have no
    /// such session.
    pub async fn name(&self, session: SessionId, account: AccountId, name: &str) -> Result<bool, StoreError> {
        let name = display_name(name, LONGEST_NAME);
        self.store
            .name_session(session, account, name.as_deref(), self.world.now())
            .await
    }

    /// Ends a session of this person. `false` if they have no such session.
    pub async fn end(
        &self,
        session: SessionId,
        account: AccountId,
        person: Person,
    ) -> Result<bool, StoreError> {
        let ended = self.store.end_session(session, account, self.world.now()).await?;
        if ended {
            let what = What::SignedOut {
                account,
                session,
                provider: None,
            };
            self.recorder.record(what, person);
        }
        Ok(ended)
    }
}
