//! The wire vocabulary of OAuth 2.1, OpenID Connect and MCP: types, parsers and matching rules.
//!
//! Pure: nothing here performs I/O. Every parser takes bytes from outside, so each is bounded, never
//! panics and has a fuzz target. Names are the standards' own.

pub mod basic;
pub mod challenge;
pub mod client_metadata;
pub mod cors;
pub mod error;
pub mod issuer;
pub mod jwt;
pub mod mcp;
pub mod metadata;
pub mod origin;
pub mod params;
pub mod pkce;
pub mod prefer;
pub mod redirect;
pub mod request_path;
pub mod resource;
pub mod scope;
pub mod text;
pub mod trace_parent;
pub mod trace_state;
pub mod user_code;

pub use client_metadata::{AuthMethod, ClientKeys, ClientMetadata};
pub use error::{ErrorCode, OAuthError};
pub use issuer::Issuer;
pub use origin::{Origin, Origins};
pub use params::Params;
pub use redirect::RedirectUri;
pub use request_path::{BadRequestPath, RequestPath};
pub use scope::{Scope, Scopes};
pub use trace_parent::TraceParent;
pub use trace_state::TraceState;
pub use user_code::UserCode;
