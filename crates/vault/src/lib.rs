//! Upstream credentials: what the door shows to the servers behind it, and nobody else sees.
//!
//! Today there is one kind, the shared static credential of an upstream ([`shared`]): headers from
//! templates, with values from files or the environment.

pub mod shared;
pub mod template;

pub use shared::{SharedCredential, SharedError};
pub use template::{Template, TemplateError};
