//! A password that a service of the company checks, which is told name and password at once: who it is, is known only once it
//! said yes.
//!
//! So guesses are counted for what was typed, in whatever spelling ([`spelled`](crate::guessing::spelled)), and a right password
//! counts for the account like any other, until it is known that no second factor follows.

use model::{AccountId, Username};
use relying::{Checked, CredentialCheck};
use store::StoreError;

use crate::directory_password::{Asking, Came};
use crate::guessing;
use crate::guessing::spelled::Spelled;
use crate::sign_in::{SignIn, SignInError};

impl SignIn {
    /// Nobody, if the service knows nobody who is called so.
    pub(crate) async fn by_service(
        &self,
        check: &CredentialCheck,
        asking: &Asking<'_>,
    ) -> Result<Option<Came>, SignInError> {
        let owner = self.made_for(asking).await?;
        let name = (asking.directory.issuer.as_str(), asking.typed);
        let spelled = Spelled::of(&*self.store, &asking.attempt.at, name, owner).await?;
        self.count(&spelled.counters(), asking.person).await?;
        match check.check(asking.typed, &asking.attempt.password).await {
            Ok(Checked::Right(profile)) => {
                spelled.forgive(&*self.store).await?;
                let counted = self.counted(asking, &profile.subject).await?;
                Ok(Some(asking.came(*profile, counted)))
            }
            Ok(Checked::Wrong(why)) => Err(self.wrong(asking, owner, &why)),
            // Counted once everybody was asked.
            Ok(Checked::Nobody) => {
                guessing::take_back(&*self.store, &spelled.counters()).await?;
                Ok(None)
            }
            Err(error) => {
                guessing::take_back(&*self.store, &spelled.counters()).await?;
                Err(self.silent(asking, &error))
            }
        }
    }

    /// The account that was made for whoever is called so there.
    async fn made_for(&self, asking: &Asking<'_>) -> Result<Option<AccountId>, StoreError> {
        let directory = asking.directory;
        let Ok(username) = Username::from_typed(&format!("{}+{}", asking.typed, directory.name)) else {
            return Ok(None);
        };
        let Some(account) = self.store.account_by_username(&username).await? else {
            return Ok(None);
        };
        let identities = self.store.identities_of(account.id).await?;
        let is_theirs = identities
            .iter()
            .any(|known| known.name.issuer == directory.issuer);
        Ok(is_theirs.then_some(account.id))
    }
}
