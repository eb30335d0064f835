//! Passkeys (Web Authentication Level 3): discoverable, and their device verifies its owner.
//!
//! A passkey is a way in by itself, without a name being typed: the device is had, its owner is verified by it (a finger, a
//! face, a PIN), and no other origin can ask for it. So it is two factors, and more than a password with a code.
//!
//! `webauthn-rs` checks challenge, origin, RP id hash, flags, signature and counter (section 7.2). What it keeps between
//! begin and finish lies in the database, so that another replica can finish. Its challenges come from dice of its own, which
//! tests have no need to own.

use audit::Person;
use model::id::Id as _;
use model::{AccountId, Assurance, PasskeyId, SessionId};
use protocol::Origin;
use protocol::text::display_name;
use store::{Passkey, Proved};
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Credential, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::factors::{At, FactorError, Factors};
use crate::guessing;
use crate::second_factor::unreadable;
use crate::sign_in::Proof;

const SIGN_IN: &str = "passkey sign-in";
const ADDING: &str = "passkey adding";
/// A passkey stands in for a password of ours. Who has none comes in by the company, whose word about them is asked each
/// time, and which takes them out.
const ONLY_THE_COMPANY: &str = "the account has no password here";
/// Most passkeys of one account.
const MOST: u32 = 20;
/// The longest name of one.
const LONGEST_NAME: usize = 60;

/// The door as a relying party.
#[derive(Clone, Copy, Debug)]
pub struct RelyingParty<'a> {
    /// The public origin; its host is the RP id.
    pub origin: &'a Origin,
    /// What people call it.
    pub title: &'a str,
}

/// What a page gives to the browser.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The ceremony's id, which comes back with the answer.
    pub ceremony: String,
    /// The options, as JSON (section 5.4 or 5.5).
    pub options: serde_json::Value,
}

/// What the browser gives back.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The ceremony's id.
    pub ceremony: &'a str,
    /// That of somebody whose second factor is waited for; empty if the passkey is all.
    pub first: &'a str,
    /// The credential as JSON.
    pub credential: &'a str,
}

impl RelyingParty<'_> {
    /// Whether browsers make passkeys for it: an RP id is a domain (section 5.1.3), and never a mere address.
    pub fn can_have_passkeys(&self) -> bool {
        let url = Url::parse(self.origin.as_str()).ok();
        url.is_some_and(|url| matches!(url.host(), Some(url::Host::Domain(_))))
    }

    fn webauthn(&self) -> Result<Webauthn, FactorError> {
        let url =
            Url::parse(self.origin.as_str()).map_err(|error| FactorError::Passkey(error.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        WebauthnBuilder::new(host, &url)
            .map(|builder| builder.rp_name(self.title))
            .and_then(WebauthnBuilder::build)
            .map_err(does_not_hold)
    }
}

impl Factors {
    /// Asks for a passkey, of whomever.
    pub async fn ask_for_passkey(&self, door: RelyingParty<'_>, at: &At<'_>) -> Result<Asked, FactorError> {
        let (challenge, state) = door
            .webauthn()?
            .start_discoverable_authentication()
            .map_err(does_not_hold)?;
        let state = serde_json::to_string(&state).map_err(unreadable)?;
        let ceremony = self.begin(SIGN_IN, None, state, at).await?;
        let options = serde_json::to_value(&challenge.public_key).map_err(unreadable)?;
        Ok(Asked { ceremony, options })
    }

    /// Signs somebody in with the passkey that their browser answered with.
    pub async fn with_passkey(
        &self,
        door: RelyingParty<'_>,
        answered: Answered<'_>,
        at: &At<'_>,
    ) -> Result<Proof, FactorError> {
        let awaited = self.awaited(answered.first, at).await?;
        let kept = self.take(SIGN_IN, answered.ceremony, at.form).await?;
        let state: DiscoverableAuthentication = serde_json::from_str(&kept.state).map_err(unreadable)?;
        let webauthn = door.webauthn()?;
        let found = self.find(&webauthn, answered.credential).await;
        let (answer, passkey) = found.inspect_err(|error| {
            self.refused(None, &error.to_string(), at.person(None));
        })?;
        let id = passkey.account;
        let account = self.active(id).await.inspect_err(|error| {
            self.refused(Some(id), &error.to_string(), at.person(None));
        })?;
        let checked = match account.password_hash {
            // The page has said who signs in.
            Some(_) if awaited.is_some_and(|awaited| awaited != id) => Err(FactorError::Passkey(
                "somebody else's second factor is waited for".to_owned(),
            )),
            Some(_) => self.check(&webauthn, &answer, state, passkey).await,
            None => Err(FactorError::Passkey(ONLY_THE_COMPANY.to_owned())),
        };
        if let Err(error) = checked {
            self.refused(
                Some(id),
                &error.to_string(),
                at.person(Some(account.username.to_string())),
            );
            // Only what fails: nobody guesses a signature, and strangers' guesses at a password are no reason to wait.
            let counters = guessing::counters(&*self.store, at, &account.username, Some(id)).await?;
            return match guessing::count(&*self.store, &self.world, &counters).await? {
                Ok(()) => Err(error),
                Err(wait) => Err(FactorError::Slowed(wait)),
            };
        }
        self.came(answered.first, at).await?;
        Ok(Proof {
            account: id,
            username: account.username,
            method: "passkey".to_owned(),
            // RFC 8176 section 2: a key that is had, and an owner who was there and was verified by it.
            proved: Proved {
                provider: None,
                acr: Assurance::Passkey.acr().map(str::to_owned),
                amr: Some("pop user mfa".to_owned()),
                session: None,
            },
            there: None,
            raises: None,
        })
    }

    /// The passkey that an answer names.
    async fn find(
        &self,
        webauthn: &Webauthn,
        credential: &str,
    ) -> Result<(PublicKeyCredential, Passkey), FactorError> {
        let answer: PublicKeyCredential =
            serde_json::from_str(credential).map_err(|_| FactorError::Passkey("not readable".to_owned()))?;
        let (handle, credential) = webauthn
            .identify_discoverable_authentication(&answer)
            .map_err(does_not_hold)?;
        let passkeys = self.store.passkeys_of(AccountId::from_uuid(handle)).await?;
        let known = passkeys
            .into_iter()
            .find(|passkey| passkey.credential == credential);
        let passkey = known.ok_or_else(|| FactorError::Passkey("not known here".to_owned()))?;
        Ok((answer, passkey))
    }

    async fn check(
        &self,
        webauthn: &Webauthn,
        answer: &PublicKeyCredential,
        state: DiscoverableAuthentication,
        passkey: Passkey,
    ) -> Result<(), FactorError> {
        let mut credential: Credential = serde_json::from_str(&passkey.passkey).map_err(unreadable)?;
        let result = webauthn
            .finish_discoverable_authentication_v2(answer, state, &credential)
            .map_err(does_not_hold)?;
        if !result.user_verified() {
            return Err(does_not_hold(WebauthnError::UserNotVerified));
        }
        credential.update_credential(&result);
        let now_says = serde_json::to_string(&credential).map_err(unreadable)?;
        let now = self.world.now();
        // Two uses at once would have counted from the same number: one of them is of a copy, or of a hurry.
        if self
            .store
            .passkey_used(passkey.id, passkey.uses, &now_says, now)
            .await?
        {
            Ok(())
        } else {
            Err(FactorError::Passkey(
                "used at the same moment, or removed".to_owned(),
            ))
        }
    }

    /// Asks for a new passkey for an account.
    pub async fn ask_for_new_passkey(
        &self,
        door: RelyingParty<'_>,
        account: AccountId,
        at: &At<'_>,
    ) -> Result<Asked, FactorError> {
        let account = self.active(account).await?;
        if account.password_hash.is_none() {
            return Err(FactorError::Passkey(ONLY_THE_COMPANY.to_owned()));
        }
        let known = self.store.passkeys_of(account.id).await?;
        if known.len() >= MOST as usize {
            return Err(FactorError::Full);
        }
        let exclude = known.into_iter().map(|passkey| passkey.credential).collect();
        let (username, name) = (account.username.as_str(), account.display_name.as_str());
        let name = if name.is_empty() { username } else { name };
        let (challenge, state) = door
            .webauthn()?
            .start_passkey_registration(account.id.uuid(), username, name, Some(exclude))
            .map_err(does_not_hold)?;
        let state = serde_json::to_string(&state).map_err(unreadable)?;
        let ceremony = self.begin(ADDING, Some(account.id), state, at).await?;
        let mut options = serde_json::to_value(&challenge.public_key).map_err(unreadable)?;
        // Without this a device may keep nothing, and nobody could sign in with it without typing a name (section 5.4.6).
        options["authenticatorSelection"]["residentKey"] = "required".into();
        options["authenticatorSelection"]["requireResidentKey"] = true.into();
        Ok(Asked { ceremony, options })
    }

    /// Adds the passkey that the browser answered with; the owner's other sessions end.
    pub async fn add_passkey(
        &self,
        door: RelyingParty<'_>,
        (account, session): (AccountId, SessionId),
        answered: Answered<'_>,
        name: &str,
        at: &At<'_>,
        person: Person,
    ) -> Result<PasskeyId, FactorError> {
        let kept = self.take(ADDING, answered.ceremony, at.form).await?;
        if kept.account != Some(account) {
            return Err(FactorError::Gone);
        }
        let state: PasskeyRegistration = serde_json::from_str(&kept.state).map_err(unreadable)?;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answered.credential)
            .map_err(|_| FactorError::Passkey("not readable".to_owned()))?;
        let credential = door
            .webauthn()?
            .finish_passkey_registration(&answer, &state)
            .map_err(does_not_hold)?;
        let passkey = Passkey {
            id: self.world.new_id(),
            account,
            credential: credential.cred_id().clone(),
            passkey: serde_json::to_string(&credential).map_err(unreadable)?,
            name: cleaned(name).unwrap_or_else(|| "Passkey".to_owned()),
            created_at: self.world.now(),
            last_used_at: None,
            uses: 0,
        };
        if !self.store.add_passkey(&passkey, MOST, session).await? {
            return Err(FactorError::Full);
        }
        self.changed(account, "passkey", "added", person);
        Ok(passkey.id)
    }

    /// Calls a passkey something else. An empty name changes nothing.
    pub async fn name_passkey(
        &self,
        id: PasskeyId,
        account: AccountId,
        name: &str,
        person: Person,
    ) -> Result<(), FactorError> {
        let Some(name) = cleaned(name) else {
            return Ok(());
        };
        if !self.store.name_passkey(id, account, &name).await? {
            return Err(FactorError::Missing);
        }
        self.changed(account, "passkey", "named", person);
        Ok(())
    }

    /// Takes a passkey away; the owner's other sessions end.
    pub async fn remove_passkey(
        &self,
        id: PasskeyId,
        account: AccountId,
        session: SessionId,
        person: Person,
    ) -> Result<(), FactorError> {
        let now = self.world.now();
        if !self.store.remove_passkey(id, account, session, now).await? {
            return Err(FactorError::Missing);
        }
        self.changed(account, "passkey", "removed", person);
        Ok(())
    }
}

fn cleaned(name: &str) -> Option<String> {
    display_name(name, LONGEST_NAME).filter(|name| !name.trim().is_empty())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn does_not_hold(error: WebauthnError) -> FactorError {
    FactorError::Passkey(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_for_names_and_not_for_addresses() {
        for (origin, can) in [
            ("https://gw.example.com", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8080", false),
            ("https://[::1]:8443", false),
        ] {
            let origin = origin.parse().unwrap();
            let door = RelyingParty {
                origin: &origin,
                title: "Door",
            };
            assert_eq!(door.can_have_passkeys(), can, "{origin}");
        }
    }
}
