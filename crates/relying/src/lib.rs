//! Relying on other issuers: where their keys are, which keys those are now, what their tokens say, and letting people
//! prove there who they are.
//!
//! Everything here is asked of an issuer that the operator named, or that a server of the operator's named
//! ([`protected_resource`]); nothing in a token chooses where anybody looks. Who the person is here, and whether they may, is
//! the business of others.

pub mod access;
mod address;
pub mod challenge;
pub mod claims;
mod client_authentication;
pub mod client_key;
pub mod client_registration;
pub mod credential_check;
pub mod device_authorization;
pub mod discovery;
pub mod endpoints;
pub mod github;
pub mod id_token;
pub mod kept;
pub mod key_set;
pub mod logout_token;
pub mod metadata;
pub mod oauth_client;
pub mod outward;
pub mod profile;
mod programs;
pub mod protected_resource;
pub mod provider;
pub mod relation;
mod token_request;
pub mod trusted;
pub mod upstream;

pub use access::ForeignAccess;
pub use claims::{ClaimNames, ClaimPath};
pub use client_key::ClientKey;
pub use credential_check::{CheckError, Checked, CheckedAt, CredentialCheck, Secret};
pub use github::{GitHub, GitHubRelation};
pub use kept::{Came, Kept, Renewed};
pub use logout_token::{BadLogoutToken, LoggedOut};
pub use metadata::{ClientAuthentication, ProviderMetadata};
pub use oauth_client::OAuthClient;
pub use outward::{Outward, Way};
pub use profile::Profile;
pub use provider::{OpenIdProvider, ProviderError};
pub use relation::{Arrival, Departure, Relation};
pub use trusted::{BadForeignToken, Trust, TrustedIssuer};
pub use upstream::Upstream;
