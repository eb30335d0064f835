//! Linking an account: by a token that its owner types, or by what [`journey`](crate::journey) brings home. Nothing is kept
//! before the provider has said whose it is, and that is who they are here (proof of identity).

use audit::{Person, What};
use model::{EventId, ExposeSecret as _, SecretString, Timestamp};
use relying::oauth_client::ClientError;
use store::{AccountView, ConnectionKind, NewConnection, StoreError};
use thiserror::Error;

use crate::connections::Connections;
use crate::connector::{Connector, Match};
use crate::credential::{Credential, Secrets};
use crate::who_am_i::{UpstreamAccount, WhoError};

/// The longest token that is taken.
const LONGEST_TOKEN: usize = 8 << 10;

/// Whose connection it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The account.
    pub account: &'a AccountView,
    /// For the record.
    pub person: &'a Person,
}

/// Why nothing was connected.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The connector takes no tokens.
    #[error("this provider's accounts are not connected by a token")]
    NotOffered,
    /// It cannot be a token.
    #[error("this cannot be a token: it is empty, too long, or has spaces or odd characters in it")]
    NotAToken,
    /// The provider does not know whose it is.
    #[error("{0}")]
    Who(#[from] WhoError),
    /// It is somebody else's (proof of identity).
    #[error("it belongs to {0} there, which is not who you are here")]
    SomebodyElse(String),
    /// The provider does not take the code, or cannot be asked.
    #[error(transparent)]
    Provider(#[from] ClientError),
    /// The account is not active any more.
    #[error("the account is not active")]
    Inactive,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Connections {
    /// Keeps a token that its owner typed, once the provider has said whose it is and that is who they are here.
    pub async fn connect_with_token(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        token: SecretString,
    ) -> Result<UpstreamAccount, ConnectError> {
        if connector.personal_token.is_none() {
            return Err(ConnectError::NotOffered);
        }
        let connected = self.check_and_keep(owner, connector, token).await;
        if let Err(error) = &connected {
            self.record_refusal(owner, connector, error);
        }
        connected
    }

    pub(crate) fn record_refusal(&self, owner: Owner<'_>, connector: &Connector, error: &ConnectError) {
        let (reason, there) = match error {
            ConnectError::SomebodyElse(there) => ("identity_mismatch".to_owned(), Some(there.clone())),
            other => (other.to_string(), None),
        };
        let what = What::ConnectionRefused {
            account: owner.account.id,
            connector: connector.name.clone(),
            reason,
        };
        self.record(what, owner.person, there);
    }

    async fn check_and_keep(
        &self,
        owner: Owner<'_>,
        connector: &Connector,
        token: SecretString,
    ) -> Result<UpstreamAccount, ConnectError> {
        let text = token.expose_secret();
        if text.is_empty() || text.len() > LONGEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConnectError::NotAToken);
        }
        let credential = Credential::new(token.clone(), None);
        let who = connector.whose.ask(&connector.client, &credential).await?;
        self.prove(owner.account, connector, &who).await?;
        let secrets = Secrets {
            token: text.to_owned(),
            refresh_token: None,
            place: connector.place.clone(),
            guard: None,
        };
        self.keep(owner, connector, (ConnectionKind::Token, None), &secrets, &who)
            .await?;
        Ok(who)
    }

    /// Proof of identity: a credential of somebody else would make this person act as them.
    pub(crate) async fn prove(
        &self,
        account: &AccountView,
        connector: &Connector,
        who: &UpstreamAccount,
    ) -> Result<(), ConnectError> {
        let here = account.username.as_str();
        let is_called = |here: &str| {
            let there = who.name.as_ref();
            there.is_some_and(|name| name.eq_ignore_ascii_case(here))
        };
        let is_same = match &connector.identity {
            Match::Nothing => true,
            Match::Username => is_called(here),
            Match::UsernameFrom { company, issuer } => match here.strip_suffix(&format!("+{company}")) {
                // Who has such a name without being of the company is called so for another reason.
                Some(name) if is_called(name) => {
                    let identities = self.store.identities_of(account.id).await?;
                    identities.iter().any(|identity| identity.name.issuer == *issuer)
                }
                _ => is_called(here),
            },
            Match::Email => match (&who.email, &account.email) {
                (Some(there), Some((here, true))) => there.eq_ignore_ascii_case(here),
                _ => false,
            },
            Match::Subject(issuer) => {
                let identities = self.store.identities_of(account.id).await?;
                identities
                    .iter()
                    .any(|identity| identity.name.issuer == *issuer && identity.name.subject == who.id)
            }
        };
        if is_same {
            Ok(())
        } else {
            Err(ConnectError::SomebodyElse(who.shown().unwrap_or("?").to_owned()))
        }
    }

    /// Seals it and writes it down. `ends` is when it runs out, and when it is to be renewed.
    pub(crate) async fn keep(
        &self,
        by: Owner<'_>,
        connector: &Connector,
        (kind, ends): (ConnectionKind, Option<(Timestamp, Timestamp)>),
        secrets: &Secrets,
        who: &UpstreamAccount,
    ) -> Result<(), ConnectError> {
        let (account, version) = (by.account.id, self.world.new_id::<EventId>());
        let connection = NewConnection {
            account,
            connector: connector.name.clone(),
            kind,
            sealed: self.seal(account, &connector.name, version, secrets),
            version,
            upstream_id: who.id.clone(),
            upstream_name: who.name.clone(),
            expires_at: ends.map(|(expires_at, _)| expires_at),
            renew_at: ends.map(|(_, renew_at)| renew_at),
        };
        if !self.store.connect(&connection, self.world.now()).await? {
            return Err(ConnectError::Inactive);
        }
        let what = What::ConnectionMade {
            account,
            connector: connector.name.clone(),
            kind: kind.as_str().to_owned(),
        };
        self.record(what, by.person, who.shown().map(str::to_owned));
        Ok(())
    }
}
