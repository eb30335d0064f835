//! What a token of another issuer says, once it has been checked.

use model::{Assurance, GroupName, Timestamp};

/// A token of a trusted issuer that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignAccess {
    /// The issuer's name in the configuration.
    pub trust: String,
    /// The issuer identifier.
    pub issuer: String,
    /// Who there.
    pub subject: String,
    /// For whom it is.
    pub audiences: Vec<String>,
    /// Under which id rules know the program: `issuer:NAME:CLIENT`, which no client of ours can have.
    pub client: String,
    /// What it was granted, separated by spaces; `mcp` is among it if it is for using servers at all.
    pub scope: String,
    /// Whether it is for using servers at all.
    pub reaches: bool,
    /// The groups it names.
    pub groups: Vec<GroupName>,
    /// What the person is called there.
    pub username: Option<String>,
    /// What others read there.
    pub name: Option<String>,
    /// Their address there.
    pub email: Option<String>,
    /// Its `jti`.
    pub token: Option<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// When the person last proved who they are, if it says.
    pub auth_time: Option<Timestamp>,
    /// How sure that is, as far as its `acr` is one that the operator knows.
    pub assurance: Assurance,
}
