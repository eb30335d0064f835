//! The data plane, for MCP and, in [`api`], for plain HTTP. No HTML, no SQL.
//!
//! ```text
//! route ─▶ authenticate ─▶ read the message ─▶ authorize ─▶ credential ─▶ forward ─▶ answer ─▶ record
//! ```
//!
//! One module per step; a value is handed from step to step, and each step can end the journey with one
//! typed [`Refusal`], which knows its status, its challenge and what the audit record says of it. The order
//! of checks is DEC-15.
//!
//! On the way of a call there is no database (but for tasks: `task`), no lock that two calls fight for, and nothing that grows with
//! the number of people, servers or tokens. Bytes are forwarded as they came.

pub mod answer;
pub mod api;
pub mod authenticate;
pub mod authorize;
mod caller;
pub mod catalogue;
mod chosen;
pub mod connection;
pub mod cors;
pub mod credential;
mod doubt;
pub mod exchange;
mod filter;
pub mod forward;
pub mod gateway;
mod handle;
pub mod health;
mod in_flight;
mod insufficient_user_authentication;
pub mod journey;
pub mod last_known;
pub mod legacy_sse;
pub mod linger;
mod list_changed;
pub mod listening;
pub mod listing;
pub mod message;
pub mod metadata;
pub mod metrics;
mod names;
pub mod old_tokens;
mod on_record;
mod origin;
pub mod quota;
pub mod record;
pub mod refusal;
pub mod route;
pub mod session;
pub mod share;
pub mod step_up;
mod stream;
pub mod streamable;
pub mod strip;
mod task;
pub mod trace;

pub use api::Api;
pub use catalogue::{Catalogue, Pinning};
pub use chosen::KeptArguments;
pub use gateway::{Gateway, Parts};
pub use health::Health;
pub use quota::{Counted, Quota};
pub use refusal::{HumanPages, Refusal};
pub use route::{Assertion, Kind, Route, Routes, Timeouts, Transport, Trusts};
pub use share::{Concurrency, Share};
pub use strip::Stripped;
