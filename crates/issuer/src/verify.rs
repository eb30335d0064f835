//! Checking our own access tokens: for the gateway, for userinfo, for introspection, for revocation.
//!
//! The signature is paid once per token: what it says is kept under the token's digest until it runs out.
//! Expiry and [`Standing`] are asked on every hit. Who the person is now, and whether they are allowed, is
//! the caller's next question.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keys::jwk::SignatureError;
use keys::{Algorithm, sha256};
use model::id::Id as _;
use model::{
    AccountId, AccountStatus, Assurance, ClientId, GrantId, ServiceTokenId, Timestamp, TokenId, World,
};
use protocol::jwt::{ACCESS_TOKEN, AccessClaims, Actor, Compact, CompactError};
use protocol::{Issuer, Scopes};
use quick_cache::sync::Cache;
use store::{AccountView, OldTokenUses};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::client_names::{ClientName, ClientNames};
use crate::key_ring::KeyRing;
use crate::standing::Standing;

/// Tokens whose claims are kept.
const CAPACITY: usize = 200_000;
/// A grant's use is noted at most so often.
const NOTE_USE_EVERY: Duration = Duration::from_mins(1);

/// An access token that counts.
#[derive(Debug)]
pub struct Access {
    /// The person.
    pub account: AccountId,
    /// The client it was issued to.
    pub client: ClientId,
    /// The grant it stands on.
    pub grant: GrantId,
    /// Which refresh of the grant it came with.
    pub generation: i64,
    /// Its id.
    pub token: TokenId,
    /// The one audience.
    pub audience: String,
    /// What was granted.
    pub scopes: Scopes,
    /// The same as text, separated by spaces.
    pub scope: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// When the person last proved who they are.
    /// None if nobody signed in for it.
    pub auth_time: Option<Timestamp>,
    /// How sure that is.
    pub assurance: Assurance,
    /// By which methods.
    pub amr: Vec<String>,
    /// Who acts for the person, and who before.
    pub actor: Option<Actor>,
    noted: Noted,
    /// What the client was called when the token was first seen; `None` inside if nobody could say.
    name: OnceLock<Option<ClientName>>,
}

impl Access {
    /// What the client was called when the token was first seen.
    pub fn client_name(&self) -> Option<&ClientName> {
        self.name.get().and_then(Option::as_ref)
    }
}

/// Why a token does not count. The texts are what the challenge says.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum InvalidToken {
    /// Not a token of ours.
    #[error("malformed token")]
    Malformed,
    /// Signed by nobody we know, or with an algorithm that we do not use.
    #[error("bad signature")]
    Signature,
    /// An ID token, an assertion, anything but an access token (OS-122).
    #[error("not an access token")]
    Type,
    /// Of another issuer.
    #[error("wrong issuer")]
    Issuer,
    /// Its time is over.
    #[error("token expired")]
    Expired,
    /// Taken back.
    #[error("token revoked")]
    Revoked,
}

/// Something was used; written behind the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// An access token of this grant and generation was accepted.
    Grant {
        /// The grant.
        grant: GrantId,
        /// The generation.
        generation: i64,
        /// When.
        at: Timestamp,
    },
    /// A token of the time before was accepted.
    OldToken(OldTokenUses),
    /// A service token was accepted.
    ServiceToken {
        /// Which.
        token: ServiceTokenId,
        /// When.
        at: Timestamp,
    },
}

/// When a use was last noted; at most one a minute is.
#[derive(Debug, Default)]
pub(crate) struct Noted(AtomicI64);

impl Noted {
    /// Whether a use at this moment is to be noted: the first one, and later one a minute.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let noted = self.0.load(Ordering::Relaxed);
        now.since(Timestamp::from_millis(noted)) >= NOTE_USE_EVERY
            && self
                .0
                .compare_exchange(noted, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// Checks access tokens.
#[derive(Debug)]
pub struct Verifier {
    world: World,
    issuer: Issuer,
    keys: Arc<KeyRing>,
    standing: Arc<Standing>,
    names: Arc<ClientNames>,
    known: Cache<[u8; 32], Arc<Access>>,
    uses: mpsc::UnboundedSender<Use>,
}

impl Verifier {
    /// A verifier, and the uses of grants that it notes, to be written behind the calls.
    pub fn new(
        world: World,
        issuer: Issuer,
        keys: Arc<KeyRing>,
        standing: Arc<Standing>,
        names: Arc<ClientNames>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Use>) {
        let (uses, receiver) = mpsc::unbounded_channel();
        (
            Arc::new(Self {
                world,
                issuer,
                keys,
                standing,
                names,
                known: Cache::new(CAPACITY),
                uses,
            }),
            receiver,
        )
    }

    /// Where uses are noted.
    pub fn uses(&self) -> mpsc::UnboundedSender<Use> {
        self.uses.clone()
    }

    /// What clients are called.
    pub fn names(&self) -> &ClientNames {
        &self.names
    }

    /// Makes sure that it is known what the client of a token is called; waits for a token that is seen for the first
    /// time alone, and hardly ever then.
    pub async fn learn_name(&self, access: &Access) {
        if access.name.get().is_none() {
            let name = self.names.find(&access.client).await;
            let _ = access.name.set(name);
        }
    }

    /// Checks an access token. Does not say whom it is for: compare [`Access::audience`].
    pub fn verify(&self, token: &str) -> Result<Arc<Access>, InvalidToken> {
        let digest = sha256(token.as_bytes());
        let access = match self.known.get(&digest) {
            Some(access) => access,
            None => {
                let access = Arc::new(self.read(token)?);
                self.known.insert(digest, Arc::clone(&access));
                access
            }
        };
        match self.still_counts(&access) {
            Ok(()) => Ok(match self.widened(&access) {
                Some(widened) => {
                    self.known.insert(digest, Arc::clone(&widened));
                    widened
                }
                None => access,
            }),
            Err(why) => {
                self.known.remove(&digest);
                Err(why)
            }
        }
    }

    /// Whether an access token that counted before still does; asked again while a stream is open.
    pub fn still_counts(&self, access: &Access) -> Result<(), InvalidToken> {
        if access.expires_at <= self.world.now() {
            return Err(InvalidToken::Expired);
        }
        let is_of = |client| self.standing.stands(access.grant, access.token, client);
        let stands = match &access.actor {
            None => is_of(&access.client),
            // The first was granted it, and whoever acts for the person after that has it since the exchange.
            Some(actor) => {
                let first = actor.chain().last();
                let since = access.token.made_at();
                let stands = |client| self.standing.client_stands(client, since);
                first.is_some_and(is_of) && actor.chain().all(stands)
            }
        };
        stands.then_some(()).ok_or(InvalidToken::Revoked)
    }

    /// The token with what the person added to its grant, if it lacks that (CC-77).
    pub fn widened(&self, access: &Access) -> Option<Arc<Access>> {
        let widening = self.standing.widening(access.grant)?;
        // What the person allows a program is not for whoever acts for it.
        if access.actor.is_some() || widening.added.is_subset(&access.scopes) {
            return None;
        }
        let scopes = access.scopes.union(&widening.added);
        Some(Arc::new(Access {
            scope: scopes.to_string(),
            scopes,
            client: access.client.clone(),
            audience: access.audience.clone(),
            amr: access.amr.clone(),
            actor: access.actor.clone(),
            name: access.name.clone(),
            noted: Noted::default(),
            ..*access
        }))
    }

    /// Forgets every checked signature, after a signing key was removed.
    pub fn forget_signatures(&self) {
        self.known.clear();
    }

    /// Notes that a token was accepted: the first time at once, later within a minute.
    pub fn note_use(&self, access: &Access) {
        let now = self.world.now();
        if access.noted.is_due(now) {
            let _ = self.uses.send(Use::Grant {
                grant: access.grant,
                generation: access.generation,
                at: now,
            });
        }
    }

    /// What a token of ours says, counting or not; for revoking one (RFC 7009 takes expired ones too).
    pub fn read(&self, token: &str) -> Result<Access, InvalidToken> {
        let compact = Compact::parse(token).map_err(|_: CompactError| InvalidToken::Malformed)?;
        if compact.header.media_type() != ACCESS_TOKEN {
            return Err(InvalidToken::Type);
        }
        let allowed = Algorithm::ALL.map(Algorithm::as_str);
        self.keys
            .public()
            .verify(&compact, &allowed)
            .map_err(|_: SignatureError| InvalidToken::Signature)?;
        let claims: AccessClaims = keys::jws::claims(&compact).ok_or(InvalidToken::Malformed)?;
        if claims.iss != self.issuer {
            return Err(InvalidToken::Issuer);
        }
        Ok(Access {
            account: claims.sub,
            client: claims.client_id,
            grant: claims.grant,
            generation: claims.generation,
            token: claims.jti,
            audience: claims.aud,
            scope: claims.scope.to_string(),
            scopes: claims.scope,
            issued_at: Timestamp::from_seconds(claims.iat),
            expires_at: Timestamp::from_seconds(claims.exp),
            auth_time: claims.auth_time.map(Timestamp::from_seconds),
            assurance: Assurance::of_acr(claims.acr.as_deref()),
            amr: claims.amr,
            actor: claims.act,
            noted: Noted::default(),
            name: OnceLock::new(),
        })
    }
}

/// Whether the person whom a token is for may still use it: the account is active, and the grant was made
/// after it was last disabled.
pub fn is_current(account: &AccountView, access: &Access) -> bool {
    account.status == AccountStatus::Active && access.grant.made_at() > account.grants_end_before
}
