//! The person's half of a device authorization (RFC 8628 section 3.3, OS-93, OS-94, OS-96).
//!
//! Whoever is signed in types the code that their program shows. If one is found, the browser goes to the authorization
//! endpoint with a ticket that stands for the request, and is asked there as for any other: the same sign-ins, the same
//! demands, the same consent. It ends on a page of ours, and the program gets its answer when it asks for it.

use std::net::IpAddr;
use std::time::Duration;

use audit::{Person, What};
use keys::{Purpose, sha256};
use model::{AccountId, DeviceId, Timestamp};
use people::{SignedIn, guessing};
use protocol::metadata::paths;
use protocol::{RedirectUri, UserCode};
use serde::{Deserialize, Serialize};
use store::{DeviceAuthorization, StoreError};

use super::request::{AuthorizationRequest, Prompt};
use super::{Outcome, Refused, SignInNeeded, Validated};
use crate::clients::Resolution;
use crate::device_authorization::{Asked, user_digest};
use crate::server::AuthorizationServer;

/// The parameter of the authorization endpoint that holds the ticket.
pub const PARAMETER: &str = "device";

/// What became of a code that somebody typed.
#[derive(Debug)]
pub enum Typed {
    /// A program shows it: the ticket for the authorization endpoint.
    Found(String),
    /// No program shows it, or not any more.
    Wrong,
    /// Too many were wrong: the next one is looked at after so long.
    Wait(Duration),
}

/// The machine that asks, as the person is shown it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requester {
    /// The request.
    pub device: DeviceId,
    /// What it shows, to be compared; kept nowhere.
    #[serde(skip)]
    pub user_code: String,
    /// Where it asks from.
    pub address: String,
    /// What the program calls itself; empty if it says nothing.
    pub user_agent: String,
    /// When it asked.
    pub asked_at: Timestamp,
}

/// What a ticket says.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    device: DeviceId,
    user_code: String,
}

impl AuthorizationServer {
    /// Looks for the program that shows what somebody typed.
    pub async fn type_user_code(
        &self,
        typed: &str,
        signed_in: &SignedIn,
        address: IpAddr,
        person: &Person,
    ) -> Result<Typed, StoreError> {
        // What is no code is no guess.
        let Ok(code) = typed.parse::<UserCode>() else {
            return Ok(Typed::Wrong);
        };
        let (store, account) = (self.store.as_ref(), signed_in.account.id);
        let note = |reason: &str| {
            let reason = reason.to_owned();
            let what = What::UserCodeRefused { account, reason };
            self.recorder.record(what, person.clone());
        };
        let counters = guessing::of_user_code(account, address);
        if let Err(wait) = guessing::count(store, &self.world, &counters).await? {
            note("too many that are not");
            return Ok(Typed::Wait(wait));
        }
        let found = store.waiting_device(&user_digest(code), self.world.now()).await?;
        let Some(device) = found.filter(|_| self.settings().device) else {
            note("no program shows it");
            return Ok(Typed::Wrong);
        };
        guessing::take_back(store, &counters).await?;
        let ticket = Ticket {
            device: device.id,
            user_code: code.to_string(),
        };
        let text = serde_json::to_string(&ticket)
            .map_err(|error| StoreError::corrupt("a device's ticket", error))?;
        let ticket = self.sealer.ticket(&typed_by(&account.to_string()), &text);
        Ok(Typed::Found(ticket))
    }

    /// Judges the request that a ticket stands for.
    pub(super) async fn authorize_device_of(
        &self,
        ticket: &str,
        query: &str,
        browser: Option<&SignedIn>,
        person: &Person,
    ) -> Result<Outcome, StoreError> {
        let Some(signed_in) = browser else {
            return Ok(Outcome::SignIn(SignInNeeded {
                username: None,
                again: false,
            }));
        };
        let gone = Ok(Outcome::Refused(Refused::NoDevice));
        let Some(ticket) = self.read_ticket(ticket, signed_in.account.id) else {
            return gone;
        };
        let now = self.world.now();
        let Some(device) = self.store.waiting_device_by_id(ticket.device, now).await? else {
            return gone;
        };
        let Some((validated, request)) = self.as_request(&device, ticket, signed_in).await? else {
            return gone;
        };
        let judged = self
            .judge_request(&validated, request, sha256(query.as_bytes()), browser, person)
            .await?;
        Ok(self.or_back(&validated, judged, browser, person))
    }

    /// The request as the authorization endpoint sees it; none if its client may not ask any more.
    async fn as_request(
        &self,
        device: &DeviceAuthorization,
        ticket: Ticket,
        signed_in: &SignedIn,
    ) -> Result<Option<(Validated, AuthorizationRequest)>, StoreError> {
        let asked = Asked::of(device)?;
        let resolved = self
            .resolve_client(device.client.as_str(), Some(signed_in.account.id))
            .await?;
        let (Resolution::Known(client), Some(redirect_uri)) = (resolved, self.end_of_device()) else {
            return Ok(None);
        };
        if self.may_be_a_device(&client).is_err() {
            return Ok(None);
        }
        let validated = Validated {
            face: self.face_of_device(&client),
            client: *client,
            redirect_uri,
            state: None,
            device: Some(Requester {
                device: device.id,
                user_code: ticket.user_code,
                address: device.address.clone(),
                user_agent: device.user_agent.clone(),
                asked_at: device.created_at,
            }),
        };
        let request = AuthorizationRequest {
            challenge: None,
            target: asked.target,
            scopes: asked.scopes,
            nonce: None,
            prompt: Prompt::default(),
            demand: model::Demand::default(),
            login_hint: None,
        };
        Ok(Some((validated, request)))
    }

    /// Where the browser ends: a page of ours, which no client can choose.
    pub(crate) fn end_of_device(&self) -> Option<RedirectUri> {
        let page = self.settings().issuer.endpoint(paths::DEVICE_DONE);
        RedirectUri::parse(&page, |_| false).ok()
    }

    fn read_ticket(&self, ticket: &str, account: AccountId) -> Option<Ticket> {
        let text = self
            .sealer
            .open_ticket(&typed_by(&account.to_string()), ticket)
            .ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// A ticket is worth something to whoever typed the code.
fn typed_by(account: &str) -> Purpose<'_> {
    Purpose {
        purpose: "user code",
        owner: account,
    }
}

#[cfg(test)]
mod tests;
