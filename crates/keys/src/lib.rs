//! Cryptography in one place: digests, randomness, sealing at rest, signing keys, JWT, password hashes.
//!
//! No other crate of ours calls a cryptographic primitive. Everything rests on `aws-lc-rs`, except argon2,
//! which it does not have, and the reading of other people's JWKs, which `jsonwebtoken` does.

pub mod digest;
pub mod entropy;
pub mod jwk;
pub mod jws;
pub mod master;
pub mod password;
pub mod private_file;
pub mod seal;
pub mod signing;
pub mod succession;
pub mod verifying;

pub use digest::{digest_of, same, sha256};
pub use entropy::SystemEntropy;
pub use jwk::PublicKeys;
pub use master::{MasterKey, MasterKeyId, MasterKeys};
pub use seal::{Purpose, Sealed, Sealer};
pub use signing::{Algorithm, SigningKey};
pub use verifying::VerifyingKey;
