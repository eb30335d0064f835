//! What has changed and must be known at once in every room and on every replica.
//!
//! A change is written to the store's change log in the transaction that makes it. It reaches this
//! process's rooms before the answer to whoever asked for it is sent, and other replicas within a second
//! (DEC-3). Applying one twice does nothing more.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DeviceId, GrantId, ServiceTokenId, SessionId, TokenId};
use crate::name::{ClientId, ServerName};
use crate::time::Timestamp;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A grant has ended: its access tokens count no longer.
    GrantEnded {
        /// Which.
        grant: GrantId,
        /// When.
        at: Timestamp,
    },
    /// A person allowed a grant's client more than before: its access tokens from before get it too (CC-77).
    GrantWidened {
        /// Which.
        grant: GrantId,
        /// The scopes that were added, these and earlier ones, separated by spaces.
        added: String,
        /// When.
        at: Timestamp,
    },
    /// One access token was revoked alone (DEC-2).
    TokenRevoked {
        /// Its `jti`.
        token: TokenId,
        /// When it runs out.
        until: Timestamp,
    },
    /// A service token was revoked.
    ServiceTokenRevoked {
        /// Which.
        token: ServiceTokenId,
        /// When it would have run out.
        until: Timestamp,
    },
    /// Somebody at another issuer is another account here than before, or none.
    IdentityChanged {
        /// The issuer.
        issuer: String,
        /// Who there.
        subject: String,
    },
    /// An account's name, groups or status are not what they were.
    AccountChanged {
        /// Which.
        account: AccountId,
    },
    /// A client was removed or disabled: grants made to it up to that moment count no longer.
    ClientEnded {
        /// Which.
        client: ClientId,
        /// When.
        at: Timestamp,
    },
    /// A browser session has ended.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// What somebody linked at a provider was made, ended or removed.
    ConnectionChanged {
        /// Whose.
        account: AccountId,
        /// Which provider.
        connector: ServerName,
    },
    /// A person answered a program without a browser (RFC 8628): whoever waits for the answer asks for it now.
    DeviceDecided {
        /// Which request.
        device: DeviceId,
    },
    /// Signing keys were added, retired or removed.
    KeysChanged,
    /// A server lists other things than before, or something that it lists was accepted.
    CatalogueChanged {
        /// Which.
        server: ServerName,
    },
}
