//! Consent: asking, remembering, deciding once (OS-35, OS-41, OS-42, CC-49 to CC-52, CC-58, DEC-13).

use std::time::Duration;

use audit::{Person, What};
use keys::{Purpose, Sealed, digest_of, sha256};
use model::{Assurance, ExposeSecret as _, ServerName, Timestamp, TokenKind, TransactionId};
use people::SignedIn;
use protocol::pkce::CodeChallenge;
use protocol::redirect::Kind;
use protocol::{ErrorCode, OAuthError, RedirectUri, Scopes};
use serde::{Deserialize, Serialize};
use store::{Code, Consent, Decision, NewTransaction, StoreError, Transaction};
use tracing::warn;

use crate::authorize::request::AuthorizationRequest;
use crate::authorize::{Outcome, Return, Validated, asked_too_often};
use crate::clients::{ClientFace, Resolution, is_vouched_for};
use crate::issue::LEAST_ACCESS;
use crate::server::AuthorizationServer;
use crate::settings::{Settings, Target};

/// The outcome of a decision is given again for so long: double clicks, reloads (CC-51).
const AGAIN: Duration = Duration::from_mins(1);

/// What a person is asked.
#[derive(Debug)]
pub struct Question {
    /// The transaction that the answer decides.
    pub transaction: TransactionId,
    /// Who asks.
    pub face: ClientFace,
    /// Where the browser will be sent.
    pub redirect_uri: RedirectUri,
    /// What for; more than one means that the person chooses.
    pub choices: Vec<ChoiceOf>,
    /// What is asked for, allowed or not.
    pub scopes: Vec<AskedScope>,
    /// Whether "my client runs on another machine" is offered (CC-57).
    pub elsewhere: bool,
}

/// A scope that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedScope {
    /// As tokens carry it.
    pub name: String,
    /// What it allows, in the operator's words; none for those that are the same everywhere.
    pub title: Option<String>,
    /// Whether it will be granted. Others are shown too, so that nobody wonders (CC-73).
    pub granted: bool,
}

/// Something to choose.
#[derive(Clone, Debug)]
pub struct ChoiceOf {
    /// The server, or none for signing in alone.
    pub server: Option<ServerName>,
    /// What people call it.
    pub title: String,
}

/// A person's answer.
#[derive(Debug)]
pub enum Answer {
    /// Yes, for this server if there was a choice.
    Approve {
        /// The chosen server.
        server: Option<ServerName>,
    },
    /// No.
    Deny,
}

/// What came of an answer.
#[derive(Debug)]
pub enum Decided {
    /// The way back to the client.
    Return(Return),
    /// The transaction is unknown, of another browser, too old, or decided a while ago.
    Gone,
}

/// The request as the transaction keeps it; nothing of it is read from the browser again (OS-35).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    redirect_uri: RedirectUri,
    state: Option<String>,
    challenge: CodeChallenge,
    pub(crate) targets: Vec<Target>,
    scopes: Scopes,
    nonce: Option<String>,
    auth_time: Timestamp,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Option<String>,
    document_digest: Option<[u8; 32]>,
}

impl Kept {
    /// What a transaction is about.
    pub(crate) fn of(transaction: &Transaction) -> Result<Self, StoreError> {
        serde_json::from_str(&transaction.request)
            .map_err(|error| StoreError::corrupt("transactions.request", error))
    }
}

impl AuthorizationServer {
    /// The last step of an authorization request: a code, if consent is remembered, or the question.
    pub(crate) async fn consent_or_code(
        &self,
        validated: &Validated,
        request: AuthorizationRequest,
        targets: Vec<Target>,
        query_digest: [u8; 32],
        signed_in: &SignedIn,
        person: &Person,
    ) -> Result<Result<Outcome, OAuthError>, StoreError> {
        if self.authorizations.take(&signed_in.account.id).is_err() {
            return Ok(Err(asked_too_often()));
        }
        let prompt = request.prompt;
        let kept = Kept {
            redirect_uri: validated.redirect_uri.clone(),
            state: validated.state.clone(),
            challenge: request.challenge,
            targets,
            scopes: request.scopes,
            nonce: request.nonce,
            auth_time: signed_in.session.authenticated_at,
            acr: signed_in.session.proved.acr.clone(),
            amr: signed_in.session.proved.amr.clone(),
            document_digest: validated.client.document_digest,
        };
        if !prompt.consent
            && let [target] = kept.targets.as_slice()
            && self.is_remembered(validated, &kept, target, signed_in).await?
        {
            let target = target.clone();
            return Ok(Ok(Outcome::Return(
                self.approve_remembered(validated, &kept, &target, signed_in, person)
                    .await?,
            )));
        }
        if prompt.none {
            return Ok(Err(OAuthError::new(
                ErrorCode::ConsentRequired,
                "the person has to be asked",
            )));
        }
        self.ask(validated, &kept, query_digest, signed_in).await.map(Ok)
    }

    /// Whether this very thing was approved before and may be remembered (DEC-13, MA-95, MA-141).
    async fn is_remembered(
        &self,
        validated: &Validated,
        kept: &Kept,
        target: &Target,
        signed_in: &SignedIn,
    ) -> Result<bool, StoreError> {
        if !is_vouched_for(&validated.face, &kept.redirect_uri) {
            return Ok(false);
        }
        let Some(resource) = self.settings().audience(target) else {
            return Ok(false);
        };
        let (account, client) = (signed_in.account.id, &validated.client.id);
        let consent = self
            .store
            .consent(account, client, kept.redirect_uri.as_str(), &resource)
            .await?;
        let scopes = self
            .settings()
            .grantable(&kept.scopes, target, &signed_in.account);
        Ok(consent.is_some_and(|consent| {
            scopes.is_subset(&consent.scopes) && consent.document_digest == kept.document_digest
        }))
    }

    async fn approve_remembered(
        &self,
        validated: &Validated,
        kept: &Kept,
        target: &Target,
        signed_in: &SignedIn,
        person: &Person,
    ) -> Result<Return, StoreError> {
        let Some((code, text)) = self.new_code(validated, kept, target, signed_in) else {
            let error = OAuthError::invalid_target("the server is gone");
            return Ok(self.error_return(validated, &error, true));
        };
        self.store.add_code(&code, self.world.now()).await?;
        self.note_consent(&code, &kept.scopes, true, person);
        Ok(self.way_back(validated, &[("code", &text)]))
    }

    async fn ask(
        &self,
        validated: &Validated,
        kept: &Kept,
        query_digest: [u8; 32],
        signed_in: &SignedIn,
    ) -> Result<Outcome, StoreError> {
        let settings = self.settings();
        let now = self.world.now();
        let new = NewTransaction {
            id: self.world.new_id(),
            session: signed_in.session.id,
            query_digest,
            account: signed_in.account.id,
            client: validated.client.id.clone(),
            request: serde_json::to_string(kept)
                .map_err(|error| StoreError::corrupt("transactions.request", error))?,
            expires_at: now + settings.lifetimes.transaction,
        };
        let transaction = self.store.begin_transaction(&new, now - AGAIN, now).await?;
        let choices = kept.targets.iter().map(|target| match target {
            Target::UserInfo => ChoiceOf {
                server: None,
                title: String::new(),
            },
            Target::Server(name) => ChoiceOf {
                server: Some(name.clone()),
                title: settings
                    .resource(name)
                    .map_or_else(|| name.to_string(), |resource| resource.title.clone()),
            },
        });
        Ok(Outcome::Ask(Box::new(Question {
            transaction: transaction.id,
            face: validated.face.clone(),
            redirect_uri: kept.redirect_uri.clone(),
            choices: choices.collect(),
            scopes: asked_scopes(&settings, kept, signed_in),
            elsewhere: settings.elsewhere && kept.redirect_uri.kind() == Kind::Loopback,
        })))
    }

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
        let face = self.face(&client);
        let validated = Validated {
            client: *client,
            face,
            redirect_uri: kept.redirect_uri.clone(),
            state: kept.state.clone(),
        };
        if transaction.decided_at.is_some() {
            return Ok(self.outcome_again(&transaction, &validated));
        }
        let (back, code, consent) = self.prepare(&validated, &kept, &answer, signed_in);
        let decision = Decision {
            outcome: self
                .sealer
                .seal(&outcome_of(&id.to_string()), back.url.as_bytes())
                .as_bytes()
                .to_vec(),
            code: code.clone(),
            consent,
        };
        if !self.store.decide(id, &decision, self.world.now()).await? {
            // Decided at the same moment by the other click, or run out.
            let again = self.store.transaction(id, signed_in.session.id).await?;
            return Ok(again.map_or(Decided::Gone, |transaction| {
                self.outcome_again(&transaction, &validated)
            }));
        }
        match code {
            Some(code) => self.note_consent(&code, &kept.scopes, false, person),
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

    /// What an answer leads to: the way back, and on approval the code and what to remember.
    fn prepare(
        &self,
        validated: &Validated,
        kept: &Kept,
        answer: &Answer,
        signed_in: &SignedIn,
    ) -> (Return, Option<Code>, Option<Consent>) {
        let refuse = |code, text: &str| {
            (
                self.error_return(validated, &OAuthError::new(code, text), true),
                None,
                None,
            )
        };
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
        let Some((code, text)) = self.new_code(validated, kept, &chosen, signed_in) else {
            return refuse(ErrorCode::InvalidTarget, "the server is gone");
        };
        let consent = Consent {
            account: code.account,
            client: code.client.clone(),
            redirect_uri: code.redirect_uri.to_string(),
            resource: code.resource.clone(),
            scopes: code.scopes.clone(),
            document_digest: kept.document_digest,
        };
        (
            self.way_back(validated, &[("code", &text)]),
            Some(code),
            Some(consent),
        )
    }

    /// A code and its text; the database gets its digest alone.
    fn new_code(
        &self,
        validated: &Validated,
        kept: &Kept,
        target: &Target,
        signed_in: &SignedIn,
    ) -> Option<(Code, String)> {
        self.notice_challenge(validated, kept);
        let settings = self.settings();
        let token = self.world.new_token(TokenKind::Code);
        let code = Code {
            digest: digest_of(&token),
            grant: self.world.new_id(),
            account: signed_in.account.id,
            session: signed_in.session.id,
            client: validated.client.id.clone(),
            redirect_uri: kept.redirect_uri.clone(),
            challenge: kept.challenge.clone(),
            server: match target {
                Target::Server(name) => Some(name.clone()),
                Target::UserInfo => None,
            },
            resource: settings.audience(target)?,
            scopes: settings.grantable(&kept.scopes, target, &signed_in.account),
            nonce: kept.nonce.clone(),
            auth_time: kept.auth_time,
            assurance: Assurance::of_acr(kept.acr.as_deref()),
            amr: kept.amr.clone(),
            expires_at: self.world.now() + settings.lifetimes.code,
            redeemed_at: None,
        };
        Some((code, token.expose().to_owned()))
    }

    /// A client that does not draw a new verifier for each request is written about in the log (OS-25). It is
    /// not refused: a person who opens the same link twice looks alike.
    fn notice_challenge(&self, validated: &Validated, kept: &Kept) {
        let client = validated.client.id.as_str();
        let seen = sha256(format!("{}\0{client}\0{}", client.len(), kept.challenge.as_str()).as_bytes());
        if self.challenges.take(&seen).is_err() {
            warn!(
                client,
                "a code_challenge was used again; each request needs a new one"
            );
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

    fn note_consent(&self, code: &Code, asked: &Scopes, remembered: bool, person: &Person) {
        let what = What::ConsentGiven {
            account: code.account,
            client: code.client.clone(),
            server: code.server.clone(),
            scopes: code.scopes.to_string(),
            asked: asked.to_string(),
            remembered,
        };
        self.recorder.record(what, person.clone());
    }
}

/// What a person is shown of the scopes: with several servers to choose from, what any of them gives.
fn asked_scopes(settings: &Settings, kept: &Kept, signed_in: &SignedIn) -> Vec<AskedScope> {
    let granted: Vec<_> = kept
        .targets
        .iter()
        .map(|target| settings.grantable(&kept.scopes, target, &signed_in.account))
        .collect();
    let title = |name: &str| {
        let server = name.split_once(':')?.0.parse().ok()?;
        let resource = settings.resource(&server)?;
        let title = &resource.policy.scope(name)?.title;
        Some(match kept.targets.as_slice() {
            [_] => title.to_string(),
            _ => format!("{title} ({})", resource.title),
        })
    };
    // Of a server that is not to be had here nobody is told what it has.
    let is_of_targets = |name: &str| {
        let server = name.split_once(':').map(|(server, _)| server);
        server.is_none_or(|server| {
            let mut targets = kept.targets.iter();
            targets.any(|target| matches!(target, Target::Server(name) if name.as_str() == server))
        })
    };
    let asked = kept.scopes.iter().filter(|name| is_of_targets(name));
    let asked = asked.map(|name| AskedScope {
        title: title(name),
        granted: granted.iter().any(|scopes| scopes.contains(name)),
        name: name.to_owned(),
    });
    asked.collect()
}

fn outcome_of(transaction: &str) -> Purpose<'_> {
    Purpose {
        purpose: "consent outcome",
        owner: transaction,
    }
}

#[cfg(test)]
mod tests;
