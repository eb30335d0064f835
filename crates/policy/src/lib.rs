//! The one decision function: who may do what on which server.
//!
//! Closed by default: nothing is open to anybody until a rule says so. The same function answers for consent,
//! for issuing, for lists and for calls, so they cannot disagree. Rules are Cedar policies, those of the
//! configuration too; each act is judged by the few that can say anything of it, and a decision that no
//! argument, address or hour can change is remembered.

mod again;
mod arguments;
mod compile;
mod decide;
mod entities;
mod explain;
mod load;
pub mod pattern;
mod principal;
mod remember;
mod request;
mod rule;
mod schema;
mod scope;
mod slice;

pub use arguments::{Arguments, Found};
pub use decide::{Decision, Outcome, Policies, ServerPolicy, Shadow};
pub use explain::{Explanation, Opinion, Says};
pub use load::{PolicyError, RuleFile, ServerRules};
pub use principal::{Act, Annotations, Circumstances, Client, Principal};
pub use remember::{OwnedViewer, Viewer};
pub use request::{BadRequestPattern, RequestPattern, Requests};
pub use rule::{AllowRule, ArgumentTest, Conditions, Hours, Tools};
pub use scope::{BadScopeName, ScopeName, ScopeRule, ServerScope};

#[cfg(test)]
mod tests;
