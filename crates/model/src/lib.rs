//! The vocabulary every room shares: ids, time, randomness, opaque tokens, states and change events.
//!
//! Nothing here performs I/O and nothing here knows a wire format. Time and randomness enter the program
//! through [`World`] alone, so that a test owns the clock and the dice.

pub mod account;
pub mod assurance;
pub mod bucket;
pub mod change;
pub mod demand;
pub mod id;
pub mod name;
pub mod slowdown;
pub mod time;
pub mod token;
pub mod world;

pub use account::AccountStatus;
pub use assurance::Assurance;
pub use change::Change;
pub use demand::{Demand, Requirement, Requirements};
pub use id::{
    AccountId, DeviceId, EventId, GrantId, PasskeyId, ServiceTokenId, SessionId, TokenId, TransactionId,
};
pub use name::{ClientId, GroupName, ServerName, Username};
pub use secrecy::{ExposeSecret, SecretSlice, SecretString};
pub use time::Timestamp;
pub use token::{OpaqueToken, TokenDigest, TokenKind};
pub use world::{Clock, Entropy, World};
