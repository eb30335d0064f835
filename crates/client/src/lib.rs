//! The user's side of the command line: from the URL of an MCP server to a token for it, without a token ever lying in
//! a plain file, a history or an environment that outlives a call.
//!
//! Nothing here knows the server's side of this program: every MCP server and every authorization server that follows
//! the standards is the same to it.

pub mod bridge;
pub mod callback;
pub mod conversation;
pub mod discovery;
pub mod git_credential;
pub mod home;
pub mod known_clients;
pub mod kube;
pub mod login;
pub mod program;
pub mod registration;
pub mod session;
pub mod token_store;
pub mod tokens;

pub use bridge::Bridge;
pub use discovery::{Discovered, DiscoveryError, Found, discover, issuer_url, server_url, sign_in_url};
pub use home::{Home, HomeError, Known};
pub use login::{Login, LoginError, Outcome, Screen, Surroundings, Way, login, open_browser};
pub use program::{Assertion, KeyFile, Program, Variables};
pub use registration::Configured;
pub use token_store::{Kind, Question, TokenStore, TokenStoreError};
pub use tokens::{Access, Ended, Standing, TokenError, access, id_token, logout, standings};
