//! Consent: asking, remembering, deciding once (OS-35, OS-41, OS-42, CC-49 to CC-52, CC-58, DEC-13).

use std::time::Duration;

use audit::Person;
use model::{ServerName, Timestamp, TransactionId};
use people::SignedIn;
use protocol::pkce::CodeChallenge;
use protocol::redirect::Kind;
use protocol::{ErrorCode, OAuthError, RedirectUri, Scopes};
use serde::{Deserialize, Serialize};
use store::{NewTransaction, StoreError, Transaction};

use crate::authorize::request::AuthorizationRequest;
use crate::authorize::{Outcome, Requester, Return, Validated, asked_too_often};
use crate::clients::{ClientFace, is_vouched_for};
use crate::server::AuthorizationServer;
use crate::settings::{Settings, Target};

mod decide;

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
    /// The machine that asks, if it has no browser (OS-96).
    pub requester: Option<Requester>,
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
    #[serde(default)]
    challenge: Option<CodeChallenge>,
    pub(crate) targets: Vec<Target>,
    scopes: Scopes,
    nonce: Option<String>,
    auth_time: Timestamp,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Option<String>,
    document_digest: Option<[u8; 32]>,
    /// The request of a program without a browser that is answered.
    #[serde(default)]
    device: Option<Requester>,
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
            device: validated.device.clone(),
        };
        // A program without a browser is asked about each time (DEC-13): nothing ties it to what was approved before.
        if !prompt.consent
            && kept.device.is_none()
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
        let (back, approved) = self.approve(validated, kept, target, signed_in);
        if let Some(approved) = approved
            && let Some(code) = &approved.code
        {
            self.store.add_code(code, self.world.now()).await?;
            self.note_consent(validated, &approved.allowed, &kept.scopes, true, person);
        }
        Ok(back)
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
            elsewhere: settings.elsewhere
                && kept.device.is_none()
                && kept.redirect_uri.kind() == Kind::Loopback,
            requester: validated.device.clone(),
        })))
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

#[cfg(test)]
mod tests;
