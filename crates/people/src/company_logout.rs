//! A provider says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0).
//!
//! What ends is what that provider began, here, before it said so: a token that is sent again ends nothing new. Programs that
//! are connected stay connected, as with every sign-out (section 2.7).

use std::time::Duration;

use audit::{Person, What};
use relying::BadLogoutToken;
use store::{EndedThere, ForeignName, StoreError};
use thiserror::Error;

use crate::company::Company;
use crate::ways::Provider;

/// `iat` is in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Why nothing is ended.
#[derive(Debug, Error)]
pub enum CompanyLogoutError {
    /// The token does not count.
    #[error(transparent)]
    Token(#[from] BadLogoutToken),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Company {
    /// Ends what a provider says has ended; gives how many sessions that were.
    pub async fn logged_out(
        &self,
        provider: &Provider,
        token: &str,
        person: &Person,
    ) -> Result<usize, CompanyLogoutError> {
        let now = self.world.now();
        let logged_out = provider.upstream.logged_out(token, now).await?;
        let account = match logged_out.subject {
            Some(subject) => {
                let name = ForeignName {
                    issuer: provider.issuer().to_owned(),
                    subject,
                };
                self.store.identity(&name).await?
            }
            None => None,
        };
        // Whoever took the link away since is known by the session alone; without one there is nobody to end anything of.
        let ended = EndedThere {
            provider: &provider.name,
            account,
            session: logged_out.sid.as_deref(),
            until: logged_out.at + SECOND + provider.upstream.leeway(),
        };
        let ended = self.store.end_sessions_of_provider(&ended, now).await?;
        for &(session, account) in &ended {
            let what = What::SignedOut {
                account,
                session,
                provider: Some(provider.name.clone()),
            };
            self.recorder.record(what, person.clone());
        }
        Ok(ended.len())
    }
}
