//! What a sign-in must be: `require` of servers, `sign_in.require` of people.

use std::collections::BTreeMap;

use model::{Assurance, GroupName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Span;

/// How sure it is who somebody is; each is at least as good as those before it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A password, or what a provider says without more.
    OneFactor,
    /// Two factors: a password and the code of an app or a recovery code.
    TwoFactors,
    /// A passkey, which cannot be given to another site.
    Passkey,
}

impl From<Class> for Assurance {
    fn from(class: Class) -> Self {
        match class {
            Class::OneFactor => Self::OneFactor,
            Class::TwoFactors => Self::TwoFactors,
            Class::Passkey => Self::Passkey,
        }
    }
}

/// What the sign-in of whoever uses a server must be. Programs are told so (RFC 9470), and their people are asked for what
/// is missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Require {
    /// At least so sure: `two_factors`, or `passkey`.
    pub assurance: Option<Class>,
    /// At most so long ago; 5m or more.
    pub max_age: Option<Span>,
    /// Take service tokens, and tokens of the time before, all the same. Nobody signed in for them, so without this they are
    /// refused.
    pub service_tokens: bool,
}

/// What the sign-in of some people must be, whatever server they use.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RequireOf {
    /// Members of any of these groups; everybody if none is named.
    #[schemars(with = "Vec<String>")]
    pub groups: Vec<GroupName>,
    /// At least so sure: `two_factors`, or `passkey`.
    pub assurance: Option<Class>,
    /// At most so long ago; 5m or more.
    pub max_age: Option<Span>,
    /// Take their service tokens, and tokens of the time before, all the same.
    pub service_tokens: bool,
}

/// What a provider's words on a sign-in count for. Without any, whatever it says is one factor.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// By the `acr` of its ID tokens. It is asked for those that are enough when more is needed than was proved
    /// (`acr_values`).
    pub acr: BTreeMap<String, Class>,
    /// By a method among the `amr`, as `mfa`.
    pub amr: BTreeMap<String, Class>,
}
