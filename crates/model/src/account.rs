//! The states an account can be in.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Where an account stands.
///
/// ```text
/// Invited ──password set──▶ Active ◀──enable── Disabled
///                              └────disable────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// Made, but its owner has not opened the invitation yet; cannot sign in.
    Invited,
    /// Can sign in and use what it is allowed.
    Active,
    /// Ended by an administrator: nothing it holds counts any more.
    Disabled,
}

impl AccountStatus {
    /// The word kept in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for AccountStatus {
    type Err = UnknownStatus;
    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        match word {
            "invited" => Ok(Self::Invited),
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            _ => Err(UnknownStatus),
        }
    }
}

/// The database held a word that no release wrote.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown account status")]
pub struct UnknownStatus;
