//! What a caller has not proved of who they are, as the challenge says it (RFC 9470 section 3).
//!
//! A token never gets better: its client has to go through a new authorization. Ours is led there by the token endpoint,
//! which refuses to refresh what would be refused here again.

use std::time::Duration;

use model::{Assurance, Demand};
use relying::Trust;

use crate::caller::{Caller, Proof};
use crate::route::Route;

/// What is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientUserAuthentication {
    /// Names of classes of which any is enough, in the words of who issued the token, or issues those for the server; none if any proof does.
    pub(crate) acr_values: String,
    /// How old the proof may be.
    pub(crate) max_age: Option<Duration>,
    /// What to tell people.
    pub(crate) text: &'static str,
}

impl InsufficientUserAuthentication {
    pub(crate) fn of(caller: &Caller, route: &Route, demand: Demand) -> Self {
        // Who comes with a token of another issuer gets a better one from there.
        let is_foreign = matches!(caller.proof, Proof::Foreign(_));
        let issuer = route
            .trust
            .as_ref()
            .filter(|trust| trust.alone || is_foreign)
            .map(|trust| &trust.issuer.trust);
        Self {
            acr_values: match issuer {
                Some(trust) => in_words_of(trust, &demand),
                None => demand.acr_values(),
            },
            max_age: demand.max_age,
            text: match &caller.proof {
                proof if !proof.of_a_sign_in() => {
                    "this server wants a sign-in of a person; for this token nobody signed in"
                }
                proof if demand.is_too_weak(proof.assurance()) => match demand.assurance {
                    Assurance::Passkey => "this server wants a sign-in with a passkey; sign in again",
                    _ => "this server wants a sign-in with a second factor; sign in again",
                },
                _ => "the sign-in is too old for this server; sign in again",
            },
        }
    }
}

/// What another issuer calls the classes that are enough.
fn in_words_of(trust: &Trust, demand: &Demand) -> String {
    if demand.assurance == Assurance::OneFactor {
        return String::new();
    }
    let enough = trust
        .assurance
        .iter()
        .filter(|(_, class)| !demand.is_too_weak(**class));
    let names: Vec<_> = enough.map(|(name, _)| name.as_str()).collect();
    names.join(" ")
}
