//! OAuth clients, wherever they come from.

use async_trait::async_trait;
use model::{ClientId, Timestamp, TokenDigest};
use protocol::ClientMetadata;
use std::str::FromStr;

use crate::error::Result;

/// Where a client comes from; decides who may change it and how far it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientSource {
    /// The configuration file.
    Configuration,
    /// An operator's command.
    Command,
    /// A dynamic registration (RFC 7591).
    Registration,
    /// A client id metadata document.
    Document,
}

impl ClientSource {
    /// The word kept in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Command => "command",
            Self::Registration => "registration",
            Self::Document => "document",
        }
    }
}

impl FromStr for ClientSource {
    type Err = String;
    fn from_str(word: &str) -> std::result::Result<Self, String> {
        [
            Self::Configuration,
            Self::Command,
            Self::Registration,
            Self::Document,
        ]
        .into_iter()
        .find(|source| source.as_str() == word)
        .ok_or_else(|| format!("unknown client source {word:?}"))
    }
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where it comes from.
    pub source: ClientSource,
    /// What is known of it.
    pub metadata: ClientMetadata,
    /// Digest of its registration access token (RFC 7592).
    pub registration: Option<TokenDigest>,
    /// Of a metadata document: its digest.
    pub document_digest: Option<[u8; 32]>,
    /// Of a metadata document: until when it need not be fetched again.
    pub fresh_until: Option<Timestamp>,
    /// When it came.
    pub created_at: Timestamp,
    /// When its metadata last changed or was confirmed.
    pub updated_at: Timestamp,
    /// When somebody first completed a sign-in with it.
    pub completed_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Timestamp,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
    /// Digests of its secrets, newest first.
    pub secrets: Vec<TokenDigest>,
}

/// A client to be made.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its id.
    pub id: ClientId,
    /// Where it comes from.
    pub source: ClientSource,
    /// What is known of it.
    pub metadata: ClientMetadata,
    /// Digest of its registration access token.
    pub registration: Option<TokenDigest>,
    /// Digests of its secrets.
    pub secrets: Vec<TokenDigest>,
}

/// The `clients`, `client_secrets` and `client_assertions` tables.
#[async_trait]
pub trait Clients {
    /// Makes a client. `false` if the id is taken: the client that has it is left alone but counts as used.
    async fn add_client(&self, client: &NewClient, now: Timestamp) -> Result<bool>;
    /// By id.
    async fn client(&self, id: &ClientId) -> Result<Option<Client>>;
    /// All, latest used first; without secrets.
    async fn clients(&self) -> Result<Vec<Client>>;
    /// Makes the clients of the configuration exactly these: adds, changes, and disables those that are
    /// gone together with all their grants.
    async fn configure_clients(&self, clients: &[NewClient], now: Timestamp) -> Result<()>;
    /// Keeps a fetched metadata document.
    async fn put_document(
        &self,
        id: &ClientId,
        metadata: &ClientMetadata,
        digest: &[u8; 32],
        fresh_until: Timestamp,
        now: Timestamp,
    ) -> Result<()>;
    /// Replaces the metadata of a registered client (RFC 7592). `false` if the registration token is not
    /// its own any more.
    async fn update_registration(
        &self,
        id: &ClientId,
        registration: &TokenDigest,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<bool>;
    /// Replaces all secrets but the newest by this one, so that two are good while the change is made; or,
    /// without `overlap`, all. `false` if the client is unknown.
    async fn rotate_secret(
        &self,
        id: &ClientId,
        secret: &TokenDigest,
        overlap: bool,
        now: Timestamp,
    ) -> Result<bool>;
    /// Disables a client and ends all its grants, or lets it be used again. `false` if nothing changed.
    async fn set_client_disabled(&self, id: &ClientId, disabled: bool, now: Timestamp) -> Result<bool>;
    /// Deletes a client and ends all its grants. `false` if it is unknown.
    async fn remove_client(&self, id: &ClientId, now: Timestamp) -> Result<bool>;
    /// Notes a client assertion. `false` if it was used before (RFC 7523 section 3, `jti`).
    async fn use_assertion(&self, digest: &[u8; 32], expires_at: Timestamp) -> Result<bool>;
    /// Clients that were last disabled after `since`, with when, whether or not they are enabled again.
    async fn ended_clients(&self, since: Timestamp) -> Result<Vec<(ClientId, Timestamp)>>;
}
