//! The step that decides: does the token reach this far, and does the policy let this person use this
//! server?

use protocol::scope;

use crate::authenticate::Caller;
use crate::refusal::{Refusal, not_allowed};
use crate::route::Route;

/// Decides. The scope is asked first: a person who could get it is told so (DEC-17).
pub(crate) fn authorize(route: &Route, caller: &Caller) -> Result<(), Refusal> {
    if !caller.access.scopes.contains(scope::MCP) {
        return Err(Refusal::Scope);
    }
    if route.resource.allows(&caller.account) {
        Ok(())
    } else {
        Err(not_allowed(route))
    }
}
