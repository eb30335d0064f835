//! The device code grant (RFC 8628 sections 3.4 and 3.5, OS-73 to OS-75).
//!
//! ```text
//!            nobody answered, too soon ───────▶ slow_down: the pause grows by 5 s, for this and all later questions
//!  question  nobody answered ─────────────────▶ authorization_pending, at once or after the wait that was asked for
//!            no, or too late ─────────────────▶ access_denied, expired_token
//!            yes ─────────────────────────────▶ tokens, once; invalid_grant from then on
//!            yes, but taken back since then ──▶ access_denied
//! ```
//!
//! A program that says how long it would rather wait (`Prefer: wait`, RFC 7240) is answered when the person decides. Its
//! pause counts from when it asked, so that it may ask again at once. A question costs a look-up and writes nothing, unless it
//! comes too soon.

use std::time::Duration;

use audit::{Issue, Person, What};
use keys::digest_of;
use model::{AccountId, GrantId, OpaqueToken, TokenKind};
use protocol::{ErrorCode, OAuthError, Params};
use store::{
    Allowed, Client, DeviceAuthorization, NewGrant, NewRefreshToken, Redemption, StoreError, Verdict,
};

use crate::code::single;
use crate::issue::{Holder, IssueError, Standpoint, TokenResponse};
use crate::server::AuthorizationServer;

pub(crate) mod waiting;

/// What the pause grows by (RFC 8628 section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);
/// Whoever asks without end is not written about without end.
const SLOWEST: Duration = Duration::from_mins(1);
/// Longer is nobody kept waiting: what stands between us cuts what is silent for half a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// What grants that came without a redirect have in place of its host.
pub const DEVICE_HOST: &str = "device";

/// How a question was answered.
#[derive(Debug)]
pub struct Polled {
    /// With tokens, or with the reason why there are none.
    pub outcome: Result<TokenResponse, IssueError>,
    /// How long the program could have waited, if it wanted to and could (`Preference-Applied`, RFC 7240 section 3).
    pub wait: Option<Duration>,
}

impl AuthorizationServer {
    /// Answers an authenticated client that asks with a device code, after `wait` at the latest if nobody has decided.
    pub async fn redeem_device_code(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
        wait: Option<Duration>,
    ) -> Polled {
        let mut waited = None;
        let outcome = self
            .poll(client, form, person, wait.map(|wait| (wait, &mut waited)))
            .await;
        Polled {
            outcome,
            wait: waited,
        }
    }

    async fn poll(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
        wait: Option<(Duration, &mut Option<Duration>)>,
    ) -> Result<TokenResponse, IssueError> {
        self.may_be_a_device(client)?;
        let text = single(form, "device_code")?
            .ok_or_else(|| OAuthError::invalid_request("device_code is missing"))?;
        let token = OpaqueToken::parse(TokenKind::Device, text);
        let digest = token.as_ref().map(digest_of);
        // One that asks much oftener than it may costs no look-up either.
        let asked = digest.as_ref().map(|digest| self.polls.ask(digest));
        let asked = asked.unwrap_or(Ok(None)).map_err(IssueError::TooMany)?;
        let mut device = match &token {
            Ok(token) => self.find_device(client, token).await?,
            Err(_) => None,
        };
        if device.is_none() {
            return Err(self.no_such_device(client, person));
        }
        if let (Some(pending), Ok(token)) = (device.as_ref().filter(|device| self.is_pending(device)), &token)
        {
            if asked.is_some_and(|ago| ago < pending.poll_every) {
                return Err(self.slow_down(pending).await?.into());
            }
            if let Some((wait, applied)) = wait
                && let Some(waiter) = self.waiting.enter(pending.id)
            {
                let wait = wait.min(LONGEST_WAIT);
                *applied = Some(wait);
                let left = pending.expires_at.since(self.world.now());
                // Looked up once more after entering: a decision right before it has woken nobody.
                device = self.find_device(client, token).await?;
                if device.as_ref().is_some_and(|device| self.is_pending(device)) {
                    waiter.decided(wait.min(left)).await;
                    device = self.find_device(client, token).await?;
                }
            }
        }
        // It goes with the account or the client that it was of.
        let device = device.ok_or_else(|| refused("the device code is not good any more"))?;
        let allowed = self.verdict(&device)?;
        let redeemed = self
            .redeem_allowed(client, form, person, (&device, allowed))
            .await;
        // What was taken back since it was looked up is told as what it is.
        if let (Err(_), Ok(token)) = (&redeemed, &token)
            && let Some(device) = self.find_device(client, token).await?
            && matches!(device.verdict, Some(Verdict::Denied))
        {
            self.verdict(&device)?;
        }
        redeemed
    }

    /// The request, if it is of this client.
    async fn find_device(
        &self,
        client: &Client,
        token: &OpaqueToken,
    ) -> Result<Option<DeviceAuthorization>, IssueError> {
        let device = self.store.device_authorization(&digest_of(token)).await?;
        Ok(device.filter(|device| device.client == client.id))
    }

    fn is_pending(&self, device: &DeviceAuthorization) -> bool {
        device.verdict.is_none() && device.expires_at > self.world.now()
    }

    fn no_such_device(&self, client: &Client, person: &Person) -> IssueError {
        self.note_refused_grant(&client.id, None, "unknown or foreign device code", person);
        let network = person.address.map(net::address::network_of);
        match network.map(|network| self.device_failures.take(&network)) {
            Some(Err(wait)) => IssueError::TooMany(wait),
            _ => refused("the device code is unknown, or was issued to another client"),
        }
    }

    async fn slow_down(&self, device: &DeviceAuthorization) -> Result<OAuthError, IssueError> {
        let slower = (device.poll_every + SLOWER_BY).min(SLOWEST);
        if slower > device.poll_every {
            self.store
                .slow_device_down(device.id, device.poll_every, slower)
                .await?;
        }
        let text = format!("ask every {} s at most", slower.as_secs());
        Ok(OAuthError::new(ErrorCode::SlowDown, text))
    }

    /// What was allowed.
    fn verdict<'d>(&self, device: &'d DeviceAuthorization) -> Result<&'d Allowed, IssueError> {
        let error = |code, text| Err(OAuthError::new(code, text).into());
        if device.redeemed_at.is_some() {
            return Err(refused("the device code was used before"));
        }
        let expired = device.expires_at <= self.world.now();
        match &device.verdict {
            Some(Verdict::Denied) => error(ErrorCode::AccessDenied, "the person said no"),
            _ if expired => error(ErrorCode::ExpiredToken, "nobody answered in time; begin anew"),
            None => error(ErrorCode::AuthorizationPending, "the person has not answered yet"),
            Some(Verdict::Allowed(allowed)) => Ok(allowed),
        }
    }

    async fn redeem_allowed(
        &self,
        client: &Client,
        form: &Params,
        person: &Person,
        (device, allowed): (&DeviceAuthorization, &Allowed),
    ) -> Result<TokenResponse, IssueError> {
        self.check_resource(form, allowed.server.as_ref())?;
        // A session that lasts must not give more than a refresh would.
        if self.readings.can_ask() {
            self.still_upheld(&client.id, (allowed.account, allowed.grant), person)
                .await?;
        }
        let account = self.store.account_view(allowed.account).await?;
        let account = account.ok_or_else(|| refused("the account is gone"))?;
        let permit = self
            .permit(Standpoint::from(allowed), account, Holder::Client(client))
            .inspect_err(|error| self.note_not_permitted(&client.id, allowed.grant, error, person))?;
        let minted = self.mint(&permit, 0, &allowed.scopes)?;
        let refresh = client
            .metadata
            .refresh
            .then(|| self.world.new_token(TokenKind::Refresh));
        let now = self.world.now();
        let lifetimes = self.settings().lifetimes;
        let grant = NewGrant {
            redirect_host: DEVICE_HOST.to_owned(),
            expires_at: now + lifetimes.refresh_absolute,
            refresh_token: refresh.as_ref().map(|token| NewRefreshToken {
                digest: digest_of(token),
                expires_at: now + lifetimes.refresh_idle,
            }),
        };
        match self
            .store
            .redeem_device(device.id, allowed, client, &grant, now)
            .await?
        {
            Redemption::Redeemed => {}
            Redemption::AlreadyRedeemed => return Err(refused("the device code was used before")),
            Redemption::Refused => return Err(refused("the device code may not be used any more")),
        }
        self.note_issue(&permit, &minted, Issue::DeviceCode, person);
        Ok(self.response(&minted, refresh.map(|token| token.expose().to_owned())))
    }
}

impl AuthorizationServer {
    /// Takes back what somebody allowed a program, before it fetches it: it is told `access_denied` from then on. `false` if
    /// there is nothing to take back; then it may have been fetched at this moment, and is a grant.
    pub async fn take_approval_back(
        &self,
        grant: GrantId,
        account: AccountId,
        person: &Person,
    ) -> Result<bool, StoreError> {
        let now = self.world.now();
        let client = self.store.take_approval_back(grant, account, now).await?;
        let Some(client) = client else {
            return Ok(false);
        };
        let what = What::ApprovalTakenBack {
            grant,
            account,
            client,
        };
        self.recorder.record(what, person.clone());
        Ok(true)
    }
}

fn refused(text: &str) -> IssueError {
    IssueError::Refused(OAuthError::invalid_grant(text))
}

#[cfg(test)]
mod tests;
