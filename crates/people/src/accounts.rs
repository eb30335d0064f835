//! Making accounts, inviting people, setting passwords.

use std::sync::Arc;
use std::time::Duration;

use audit::{Person, Recorder, What};
use keys::digest_of;
use keys::password::{self, BadPassword};
use model::{
    AccountId, GroupName, OpaqueToken, SecretString, SessionId, Timestamp, TokenKind, Username, World,
};
use store::{Account, NewAccount, NewInvitation, Store, StoreError};
use thiserror::Error;

use crate::passwords::{Busy, Passwords};

/// How long an invitation can be opened.
pub const INVITATION: Duration = Duration::from_hours(72);
/// How long the first administrator's link can be opened.
pub const FIRST_ADMINISTRATOR: Duration = Duration::from_hours(1);

/// A one-time link that was made.
#[derive(Debug)]
pub struct Invite {
    /// What the link carries; shown once.
    pub token: OpaqueToken,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// Somebody to be made an account for.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// What they will type.
    pub username: Username,
    /// What others read; the username if empty.
    pub display_name: String,
    /// Address.
    pub email: Option<String>,
    /// Whether they may use the operator's pages.
    pub administrator: bool,
    /// Their groups.
    pub groups: Vec<GroupName>,
}

/// Why an account was not made or changed.
#[derive(Debug, Error)]
pub enum AccountError {
    /// There is one of that name.
    #[error("there is already an account called {0}")]
    Taken(Username),
    /// A group that is not there.
    #[error("there is no group called {0}; make it first with `vestibule group add {0}`")]
    UnknownGroup(GroupName),
    /// The password cannot be taken.
    #[error(transparent)]
    Password(#[from] BadPassword),
    /// The password that was to be replaced is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The link is unknown, was used, or has run out.
    #[error("this link is used up or has run out; ask for a new one")]
    DeadLink,
    /// The account is disabled or unknown.
    #[error("the account is disabled or unknown")]
    Unusable,
    /// Too many people sign in at this moment.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accounts.
#[derive(Clone, Debug)]
pub struct Accounts {
    world: World,
    store: Arc<dyn Store>,
    passwords: Passwords,
    recorder: Recorder,
}

impl Accounts {
    /// The parts it needs.
    pub fn new(world: World, store: Arc<dyn Store>, passwords: Passwords, recorder: Recorder) -> Self {
        Self {
            world,
            store,
            passwords,
            recorder,
        }
    }

    /// Makes an account that its owner opens with a link.
    pub async fn invite(
        &self,
        person: NewPerson,
        valid: Duration,
    ) -> Result<(AccountId, Invite), AccountError> {
        let (token, invitation) = self.link(valid);
        let id = self.add(person, None, Some(&invitation), false).await?;
        Ok((
            id,
            Invite {
                token,
                expires_at: invitation.expires_at,
            },
        ))
    }

    /// Makes an account for a program: nobody can sign in as it, and nobody is invited to.
    pub async fn add_service(&self, person: NewPerson) -> Result<AccountId, AccountError> {
        self.add(person, None, None, true).await
    }

    /// Makes an account with a password.
    pub async fn add_with_password(
        &self,
        person: NewPerson,
        password: SecretString,
    ) -> Result<AccountId, AccountError> {
        password::acceptable(&password, person.username.as_str())?;
        let hash = self.passwords.hash(password).await?;
        self.add(person, Some(hash), None, false).await
    }

    async fn add(
        &self,
        person: NewPerson,
        password_hash: Option<SecretString>,
        invitation: Option<&NewInvitation>,
        service: bool,
    ) -> Result<AccountId, AccountError> {
        let known = self.store.groups().await?;
        if let Some(unknown) = person
            .groups
            .iter()
            .find(|name| !known.iter().any(|group| group.name == **name))
        {
            return Err(AccountError::UnknownGroup(unknown.clone()));
        }
        let display_name = protocol::text::display_name(&person.display_name, 80);
        let account = NewAccount {
            id: self.world.new_id(),
            display_name: display_name.unwrap_or_else(|| person.username.to_string()),
            username: person.username,
            email: person.email,
            email_verified: false,
            administrator: person.administrator,
            password_hash,
            service,
            groups: person.groups,
        };
        if self
            .store
            .add_account(&account, invitation, self.world.now())
            .await?
        {
            Ok(account.id)
        } else {
            Err(AccountError::Taken(account.username))
        }
    }

    /// Gives out a new link for an account: a first sign-in, or a new password.
    pub async fn new_link(&self, account: AccountId, valid: Duration) -> Result<Invite, AccountError> {
        let (token, invitation) = self.link(valid);
        if self.store.invite(account, &invitation, self.world.now()).await? {
            Ok(Invite {
                token,
                expires_at: invitation.expires_at,
            })
        } else {
            Err(AccountError::Unusable)
        }
    }

    fn link(&self, valid: Duration) -> (OpaqueToken, NewInvitation) {
        let token = self.world.new_token(TokenKind::Invitation);
        let invitation = NewInvitation {
            digest: digest_of(&token),
            expires_at: self.world.now() + valid,
        };
        (token, invitation)
    }

    /// Whose link this is, as long as it works.
    pub async fn link_owner(&self, token: &str) -> Result<Account, AccountError> {
        let token = OpaqueToken::parse(TokenKind::Invitation, token).map_err(|_| AccountError::DeadLink)?;
        let invitation = self
            .store
            .invitation(&digest_of(&token))
            .await?
            .ok_or(AccountError::DeadLink)?;
        if invitation.used_at.is_some() || invitation.expires_at <= self.world.now() {
            return Err(AccountError::DeadLink);
        }
        self.store
            .account(invitation.account)
            .await?
            .ok_or(AccountError::DeadLink)
    }

    /// Uses a link: sets the password. Whoever does may then sign in with it.
    pub async fn open_link(
        &self,
        token: &str,
        password: SecretString,
        person: Person,
    ) -> Result<Account, AccountError> {
        let owner = self.link_owner(token).await?;
        password::acceptable(&password, owner.username.as_str())?;
        let hash = self.passwords.hash(password).await?;
        let token = OpaqueToken::parse(TokenKind::Invitation, token).map_err(|_| AccountError::DeadLink)?;
        let account = self
            .store
            .redeem_invitation(&digest_of(&token), &hash, self.world.now())
            .await?;
        let account = account.ok_or(AccountError::DeadLink)?;
        let person = Person {
            username: Some(owner.username.to_string()),
            ..person
        };
        self.recorder.record(
            What::PasswordSet {
                account,
                by_invitation: true,
            },
            person,
        );
        Ok(owner)
    }

    /// Changes a password; the person's other sessions end.
    pub async fn change_password(
        &self,
        account: AccountId,
        current: SecretString,
        new: SecretString,
        keep: SessionId,
        person: Person,
    ) -> Result<(), AccountError> {
        let known = self.store.account(account).await?.ok_or(AccountError::Unusable)?;
        password::acceptable(&new, known.username.as_str())?;
        if !self.passwords.verify(current, known.password_hash).await? {
            return Err(AccountError::WrongPassword);
        }
        let hash = self.passwords.hash(new).await?;
        if !self
            .store
            .set_password(account, &hash, Some(keep), self.world.now())
            .await?
        {
            return Err(AccountError::Unusable);
        }
        self.recorder.record(
            What::PasswordSet {
                account,
                by_invitation: false,
            },
            person,
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
