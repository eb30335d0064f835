//! Connections: what people linked at upstream providers.

use async_trait::async_trait;
use model::{AccountId, EventId, ServerName, Timestamp};

use crate::error::Result;

/// How a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionKind {
    /// Its owner typed a personal access token or key.
    Token,
    /// Its owner allowed it at the provider.
    OAuth,
}

impl ConnectionKind {
    /// As it lies in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::OAuth => "oauth",
        }
    }
}

impl std::str::FromStr for ConnectionKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "token" => Ok(Self::Token),
            "oauth" => Ok(Self::OAuth),
            other => Err(format!("{other} is no kind of connection")),
        }
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose.
    pub account: AccountId,
    /// What the configuration calls the provider.
    pub connector: ServerName,
    /// How it was made.
    pub kind: ConnectionKind,
    /// The credential in its envelope.
    pub sealed: Vec<u8>,
    /// Changes with the credential.
    pub version: EventId,
    /// Who the person is there, for programs; empty if nobody says it.
    pub upstream_id: String,
    /// Who the person is there, for people.
    pub upstream_name: Option<String>,
    /// When the credential runs out, if anybody said.
    pub expires_at: Option<Timestamp>,
    /// When it is to be renewed.
    pub renew_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when, and why, it does not count any more.
    pub ended: Option<(Timestamp, String)>,
    /// When it was last used, and for what.
    pub last_use: Option<LastUse>,
}

impl Connection {
    /// Who the person is there, for people; `None` if nobody says it.
    pub fn shown(&self) -> Option<&str> {
        let shown = self.upstream_name.as_deref().unwrap_or(&self.upstream_id);
        Some(shown).filter(|shown| !shown.is_empty())
    }
}

/// What a connection was last used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// What the program is called.
    pub client: Option<String>,
    /// For which server.
    pub server: Option<String>,
    /// Which tool, or which method.
    pub tool: Option<String>,
}

/// A connection that is made, or made anew.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// Whose.
    pub account: AccountId,
    /// What the configuration calls the provider.
    pub connector: ServerName,
    /// How it was made.
    pub kind: ConnectionKind,
    /// The credential in its envelope.
    pub sealed: Vec<u8>,
    /// Of this credential alone.
    pub version: EventId,
    /// Who the person is there, for programs.
    pub upstream_id: String,
    /// Who the person is there, for people.
    pub upstream_name: Option<String>,
    /// When the credential runs out, if anybody said.
    pub expires_at: Option<Timestamp>,
    /// When it is to be renewed.
    pub renew_at: Option<Timestamp>,
}

/// A credential that takes the place of another one in its connection.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// Whose.
    pub account: AccountId,
    /// Of which provider.
    pub connector: ServerName,
    /// The version of the one before.
    pub before: EventId,
    /// Who holds the lease.
    pub holder: EventId,
    /// The credential in its envelope.
    pub sealed: Vec<u8>,
    /// Of this credential alone.
    pub version: EventId,
    /// When it runs out, if anybody said.
    pub expires_at: Option<Timestamp>,
    /// When it is to be renewed.
    pub renew_at: Option<Timestamp>,
}

/// A use of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionUse {
    /// Whose.
    pub account: AccountId,
    /// Of which provider.
    pub connector: ServerName,
    /// For what.
    pub last: LastUse,
}

/// The `connections` table.
#[async_trait]
pub trait Connections {
    /// One connection, live or ended.
    async fn connection(&self, account: AccountId, connector: &ServerName) -> Result<Option<Connection>>;
    /// Those of a person.
    async fn connections_of(&self, account: AccountId) -> Result<Vec<Connection>>;
    /// All of them.
    async fn connections(&self) -> Result<Vec<Connection>>;
    /// Makes a connection, or puts another credential into it. `false` if the account is not active.
    async fn connect(&self, connection: &NewConnection, now: Timestamp) -> Result<bool>;
    /// Notes that a credential does not count any more; only if it is still the one in there, and counted.
    async fn end_connection(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        because: &str,
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes the lease to renew a credential: only if it is the one in there, counts, and nobody else holds the lease.
    async fn claim_renewal(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        holder: EventId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
    /// Puts a renewed credential in: only for whoever holds the lease, in the place of the one that it was taken for.
    async fn finish_renewal(&self, renewed: &Renewed, now: Timestamp) -> Result<bool>;
    /// Gives the lease back.
    async fn give_up_renewal(
        &self,
        account: AccountId,
        connector: &ServerName,
        version: EventId,
        holder: EventId,
    ) -> Result<()>;
    /// Removes a connection.
    async fn disconnect(&self, account: AccountId, connector: &ServerName, now: Timestamp) -> Result<bool>;
    /// Puts an envelope under another master key in the place of the one before.
    async fn reseal_connection(
        &self,
        account: AccountId,
        connector: &ServerName,
        before: &[u8],
        after: &[u8],
    ) -> Result<bool>;
    /// Writes down uses.
    async fn touch_connections(&self, uses: &[ConnectionUse]) -> Result<()>;
}
