//! What upstreams say they have: tools, prompts, resources and templates, each as it was last listed and as it
//! was accepted.

use async_trait::async_trait;
use model::{ServerName, Timestamp};

use crate::error::Result;

/// With whose credential a server was asked. What it says may depend on that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CredentialClass {
    /// One for all.
    #[default]
    Shared,
    /// Each person's own.
    Own,
}

impl CredentialClass {
    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Own => "own",
        }
    }
}

/// Where an entry is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CatalogueKey {
    /// Of which server.
    pub server: ServerName,
    /// Listed with whose credential.
    pub credential: CredentialClass,
    /// In which list, by the method that asks for it.
    pub list: String,
    /// By which name or URI.
    pub name: String,
}

/// An entry as it was listed just now.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is found.
    pub key: CatalogueKey,
    /// The whole entry, as JSON text.
    pub definition: String,
    /// SHA-256 of what the entry says, however it was written.
    pub fingerprint: [u8; 32],
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Where it is found.
    pub key: CatalogueKey,
    /// The whole entry as it was last listed, as JSON text.
    pub definition: String,
    /// SHA-256 of what it says.
    pub fingerprint: [u8; 32],
    /// The entry as it was accepted: when it was first seen, or later by an operator.
    pub accepted_definition: String,
    /// SHA-256 of that.
    pub accepted: [u8; 32],
    /// When it was first listed.
    pub first_seen_at: Timestamp,
    /// When it was last listed with another definition than before.
    pub changed_at: Timestamp,
}

/// The `catalogue` table.
#[async_trait]
pub trait Catalogue {
    /// Everything that a server listed to whoever showed such a credential.
    async fn catalogue(
        &self,
        server: &ServerName,
        credential: CredentialClass,
    ) -> Result<Vec<CatalogueEntry>>;
    /// Keeps what was listed. What is new is accepted; a definition that is not the one before is kept beside the
    /// accepted one. `false` if nothing changed.
    async fn keep_listed(&self, listed: &[Listed], now: Timestamp) -> Result<bool>;
    /// Accepts a definition, if it is still the latest. `false` if it is not.
    async fn accept_definition(
        &self,
        key: &CatalogueKey,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool>;
    /// Forgets everything of a server. What it lists next is accepted. `false` if nothing was known.
    async fn forget_catalogue(&self, server: &ServerName, now: Timestamp) -> Result<bool>;
}
