//! The store on PostgreSQL, for several replicas.
//!
//! Everything but [`db`] is shared with `store-sqlite` and lies in `crates/store/engine`.

#[path = "../../store/engine/accounts.rs"]
mod accounts;
#[path = "../../store/engine/audit.rs"]
mod audit;
#[path = "../../store/engine/backup.rs"]
mod backup;
#[path = "../../store/engine/catalogue.rs"]
mod catalogue;
#[path = "../../store/engine/ceremonies.rs"]
mod ceremonies;
#[path = "../../store/engine/changes.rs"]
mod changes;
#[path = "../../store/engine/clean_up.rs"]
mod clean_up;
#[path = "../../store/engine/clients.rs"]
mod clients;
#[path = "../../store/engine/codes.rs"]
mod codes;
#[path = "../../store/engine/connecting.rs"]
mod connecting;
#[path = "../../store/engine/connections.rs"]
mod connections;
#[path = "../../store/engine/consents.rs"]
mod consents;
#[path = "../../store/engine/device_approvals.rs"]
mod device_approvals;
#[path = "../../store/engine/device_authorizations.rs"]
mod device_authorizations;
#[path = "../../store/engine/factors.rs"]
mod factors;
#[path = "../../store/engine/grants.rs"]
mod grants;
#[path = "../../store/engine/groups.rs"]
mod groups;
#[path = "../../store/engine/guesses.rs"]
mod guesses;
#[path = "../../store/engine/identities.rs"]
mod identities;
#[path = "../../store/engine/invitations.rs"]
mod invitations;
#[path = "../../store/engine/leases.rs"]
mod leases;
#[path = "../../store/engine/old_tokens.rs"]
mod old_tokens;
#[path = "../../store/engine/passkeys.rs"]
mod passkeys;
#[path = "../../store/engine/provider_grants.rs"]
mod provider_grants;
#[path = "../../store/engine/recovery_codes.rs"]
mod recovery_codes;
#[path = "../../store/engine/refresh_tokens.rs"]
mod refresh_tokens;
#[path = "../../store/engine/rows.rs"]
mod rows;
#[path = "../../store/engine/service_tokens.rs"]
mod service_tokens;
#[path = "../../store/engine/sessions.rs"]
mod sessions;
#[path = "../../store/engine/sign_ins.rs"]
mod sign_ins;
#[path = "../../store/engine/signing_keys.rs"]
mod signing_keys;
#[path = "../../store/engine/tasks.rs"]
mod tasks;
#[path = "../../store/engine/totp_secrets.rs"]
mod totp_secrets;
#[path = "../../store/engine/transactions.rs"]
mod transactions;
#[path = "../../store/engine/upstream_clients.rs"]
mod upstream_clients;

mod db;

pub use db::Engine as PostgresStore;
