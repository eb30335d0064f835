//! Persistence, seen from above: one trait per table, the records they deal in, and the error.
//!
//! Two crates fulfil [`Store`]: `store-sqlite` and `store-postgres`. Both compile the same modules from
//! `engine/`, each against its own engine, so a statement is written once and checked twice.
//!
//! Rules of this room (docs/internals/architecture.md):
//!
//! * A method is one transaction. What it answered is durable; what it did not answer left nothing.
//! * A state change is one guarded statement: the expected state stands in its `WHERE`, the row count
//!   decides, and the method says which way it went. Nothing is checked first and written later.
//! * A change that other rooms must know is written to the change log in the same transaction, and told to
//!   this process's listeners before the method returns.

pub mod accounts;
pub mod audit;
pub mod backup;
pub mod catalogue;
pub mod ceremonies;
pub mod changes;
pub mod clean_up;
pub mod clients;
pub mod codes;
pub mod connecting;
pub mod connections;
pub mod consents;
pub mod device_approvals;
pub mod device_authorizations;
pub mod error;
pub mod factors;
pub mod grants;
pub mod groups;
pub mod guesses;
pub mod identities;
pub mod invitations;
pub mod leases;
pub mod old_tokens;
pub mod passkeys;
pub mod provider_grants;
pub mod recovery_codes;
pub mod refresh_tokens;
pub mod service_tokens;
pub mod sessions;
pub mod sign_ins;
pub mod signing_keys;
pub mod tasks;
pub mod totp_secrets;
pub mod transactions;
pub mod upstream_clients;

pub use accounts::{Account, AccountView, Accounts, NewAccount};
pub use audit::{
    AuditBlock, AuditBlocks, AuditChain, AuditCursor, AuditKeyRecord, AuditKeys, AuditSignature,
};
pub use backup::Backup;
pub use catalogue::{Catalogue, CatalogueEntry, CatalogueKey, CredentialClass, Listed};
pub use ceremonies::{Ceremonies, Ceremony, NewCeremony, Shown};
pub use changes::{Changes, Listener};
pub use clean_up::{CleanUp, Retention, Swept};
pub use clients::{Client, ClientSource, Clients, NewClient};
pub use codes::{Code, Codes, NewGrant, Redemption};
pub use connecting::{Connecting, NewConnecting, TakenConnecting};
pub use connections::{
    Connection, ConnectionKind, ConnectionUse, Connections, LastUse, NewConnection, Renewed,
};
pub use consents::{Consent, Consents};
pub use device_approvals::{Approval, DeviceApprovals};
pub use device_authorizations::{
    Added, Allowed, DeviceAuthorization, DeviceAuthorizations, MostWaiting, NewDeviceAuthorization, Verdict,
};
pub use error::{Result, StoreError};
pub use factors::{AllFactors, Factors};
pub use grants::{EndReason, Grant, Grants, RevokedTokens, Widening};
pub use groups::{Group, Groups, ProvidedGroup, Regrouped};
pub use guesses::GuessCounters;
pub use identities::{ByAddress, ForeignName, Identities, Identity, LinkedAccount, OtherWay};
pub use invitations::{Invitation, Invitations, NewInvitation};
pub use leases::Leases;
pub use old_tokens::{OldTokenUses, OldTokens};
pub use passkeys::{Passkey, Passkeys};
pub use provider_grants::{Asked, ProviderGrant, ProviderGrants};
pub use recovery_codes::RecoveryCodes;
pub use refresh_tokens::{NewRefreshToken, RefreshToken, RefreshTokens, Rotation};
pub use service_tokens::{NewServiceToken, ServiceToken, ServiceTokens};
pub use sessions::{EndedThere, NewSession, Proved, Session, Sessions};
pub use sign_ins::{NewSignIn, SignIns, UnderWay};
pub use signing_keys::{SigningKeyRecord, SigningKeys};
pub use tasks::{Task, Tasks};
pub use totp_secrets::{TotpSecret, TotpSecrets};
pub use transactions::{Decision, DeviceDecision, NewTransaction, Transaction, Transactions};
pub use upstream_clients::{UpstreamClient, UpstreamClients, UpstreamPlace};

/// Everything a database does for us.
pub trait Store:
    Accounts
    + AllFactors
    + AuditBlocks
    + AuditKeys
    + Backup
    + Catalogue
    + Ceremonies
    + Changes
    + CleanUp
    + Clients
    + Codes
    + Connecting
    + Connections
    + Consents
    + DeviceApprovals
    + DeviceAuthorizations
    + Grants
    + Groups
    + GuessCounters
    + Identities
    + Invitations
    + Leases
    + OldTokens
    + Passkeys
    + ProviderGrants
    + RecoveryCodes
    + RefreshTokens
    + RevokedTokens
    + ServiceTokens
    + Sessions
    + SignIns
    + SigningKeys
    + Tasks
    + TotpSecrets
    + Transactions
    + UpstreamClients
    + Send
    + Sync
    + std::fmt::Debug
{
}
