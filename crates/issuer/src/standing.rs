//! What has been taken back since tokens were issued: ended grants, revoked tokens and service tokens, ended clients.
//! And what has been added: grants that a person widened (CC-77).
//!
//! A concurrent set in memory, read by every call without a lock and written by the change log. An entry
//! goes when the last token it touches has run out. Disabled accounts are not here: their view in
//! `people::Directory` says so.

use std::sync::Arc;

use model::id::Id as _;
use model::{Change, ClientId, GrantId, ServiceTokenId, Timestamp, TokenId, World};
use papaya::HashMap;
use protocol::Scopes;
use store::{Store, StoreError, Widening};
use tokio::sync::watch;

use crate::settings::LONGEST_ACCESS;

/// What has been taken back.
#[derive(Debug)]
pub struct Standing {
    world: World,
    /// What was added to grants.
    widened: HashMap<GrantId, Arc<Widening>>,
    /// Until when to remember.
    grants: HashMap<GrantId, Timestamp>,
    tokens: HashMap<TokenId, Timestamp>,
    service_tokens: HashMap<ServiceTokenId, Timestamp>,
    /// Grants made up to this moment are ended.
    clients: HashMap<ClientId, Timestamp>,
    /// Moves with every change, so that open streams look again.
    changed: watch::Sender<u64>,
}

impl Standing {
    /// Reads what was taken back lately, and follows the change log from then on.
    pub async fn load(world: World, store: &Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        let now = world.now();
        let standing = Arc::new(Self {
            world,
            widened: HashMap::new(),
            grants: HashMap::new(),
            tokens: HashMap::new(),
            service_tokens: HashMap::new(),
            clients: HashMap::new(),
            changed: watch::Sender::new(0),
        });
        // Listening begins before reading: what changes in between is heard, and hearing twice is harmless.
        let follower = Arc::downgrade(&standing);
        store.listen(Arc::new(move |change| {
            if let Some(standing) = follower.upgrade() {
                standing.apply(change);
            }
        }));
        let since = now - LONGEST_ACCESS;
        for (grant, at) in store.ended_grants(since).await? {
            standing.grants.pin().insert(grant, at + LONGEST_ACCESS);
        }
        for (grant, widening) in store.widened_grants(since).await? {
            standing.widen(grant, &widening);
        }
        for (token, until) in store.revoked_tokens(now).await? {
            standing.tokens.pin().insert(token, until);
        }
        for (client, at) in store.ended_clients(since).await? {
            standing.clients.pin().insert(client, at);
        }
        Ok(standing)
    }

    /// Whether a token of this grant and client still stands; that it has not run out is not asked here.
    pub fn stands(&self, grant: GrantId, token: TokenId, client: &ClientId) -> bool {
        self.client_stands(client, grant.made_at())
            && !self.grants.pin().contains_key(&grant)
            && !self.tokens.pin().contains_key(&token)
    }

    /// Whether a client has not ended since this moment.
    pub fn client_stands(&self, client: &ClientId, since: Timestamp) -> bool {
        let clients = self.clients.pin();
        clients.get(client).is_none_or(|&ended| since > ended)
    }

    /// What a person added to this grant, if anything that a token from before would lack.
    pub fn widening(&self, grant: GrantId) -> Option<Arc<Widening>> {
        if self.widened.is_empty() {
            return None;
        }
        self.widened.pin().get(&grant).cloned()
    }

    /// In whichever order they come, and whichever replica's clock they bear, none undoes another.
    fn widen(&self, grant: GrantId, widening: &Widening) {
        let both = |known: &Arc<Widening>| {
            Arc::new(Widening {
                added: known.added.union(&widening.added),
                at: known.at.max(widening.at),
            })
        };
        self.widened
            .pin()
            .update_or_insert(grant, both, Arc::new(widening.clone()));
    }

    /// Whether a service token that was read from the database, at whatever moment, was not revoked since.
    pub fn service_token_stands(&self, token: ServiceTokenId) -> bool {
        !self.service_tokens.pin().contains_key(&token)
    }

    /// Moves whenever anything may have been taken back, also by a new configuration.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes open streams look again.
    pub fn look_again(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn apply(&self, change: &Change) {
        match change {
            Change::GrantEnded { grant, at } => {
                self.grants.pin().insert(*grant, *at + LONGEST_ACCESS);
            }
            Change::GrantWidened { grant, added, at } => {
                let added = Scopes::parse(added);
                self.widen(*grant, &Widening { added, at: *at });
            }
            Change::TokenRevoked { token, until } => {
                self.tokens.pin().insert(*token, *until);
            }
            Change::ServiceTokenRevoked { token, until } => {
                self.service_tokens.pin().insert(*token, *until);
            }
            Change::ClientEnded { client, at } => {
                self.clients.pin().insert(client.clone(), *at);
            }
            Change::AccountChanged { .. } | Change::IdentityChanged { .. } => {}
            Change::SessionEnded { .. }
            | Change::DeviceDecided { .. }
            | Change::KeysChanged
            | Change::CatalogueChanged { .. }
            | Change::ConnectionChanged { .. } => return,
        }
        self.look_again();
    }

    /// Forgets what no token can be touched by any more. Gives how many entries are left.
    pub fn sweep(&self) -> usize {
        let now = self.world.now();
        let widened = self.widened.pin();
        widened.retain(|_, widening| widening.at + LONGEST_ACCESS > now);
        self.grants.pin().retain(|_, until| *until > now);
        self.tokens.pin().retain(|_, until| *until > now);
        self.service_tokens.pin().retain(|_, until| *until > now);
        self.clients
            .pin()
            .retain(|_, ended| *ended + LONGEST_ACCESS > now);
        widened.len()
            + self.grants.pin().len()
            + self.tokens.pin().len()
            + self.service_tokens.pin().len()
            + self.clients.pin().len()
    }
}
