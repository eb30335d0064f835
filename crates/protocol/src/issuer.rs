//! The issuer identifier: one string, byte for byte the same in every document, token and `iss` (CC-18).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// Our issuer identifier: the bare public origin, without a final slash (CC-18, OS-13).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Issuer(String);

impl Issuer {
    /// The issuer of a deployment is its public origin.
    pub fn of(origin: &Origin) -> Self {
        Self(origin.as_str().to_owned())
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of an endpoint of ours; `path` begins with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
