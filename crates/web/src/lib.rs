//! The faces of the authorization server: OAuth endpoints, and pages for people.
//!
//! Decisions are the issuer's and people's; here requests become questions, and answers become JSON,
//! redirects and pages. Pages are rendered on the server, work without JavaScript, and come in English and
//! Traditional Chinese. Knows nothing of MCP.

pub mod account;
pub mod apps;
pub mod assets;
pub mod authorize;
pub mod client_document;
pub mod company_links;
pub mod company_logout;
pub mod company_sign_in;
mod company_trouble;
pub mod connect;
pub mod connect_first;
pub mod connecting;
pub mod connecting_away;
pub mod connections;
pub mod consent;
pub mod cookies;
pub mod cors;
pub mod device;
pub mod device_authorization;
pub mod fallback;
pub mod form_token;
mod fresh;
pub mod home;
pub mod introspection;
pub mod invitation;
pub mod locale;
pub mod logout;
pub mod metadata;
pub mod oauth_json;
pub mod onward;
pub mod page;
pub mod passkey_sign_in;
pub mod recovery_codes;
pub mod registration;
pub mod request;
pub mod return_to_client;
pub mod revocation;
pub mod router;
pub mod second_factor;
pub mod security;
pub mod sessions;
pub mod sign_in;
mod step_up;
pub mod step_up_authentication;
pub mod token;
pub mod totp;
pub mod userinfo;

pub use page::opened_in_browser;
pub use router::{Parts, Site, Web};
