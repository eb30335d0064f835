//! The answer: decided once, in one statement with what it leads to. A code for a program that waits behind a redirect, a word
//! in the request of one that has no browser (RFC 8628).

use audit::{Person, What};
use keys::{Purpose, Sealed, digest_of, sha256};
use model::{Assurance, ExposeSecret as _, TokenKind, TransactionId};
use people::SignedIn;
use protocol::{ErrorCode, OAuthError, Scopes};
use store::{Allowed, Code, Consent, Decision, DeviceDecision, StoreError, Transaction};
use tracing::warn;

use super::{AGAIN, Answer, Decided, Kept};
use crate::authorize::{Return, Validated};
use crate::clients::Resolution;
use crate::issue::LEAST_ACCESS;
use crate::server::AuthorizationServer;
use crate::settings::Target;

impl AuthorizationServer {
    /// Decides a transaction. Everything that may have changed since the question is asked again here.
    pub async fn decide(
        &self,
        id: TransactionId,
        answer: Answer,
        signed_in: &SignedIn,
        person: &Person,
    ) -> Result<Decided, StoreError> {
        let Some(transaction) = self.store.transaction(id, signed_in.session.id).await? else {
            return Ok(Decided::Gone);
        };
        let kept = Kept::of(&transaction)?;
        let resolved = self
            .resolve_client(transaction.client.as_str(), Some(signed_in.account.id))
            .await?;
        let Resolution::Known(client) = resolved else {
            return Ok(Decided::Gone);
        };
        if kept.device.is_some() && self.may_be_a_device(&client).is_err() {
            return Ok(Decided::Gone);
        }
        let validated = Validated {
            face: self.face(&client),
            client: *client,
            redirect_uri: kept.redirect_uri.clone(),
            state: kept.state.clone(),
            device: kept.device.clone(),
        };
        if transaction.decided_at.is_some() {
            return Ok(self.outcome_again(&transaction, &validated));
        }
        let (back, approved) = match self.approvable(&kept, &answer, signed_in) {
            Ok(target) => self.approve(&validated, &kept, &target, signed_in),
            Err(error) => (self.error_return(&validated, &error, true), None),
        };
        let decision = self.decision(id, &back, &kept, approved.as_ref());
        if !self.store.decide(id, &decision, self.world.now()).await? {
            // Decided at the same moment by the other click, or run out.
            let again = self.store.transaction(id, signed_in.session.id).await?;
            return Ok(again.map_or(Decided::Gone, |transaction| {
                self.outcome_again(&transaction, &validated)
            }));
        }
        match approved {
            Some(approved) => {
                self.note_consent(&validated, &approved.allowed, &kept.scopes, false, person);
            }
            None => {
                let what = What::ConsentDenied {
                    account: signed_in.account.id,
                    client: validated.client.id.clone(),
                };
                self.recorder.record(what, person.clone());
            }
        }
        Ok(Decided::Return(back))
    }

    /// What an answer comes to: the target, or why there is none.
    fn approvable(&self, kept: &Kept, answer: &Answer, signed_in: &SignedIn) -> Result<Target, OAuthError> {
        let refuse = |code, text: &str| Err(OAuthError::new(code, text));
        let server = match answer {
            Answer::Deny => return refuse(ErrorCode::AccessDenied, "the person said no"),
            Answer::Approve { server } => server,
        };
        let chosen = match kept.targets.as_slice() {
            [only] => only.clone(),
            several => match server
                .clone()
                .map(Target::Server)
                .filter(|target| several.contains(target))
            {
                Some(target) => target,
                None => return refuse(ErrorCode::InvalidRequest, "no server was chosen"),
            },
        };
        let still_allowed = match &chosen {
            Target::UserInfo => true,
            Target::Server(name) => self
                .settings()
                .resource(name)
                .is_some_and(|resource| resource.allows(&signed_in.account)),
        };
        if !still_allowed {
            return refuse(ErrorCode::AccessDenied, "this person may not use this server");
        }
        // A question can stand for long, and what is demanded can become more meanwhile. The code would be refused.
        let demand = self.settings().demand(&chosen, &signed_in.account, true);
        let assurance = Assurance::of_acr(kept.acr.as_deref());
        if !demand.is_met(assurance, kept.auth_time, self.world.now() + LEAST_ACCESS) {
            let text = "this needs a newer or a stronger sign-in by now; ask again";
            return refuse(ErrorCode::UnmetAuthenticationRequirements, text);
        }
        Ok(chosen)
    }

    /// The way back with what is given, and what that is.
    pub(super) fn approve(
        &self,
        validated: &Validated,
        kept: &Kept,
        target: &Target,
        signed_in: &SignedIn,
    ) -> (Return, Option<Approved>) {
        let Some(allowed) = self.allowed(kept, target, signed_in) else {
            let error = OAuthError::invalid_target("the server is gone");
            return (self.error_return(validated, &error, true), None);
        };
        if kept.device.is_some() {
            let code = None;
            return (self.way_back(validated, &[]), Some(Approved { allowed, code }));
        }
        let Some((code, text)) = self.new_code(validated, kept, &allowed) else {
            let error = OAuthError::invalid_request("code_challenge is missing");
            return (self.error_return(validated, &error, true), None);
        };
        let code = Some(code);
        (
            self.way_back(validated, &[("code", &text)]),
            Some(Approved { allowed, code }),
        )
    }

    fn allowed(&self, kept: &Kept, target: &Target, signed_in: &SignedIn) -> Option<Allowed> {
        let settings = self.settings();
        Some(Allowed {
            grant: self.world.new_id(),
            account: signed_in.account.id,
            session: signed_in.session.id,
            server: match target {
                Target::Server(name) => Some(name.clone()),
                Target::UserInfo => None,
            },
            resource: settings.audience(target)?,
            scopes: settings.grantable(&kept.scopes, target, &signed_in.account),
            auth_time: kept.auth_time,
            assurance: Assurance::of_acr(kept.acr.as_deref()),
            amr: kept.amr.clone(),
        })
    }

    /// A code and its text; the database gets its digest alone.
    fn new_code(&self, validated: &Validated, kept: &Kept, allowed: &Allowed) -> Option<(Code, String)> {
        let challenge = kept.challenge.clone()?;
        self.notice_challenge(validated, challenge.as_str());
        let token = self.world.new_token(TokenKind::Code);
        let given = allowed.clone();
        let code = Code {
            digest: digest_of(&token),
            grant: given.grant,
            account: given.account,
            session: given.session,
            client: validated.client.id.clone(),
            redirect_uri: kept.redirect_uri.clone(),
            challenge,
            server: given.server,
            resource: given.resource,
            scopes: given.scopes,
            nonce: kept.nonce.clone(),
            auth_time: given.auth_time,
            assurance: given.assurance,
            amr: given.amr,
            expires_at: self.world.now() + self.settings().lifetimes.code,
            redeemed_at: None,
        };
        Some((code, token.expose().to_owned()))
    }

    /// A client that does not draw a new verifier for each request is written about in the log (OS-25). It is
    /// not refused: a person who opens the same link twice looks alike.
    fn notice_challenge(&self, validated: &Validated, challenge: &str) {
        let client = validated.client.id.as_str();
        let seen = sha256(format!("{}\0{client}\0{challenge}", client.len()).as_bytes());
        if self.challenges.take(&seen).is_err() {
            warn!(
                client,
                "a code_challenge was used again; each request needs a new one"
            );
        }
    }

    /// What the database is told, all of it or nothing.
    fn decision(
        &self,
        id: TransactionId,
        back: &Return,
        kept: &Kept,
        approved: Option<&Approved>,
    ) -> Decision {
        let sealed = self
            .sealer
            .seal(&outcome_of(&id.to_string()), back.url.as_bytes());
        let code = approved.and_then(|approved| approved.code.clone());
        Decision {
            outcome: sealed.as_bytes().to_vec(),
            consent: code.as_ref().map(|code| Consent {
                account: code.account,
                client: code.client.clone(),
                redirect_uri: code.redirect_uri.to_string(),
                resource: code.resource.clone(),
                scopes: code.scopes.clone(),
                document_digest: kept.document_digest,
            }),
            code,
            device: kept.device.as_ref().map(|requester| DeviceDecision {
                device: requester.device,
                allowed: approved.map(|approved| Box::new(approved.allowed.clone())),
            }),
        }
    }

    /// The same way back again, for a short while.
    fn outcome_again(&self, transaction: &Transaction, validated: &Validated) -> Decided {
        let fresh = transaction
            .decided_at
            .is_some_and(|at| self.world.now().since(at) < AGAIN);
        let sealed = transaction
            .outcome
            .clone()
            .filter(|_| fresh)
            .map(Sealed::from_bytes);
        let opened = sealed.and_then(|sealed| {
            self.sealer
                .open(&outcome_of(&transaction.id.to_string()), &sealed)
                .ok()
        });
        match opened.and_then(|url| String::from_utf8(url.expose_secret().to_vec()).ok()) {
            Some(url) => Decided::Return(Return {
                url,
                ..self.way_back(validated, &[])
            }),
            None => Decided::Gone,
        }
    }

    pub(super) fn note_consent(
        &self,
        validated: &Validated,
        allowed: &Allowed,
        asked: &Scopes,
        remembered: bool,
        person: &Person,
    ) {
        let what = What::ConsentGiven {
            account: allowed.account,
            client: validated.client.id.clone(),
            server: allowed.server.clone(),
            scopes: allowed.scopes.to_string(),
            asked: asked.to_string(),
            remembered,
        };
        self.recorder.record(what, person.clone());
    }
}

/// What a person gave.
pub(super) struct Approved {
    pub(super) allowed: Allowed,
    /// What the program shows for it, if it comes by a redirect.
    pub(super) code: Option<Code>,
}

fn outcome_of(transaction: &str) -> Purpose<'_> {
    Purpose {
        purpose: "consent outcome",
        owner: transaction,
    }
}
