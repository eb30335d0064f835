//! What providers gave to be asked again about people who signed in there.

use async_trait::async_trait;
use model::{AccountId, EventId, Timestamp};

use crate::error::Result;
use crate::identities::ForeignName;

/// What a provider gave for one identity.
#[derive(Clone, Debug)]
pub struct ProviderGrant {
    /// Who there.
    pub name: ForeignName,
    /// Who here.
    pub account: AccountId,
    /// What was given, in its envelope.
    pub sealed: Vec<u8>,
    /// Changes with it.
    pub version: EventId,
}

/// What became of a question that was asked with a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was answered, or not asked at all.
    Known,
    /// Nobody knows: whoever asked died, or heard nothing. A provider that rotates may have put another in its place.
    Unknown,
}

/// The `provider_grants` table.
#[async_trait]
pub trait ProviderGrants {
    /// That of an identity.
    async fn provider_grant(&self, name: &ForeignName) -> Result<Option<ProviderGrant>>;
    /// All of them.
    async fn provider_grants(&self) -> Result<Vec<ProviderGrant>>;
    /// Keeps what was given at a sign-in, in place of what was there; only while the identity is this account's.
    async fn keep_provider_grant(&self, grant: &ProviderGrant) -> Result<bool>;
    /// Takes the lease to ask with it: only if it is the one in there, and nobody else holds the lease. A lease that nobody
    /// gave back is a question of which nobody knows what became; that stays so until it is known of a later one. Gives that
    /// of the last one, or `None` without the lease.
    async fn claim_provider_grant(
        &self,
        grant: &ProviderGrant,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Asked>>;
    /// Puts what was given anew in the place of what it was asked with, for whoever holds the lease, which ends.
    async fn replace_provider_grant(
        &self,
        before: &ProviderGrant,
        holder: EventId,
        after: &ProviderGrant,
    ) -> Result<bool>;
    /// Gives the lease back, with what became of the question.
    async fn release_provider_grant(
        &self,
        grant: &ProviderGrant,
        holder: EventId,
        asked: Asked,
    ) -> Result<()>;
    /// Forgets one that does not count any more, if it is still the one in there. `false` if it is not.
    async fn end_provider_grant(&self, grant: &ProviderGrant) -> Result<bool>;
    /// Puts an envelope under another master key in the place of the one before.
    async fn reseal_provider_grant(&self, grant: &ProviderGrant, after: &[u8]) -> Result<bool>;
}
