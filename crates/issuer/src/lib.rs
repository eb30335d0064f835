//! The authorization server's decisions. No HTTP types, no HTML: `web` asks, and turns answers into pages
//! and JSON.
//!
//! ```text
//! authorize request ─▶ client ─▶ person ─▶ consent ─▶ code ─▶ tokens ─▶ chain of refreshes
//!   authorize.rs      clients.rs  people     consent.rs  code.rs  issue.rs   refresh.rs
//!
//! device request ─▶ user code ─▶ person ─▶ consent ─▶ device code ─▶ tokens
//!   device_authorization.rs   authorize/device.rs       device_code.rs
//! ```
//!
//! Every grant type ends in [`issue`], so "is this account still active, is it still allowed, does the
//! grant still stand" is asked in one place for all of them. [`standing`] is what has been taken back;
//! [`verify`] checks our own access tokens and [`service_tokens`] our service tokens, and both ask it on every hit.

pub mod approved;
pub mod authorize;
pub mod client_authentication;
pub mod client_credentials;
pub mod client_names;
pub mod clients;
pub mod code;
pub mod consent;
pub mod device_authorization;
pub mod device_code;
pub mod documents;
pub mod end_session;
pub mod introspection;
pub mod issue;
pub mod jwt_bearer;
pub mod key_ring;
pub mod known_clients;
pub mod machine;
pub mod refresh;
pub mod registration;
pub mod revocation;
pub mod server;
pub mod service_tokens;
pub mod settings;
pub mod standing;
pub mod step_up;
pub mod subject_pattern;
#[cfg(test)]
mod testing;
pub mod token_exchange;
pub mod userinfo;
pub mod verify;

pub use approved::Approved;
pub use authorize::{Outcome, Refused, Return};
pub use client_names::{ClientName, ClientNames};
pub use clients::{ClientFace, Vouching};
pub use consent::{Decided, Question};
pub use issue::TokenResponse;
pub use key_ring::KeyRing;
pub use known_clients::KnownClients;
pub use machine::{AllPrograms, Machine, Machines, Programs, Workload};
pub use server::{AuthorizationServer, Parts};
pub use service_tokens::ServiceTokens;
pub use settings::{IssFlag, Lifetimes, RefreshRules, Registration, Resource, Settings, Target};
pub use standing::Standing;
pub use subject_pattern::SubjectPattern;
pub use token_exchange::Exchange;
pub use verify::{Access, InvalidToken, Verifier};
