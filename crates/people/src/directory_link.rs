//! Linking who somebody is in a directory to the account that they are signed in with, by its owner: with their name and password
//! there.
//!
//! A guess here is a guess at the same password as at the sign-in, and counts on the same counters. A right one forgives what
//! counted for the account or the id only where it becomes the owner's: whoever has a password of somebody else gets no more
//! attempts at their code.

use std::sync::Arc;

use store::AccountView;

use crate::company::CompanyError;
use crate::company_directory::CompanyDirectory;
use crate::guessing;
use crate::sign_in::{Attempt, SignIn, SignInError};

impl SignIn {
    /// Links whoever has this name and password in the directory, if they are nobody's yet and the account is nobody there.
    pub async fn link_directory(
        &self,
        directory: &Arc<CompanyDirectory>,
        account: &AccountView,
        attempt: Attempt<'_>,
    ) -> Result<(), SignInError> {
        let person = attempt.at.person(Some(account.username.to_string()));
        let directories = std::slice::from_ref(directory);
        let came = self.at_directories(directories, &attempt, &person).await?;
        let linked = self
            .company
            .link_as_of(directory.source(), &came.profile, account.id, came.asked, &person)
            .await;
        if linked.is_ok() && came.known.is_none() {
            guessing::forgive(&*self.store, &came.counters).await?;
        } else {
            guessing::take_back(&*self.store, &came.counters).await?;
        }
        linked.map_err(|error| match error {
            CompanyError::Store(error) => error.into(),
            CompanyError::Refused(why) => SignInError::NotAdmitted {
                title: directory.title.clone(),
                why,
                profile: Box::new(came.profile),
            },
            // Nothing else happens where nobody leaves for anywhere.
            _ => SignInError::Refused,
        })
    }
}
