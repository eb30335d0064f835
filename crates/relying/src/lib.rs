//! Relying on other issuers: where their keys are, which keys those are now, and what their tokens say.
//!
//! Everything here is asked of an issuer that the operator named; nothing in a token chooses where anybody looks. Who
//! the person is here, and whether they may, is the business of others.

pub mod access;
pub mod claims;
pub mod discovery;
pub mod key_set;
pub mod trusted;

pub use access::ForeignAccess;
pub use claims::{ClaimNames, ClaimPath};
pub use trusted::{BadForeignToken, Trust, TrustedIssuer};
