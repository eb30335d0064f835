//! Codes of an authenticator app (RFC 6238): six digits, thirty seconds, one step to either side for clocks that differ.
//!
//! The secret lies sealed, for its account alone. Until a code has shown that the app has it too, it lies nowhere: the page
//! carries it as a ticket that only the same session can bring back.

use audit::Person;
use data_encoding::BASE32_NOPAD;
use keys::Sealer;
use keys::seal::{Purpose, Sealed};
use model::{AccountId, ExposeSecret as _, SessionId, Timestamp};
use store::{Store, TotpSecret};
use totp_rs::{Builder, Secret, Totp};
use tracing::warn;

use crate::factors::{FactorError, Factors};

/// The length of a secret, that of its hash (RFC 4226 section 4, requirement 6).
const SECRET: usize = 20;
/// Seconds of a step.
const STEP: u64 = 30;

/// A secret that is not confirmed yet, for the page that shows it.
#[derive(Clone)]
pub struct Enrolment {
    /// The secret as people type it: Base32 in groups of four.
    pub text: String,
    /// The same as a URI, for a QR code.
    pub uri: String,
    /// What the form brings back.
    pub ticket: String,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment")
    }
}

impl Factors {
    /// Makes a secret. `owner` is what it is bound to until it is confirmed, `door` what the app calls us.
    pub fn new_totp(&self, owner: &str, door: &str, username: &str) -> Enrolment {
        self.enrolment(&self.world.random::<SECRET>(), owner, door, username)
    }

    /// The same secret again, after a code that was mistyped.
    pub fn same_totp(
        &self,
        ticket: &str,
        owner: &str,
        door: &str,
        username: &str,
    ) -> Result<Enrolment, FactorError> {
        let secret = self.secret_in(ticket, owner)?;
        Ok(self.enrolment(&secret, owner, door, username))
    }

    fn enrolment(&self, secret: &[u8], owner: &str, door: &str, username: &str) -> Enrolment {
        let base32 = BASE32_NOPAD.encode(secret);
        let (door, username) = (encoded(door), encoded(username));
        Enrolment {
            text: in_groups(&base32),
            uri: format!("otpauth://totp/{door}:{username}?secret={base32}&issuer={door}"),
            ticket: self.sealer.ticket(&pending(owner), &base32),
        }
    }

    fn secret_in(&self, ticket: &str, owner: &str) -> Result<Vec<u8>, FactorError> {
        let base32 = self
            .sealer
            .open_ticket(&pending(owner), ticket)
            .map_err(|_| FactorError::Gone)?;
        BASE32_NOPAD
            .decode(base32.as_bytes())
            .map_err(|_| FactorError::Gone)
    }

    /// Keeps a secret whose first code is right. That code has counted then; the owner's other sessions end.
    pub async fn confirm_totp(
        &self,
        (account, session): (AccountId, SessionId),
        ticket: &str,
        owner: &str,
        code: &str,
        person: Person,
    ) -> Result<(), FactorError> {
        let secret = self.secret_in(ticket, owner)?;
        let now = self.world.now();
        let step = step_of(&secret, code, now).ok_or(FactorError::Wrong)?;
        let sealed = self.sealer.seal(&purpose(&account.to_string()), &secret);
        let kept = TotpSecret {
            account,
            sealed: sealed.as_bytes().to_vec(),
            last_step: step,
            created_at: now,
            last_used_at: None,
        };
        if !self.store.add_totp(&kept, session).await? {
            return Err(FactorError::Full);
        }
        self.changed(account, "totp", "added", person);
        Ok(())
    }

    /// Whether this is a code of the account's app that was not used before; it is used then.
    pub(crate) async fn use_totp(&self, account: AccountId, code: &str) -> Result<bool, FactorError> {
        let Some(kept) = self.store.totp_of(account).await? else {
            return Ok(false);
        };
        let sealed = Sealed::from_bytes(kept.sealed);
        let secret = self.sealer.open(&purpose(&account.to_string()), &sealed)?;
        let now = self.world.now();
        let Some(step) = step_of(secret.expose_secret(), code, now) else {
            return Ok(false);
        };
        Ok(self.store.use_totp(account, kept.created_at, step, now).await?)
    }

    /// Takes the app away from an account; its owner's other sessions end.
    pub async fn remove_totp(
        &self,
        account: AccountId,
        session: SessionId,
        person: Person,
    ) -> Result<(), FactorError> {
        let now = self.world.now();
        if !self.store.remove_totp(account, session, now).await? {
            return Err(FactorError::Missing);
        }
        self.changed(account, "totp", "removed", person);
        Ok(())
    }
}

/// Seals every secret again that is not under the current master key; gives how many there were.
pub async fn reseal(store: &dyn Store, sealer: &Sealer) -> Result<usize, FactorError> {
    let mut count = 0;
    for kept in store.totp_secrets().await? {
        let sealed = Sealed::from_bytes(kept.sealed.clone());
        // One that nobody can open is its owner's to set up anew, and no reason not to start.
        let resealed = sealer.reseal(&purpose(&kept.account.to_string()), &sealed);
        let resealed = resealed.unwrap_or_else(|error| {
            warn!(%error, account = %kept.account, "the secret of an authenticator app does not open");
            None
        });
        if let Some(resealed) = resealed
            && store
                .reseal_totp(kept.account, &kept.sealed, resealed.as_bytes())
                .await?
        {
            count += 1;
        }
    }
    Ok(count)
}

fn purpose(account: &str) -> Purpose<'_> {
    Purpose {
        purpose: "totp secret",
        owner: account,
    }
}

fn pending(owner: &str) -> Purpose<'_> {
    Purpose {
        purpose: "totp enrolment",
        owner,
    }
}

/// The time step whose code this is.
fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(now.as_seconds()).ok()?;
    let step = totp(secret)?.check(&code, seconds)?;
    i64::try_from(step).ok()
}

fn totp(secret: &[u8]) -> Option<Totp> {
    let secret: [u8; SECRET] = secret.try_into().ok()?;
    Builder::new()
        .with_secret(Secret::new_stack(secret))
        .with_skew(1)
        .with_step_duration(STEP)
        .build()
        .ok()
}

fn in_groups(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

/// Percent-encoded, but for what RFC 3986 section 2.3 leaves alone.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
