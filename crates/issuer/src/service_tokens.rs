//! Checking service tokens: opaque, long-lived, for programs that have no browser.
//!
//! The shape and the checksum come first, so that garbage costs nothing. Then the digest is looked up, once: what
//! the database said is kept in memory, and [`Standing`] is asked on every hit. A stranger who makes up tokens
//! of the right shape is answered from memory too, and soon not looked up at all.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use keys::digest_of;
use model::{AccountId, OpaqueToken, ServerName, ServiceTokenId, Timestamp, TokenDigest, TokenKind, World};
use net::address::network_of;
use people::limits::Limit;
use protocol::scope;
use quick_cache::sync::Cache;
use store::{Store, StoreError};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};

use crate::standing::Standing;
use crate::verify::{InvalidToken, Noted, Use};

/// The client of every service token, as policy rules and records name it.
pub const CLIENT: &str = "service-token";

/// Tokens that are kept in memory.
const CAPACITY: usize = 50_000;
/// Digests that are remembered as unknown, and for how long.
const UNKNOWN: usize = 50_000;
const UNKNOWN_FOR: Duration = Duration::from_mins(5);
/// Unknown tokens of one network that are looked up.
const GUESSES: u32 = 60;
const GUESSES_IN: Duration = Duration::from_mins(10);
/// Look-ups at the same moment.
const AT_ONCE: usize = 8;

/// A service token that is known, whether or not it still counts.
#[derive(Debug)]
pub struct ServiceAccess {
    /// Its name in lists and records.
    pub id: ServiceTokenId,
    /// As whom it acts.
    pub account: AccountId,
    /// The servers that it is for.
    pub servers: Vec<ServerName>,
    /// What it was granted, separated by spaces: `mcp`, and scopes of its servers.
    pub scope: String,
    /// When it runs out.
    pub expires_at: Timestamp,
    revoked: bool,
    used: Noted,
    refused: Noted,
}

/// Why a text leads to no service token.
#[derive(Debug, Error)]
pub enum NotFound {
    /// Wrong length or checksum.
    #[error("malformed token")]
    Malformed,
    /// There is none of this digest.
    #[error("unknown token")]
    Unknown,
    /// Too many unknown ones came from this network.
    #[error("too many unknown tokens")]
    TooMany(Duration),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks service tokens.
#[derive(Debug)]
pub struct ServiceTokens {
    world: World,
    store: Arc<dyn Store>,
    standing: Arc<Standing>,
    uses: mpsc::UnboundedSender<Use>,
    known: Cache<TokenDigest, Arc<ServiceAccess>>,
    unknown: Cache<TokenDigest, Timestamp>,
    guesses: Limit<IpNet>,
    places: Semaphore,
}

impl ServiceTokens {
    /// Knows none yet; `uses` are written behind the calls.
    pub fn new(
        world: World,
        store: Arc<dyn Store>,
        standing: Arc<Standing>,
        uses: mpsc::UnboundedSender<Use>,
    ) -> Self {
        Self {
            guesses: Limit::new(world.clone(), GUESSES, GUESSES_IN),
            world,
            store,
            standing,
            uses,
            known: Cache::new(CAPACITY),
            unknown: Cache::new(UNKNOWN),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether a text may be a service token, by its first characters.
    pub fn fits(token: &str) -> bool {
        token.starts_with(TokenKind::Service.prefix())
    }

    /// The service token that somebody at this address showed, counting or not.
    pub async fn find(&self, token: &str, address: IpAddr) -> Result<Arc<ServiceAccess>, NotFound> {
        let token = OpaqueToken::parse(TokenKind::Service, token).map_err(|_| NotFound::Malformed)?;
        let digest = digest_of(&token);
        if let Some(known) = self.known.get(&digest) {
            return Ok(known);
        }
        // Whoever shows the same token at the same moment waits for the one look-up.
        self.known
            .get_or_insert_async(&digest, self.look_up(digest, network_of(address)))
            .await
    }

    async fn look_up(&self, digest: TokenDigest, network: IpNet) -> Result<Arc<ServiceAccess>, NotFound> {
        let now = self.world.now();
        if self.unknown.get(&digest).is_some_and(|until| until > now) {
            return Err(NotFound::Unknown);
        }
        let _place = self.places.acquire().await;
        // Taken before it is looked up, and given back for one that is known: many at once are no way around it.
        self.guesses.take(&network).map_err(NotFound::TooMany)?;
        match self.store.service_token_by_digest(&digest).await? {
            Some(token) => {
                self.guesses.give_back(&network);
                Ok(Arc::new(ServiceAccess {
                    id: token.id,
                    account: token.account,
                    scope: format!("{} {}", scope::MCP, token.scopes).trim_end().to_owned(),
                    servers: token.servers,
                    expires_at: token.expires_at,
                    revoked: token.revoked_at.is_some(),
                    used: Noted::default(),
                    refused: Noted::default(),
                }))
            }
            None => {
                self.unknown.insert(digest, now + UNKNOWN_FOR);
                Err(NotFound::Unknown)
            }
        }
    }

    /// Whether a token counts; asked on every call, and again while a stream is open. Who the owner is now is the
    /// caller's next question.
    pub fn counts(&self, token: &ServiceAccess) -> Result<(), InvalidToken> {
        if token.revoked || !self.standing.service_token_stands(token.id) {
            return Err(InvalidToken::Revoked);
        }
        if token.expires_at <= self.world.now() {
            return Err(InvalidToken::Expired);
        }
        Ok(())
    }

    /// Notes that a token was accepted: the first time at once, later within a minute.
    pub fn note_use(&self, token: &ServiceAccess) {
        let at = self.world.now();
        if token.used.is_due(at) {
            let _ = self.uses.send(Use::ServiceToken { token: token.id, at });
        }
    }

    /// Whether a refusal of this token is to be recorded: the first one, and later one a minute, so that a job
    /// that tries again and again does not fill the record.
    pub fn refusal_is_due(&self, token: &ServiceAccess) -> bool {
        token.refused.is_due(self.world.now())
    }
}

/// Whether a client id stands for callers who come without a client of ours, so that no client may have it.
pub fn is_reserved(client: &str) -> bool {
    client == CLIENT
        || client == "legacy"
        || client.starts_with("issuer:")
        || client.starts_with(crate::jwt_bearer::PREFIX)
}
