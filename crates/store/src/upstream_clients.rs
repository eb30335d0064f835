//! This door as a client that registered itself at the providers of connectors (RFC 7591).

use async_trait::async_trait;
use model::{EventId, ServerName, Timestamp};

use crate::error::Result;

/// Where the door is a client: at which provider of which connector, coming back to which address. One that changes is
/// another client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamPlace {
    /// What the configuration calls the provider.
    pub connector: ServerName,
    /// Its identifier.
    pub issuer: String,
    /// Where it sends browsers back to.
    pub redirect_uri: String,
}

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamClient {
    /// Changes with it.
    pub version: EventId,
    /// What the provider calls us.
    pub client_id: String,
    /// The secret and how it is shown, in an envelope.
    pub sealed: Vec<u8>,
    /// From then on it counts no longer.
    pub expires_at: Option<Timestamp>,
}

/// The `upstream_clients` table.
#[async_trait]
pub trait UpstreamClients {
    /// What the door is there, whether it still counts or not; none before it was registered.
    async fn upstream_client(&self, place: &UpstreamPlace) -> Result<Option<UpstreamClient>>;
    /// All of them.
    async fn upstream_clients(&self) -> Result<Vec<(UpstreamPlace, UpstreamClient)>>;
    /// Takes the right to register until `until`, if what is there is still `before`, and nobody else has it.
    async fn claim_upstream_client(
        &self,
        place: &UpstreamPlace,
        before: Option<EventId>,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
    /// Writes what the provider gave to whoever still has that right. `false` if they have not.
    async fn finish_upstream_client(
        &self,
        place: &UpstreamPlace,
        holder: EventId,
        client: &UpstreamClient,
        now: Timestamp,
    ) -> Result<bool>;
    /// Gives the right back.
    async fn give_up_upstream_client(&self, place: &UpstreamPlace, holder: EventId) -> Result<()>;
    /// Ends a registration that the provider does not know any more. `false` if it was replaced or ended before.
    async fn end_upstream_client(
        &self,
        place: &UpstreamPlace,
        version: EventId,
        now: Timestamp,
    ) -> Result<bool>;
    /// Puts an envelope under another master key in the place of the one before. `false` if it changed meanwhile.
    async fn reseal_upstream_client(
        &self,
        place: &UpstreamPlace,
        before: &[u8],
        after: &[u8],
    ) -> Result<bool>;
}
