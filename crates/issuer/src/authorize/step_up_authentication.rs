//! Step-up authentication (RFC 9470): what comes before consent if the person's proof is not what the program, the server or
//! their groups demand.

use audit::{Person, What};
use model::{Assurance, ClientId, Demand};
use people::SignedIn;
use protocol::{ErrorCode, OAuthError};

use super::request::AuthorizationRequest;
use super::{Outcome, Return, SignInNeeded, Validated, asked_too_often};
use crate::issue::LEAST_ACCESS;
use crate::server::AuthorizationServer;
use crate::settings::Target;

/// More has to be proved than was (RFC 9470 section 5).
#[derive(Debug)]
pub struct StepUp {
    /// The least class.
    pub assurance: Assurance,
    /// What people call the server that demands it, if it does.
    pub server: Option<String>,
    /// Which program asks.
    pub client: ClientId,
    /// The way back with `unmet_authentication_requirements`, for somebody who cannot prove it.
    pub back: Return,
}

impl AuthorizationServer {
    /// What comes first if the proof is not what the program, the server or the person's groups demand. Who is to choose
    /// among servers proves what any of them demands.
    pub(super) fn step_up(
        &self,
        validated: &Validated,
        request: &AuthorizationRequest,
        targets: &[Target],
        signed_in: &SignedIn,
    ) -> Option<Result<Outcome, OAuthError>> {
        let settings = self.settings();
        let of_targets = targets
            .iter()
            .map(|target| settings.demand(target, &signed_in.account, true));
        let of_targets = of_targets.fold(Demand::default(), Demand::and);
        let (session, now) = (&signed_in.session, self.world.now());
        // What is older than a server takes would make no token, whatever it was made for.
        let too_old = of_targets.is_too_old(session.authenticated_at, now + LEAST_ACCESS);
        let demand = of_targets.and(request.demand);
        let too_weak = demand.is_too_weak(Assurance::of_acr(session.proved.acr.as_deref()));
        if !too_old && !too_weak {
            return None;
        }
        if request.prompt.none {
            let text = "the person must sign in again, or prove more";
            return Some(Err(OAuthError::new(ErrorCode::LoginRequired, text)));
        }
        if self.authorizations.take(&signed_in.account.id).is_err() {
            return Some(Err(asked_too_often()));
        }
        if too_old {
            let username = request.login_hint.clone();
            let again = true;
            return Some(Ok(Outcome::SignIn(SignInNeeded { username, again })));
        }
        let error = unmet();
        let server = match targets {
            [Target::Server(name)] if of_targets.assurance == demand.assurance => settings.resource(name),
            _ => None,
        };
        Some(Ok(Outcome::StepUp(Box::new(StepUp {
            assurance: demand.assurance,
            server: server.map(|resource| resource.title.clone()),
            client: validated.client.id.clone(),
            back: self.error_return(validated, &error, true),
        }))))
    }

    /// Records that somebody is sent back because they cannot prove what is demanded.
    pub fn note_unmet(&self, step_up: &StepUp, signed_in: &SignedIn, person: &Person) {
        let error = unmet();
        let what = What::AuthorizationRefused {
            client: Some(step_up.client.clone()),
            account: Some(signed_in.account.id),
            error: error.code.as_str().to_owned(),
            reason: error.description,
        };
        self.recorder.record(what, person.clone());
    }
}

/// Said to the program of somebody who cannot prove what is demanded.
fn unmet() -> OAuthError {
    let text = "the person cannot prove here what this needs";
    OAuthError::new(ErrorCode::UnmetAuthenticationRequirements, text)
}
