//! The device authorization endpoint (RFC 8628 section 3.1, OS-92, OS-95, OS-97): a program without a browser asks, and gets
//! a code to ask with and a short one to show.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use audit::Person;
use keys::{digest_of, sha256};
use model::TokenKind;
use net::address::network_of;
use protocol::metadata::paths;
use protocol::text::display_name;
use protocol::{ErrorCode, OAuthError, Params, Scopes, UserCode};
use serde::{Deserialize, Serialize};
use store::{Added, Client, DeviceAuthorization, MostWaiting, NewDeviceAuthorization, StoreError};

use crate::issue::IssueError;
use crate::server::AuthorizationServer;
use crate::settings::Target;

/// The pause between two questions of a program (CC-99).
pub const POLL_EVERY: Duration = Duration::from_secs(5);
/// How many may wait at once (OS-142). A network is an office or a build farm; a client's id is no secret, so that its number
/// is there for the table's sake and far from what people need.
const MOST: MostWaiting = MostWaiting {
    of_network: 200,
    of_client: 5000,
};
/// Another user code is drawn so often at most. Of 10 000 that are open, one in two million draws is one of them.
const DRAWS: usize = 5;
/// What a program calls itself is read by people.
const LONGEST_USER_AGENT: usize = 120;

/// The answer (RFC 8628 section 3.2).
#[derive(Clone, Debug, Serialize)]
pub struct DeviceAuthorizationResponse {
    /// What the program asks with; never shown to anybody.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code, for a link or a picture.
    pub verification_uri_complete: String,
    /// Seconds until both codes run out.
    pub expires_in: u64,
    /// Seconds between two questions.
    pub interval: u64,
}

/// The request as the database keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) target: Option<Target>,
    pub(crate) scopes: Scopes,
}

impl Asked {
    /// What a request is about.
    pub(crate) fn of(device: &DeviceAuthorization) -> Result<Self, StoreError> {
        serde_json::from_str(&device.request)
            .map_err(|error| StoreError::corrupt("device_authorizations.request", error))
    }
}

impl AuthorizationServer {
    /// Begins a device authorization for an authenticated client.
    pub async fn authorize_device(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
    ) -> Result<DeviceAuthorizationResponse, IssueError> {
        self.may_be_a_device(client)?;
        let address = person.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let network = network_of(address);
        self.device_requests.take(&network).map_err(IssueError::TooMany)?;
        let face = self.face_of_device(client);
        let (target, scopes) = self.check_scope((client, &face), form)?;
        let request = serde_json::to_string(&Asked { target, scopes })
            .map_err(|error| StoreError::corrupt("device_authorizations.request", error))?;
        let settings = self.settings().clone();
        let (now, lifetime) = (self.world.now(), settings.lifetimes.device_code);
        for _ in 0..DRAWS {
            let Some(user_code) = UserCode::from_random(&self.world.random()) else {
                continue;
            };
            let device_code = self.world.new_token(TokenKind::Device);
            let user_agent = person.user_agent.as_deref().unwrap_or_default();
            let new = NewDeviceAuthorization {
                id: self.world.new_id(),
                digest: digest_of(&device_code),
                user_digest: user_digest(user_code),
                client: client.id.clone(),
                request: request.clone(),
                address: address.to_canonical().to_string(),
                user_agent: display_name(user_agent, LONGEST_USER_AGENT).unwrap_or_default(),
                network: network.to_string(),
                expires_at: now + lifetime,
                poll_every: POLL_EVERY,
            };
            match self.store.add_device_authorization(&new, MOST, now).await? {
                Added::Kept => {
                    let verification_uri = settings.issuer.endpoint(paths::DEVICE);
                    return Ok(DeviceAuthorizationResponse {
                        device_code: device_code.expose().to_owned(),
                        user_code: user_code.to_string(),
                        verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
                        verification_uri,
                        expires_in: lifetime.as_secs(),
                        interval: POLL_EVERY.as_secs(),
                    });
                }
                // Those that wait are answered or gone when theirs run out.
                Added::Full => return Err(IssueError::TooMany(lifetime)),
                Added::Taken => {}
            }
        }
        Err(IssueError::Unavailable("no user code is free".to_owned()))
    }

    /// Whether the grant is offered, and to this client (OS-97).
    pub(crate) fn may_be_a_device(&self, client: &Client) -> Result<(), OAuthError> {
        if !self.settings().device {
            let text = "the device authorization grant is turned off here";
            return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, text));
        }
        if !client.metadata.device {
            let text = "this client did not register the device_code grant";
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, text));
        }
        Ok(())
    }
}

/// What the database keeps of a user code.
pub(crate) fn user_digest(code: UserCode) -> [u8; 32] {
    sha256(&[b"user code\0", code.as_bytes()].concat())
}
