//! A password that a directory checks which is asked by LDAP: somebody is found, and then proves that it is them.
//!
//! Guesses are counted for the entry and not for the spelling: a directory takes `ana`, `ANA` and `ａｎａ` for the same.

use ldap::{Asked, Candidate, Directory, Proved};

use crate::company_directory::profile;
use crate::directory_password::{Asking, Came};
use crate::guessing;
use crate::sign_in::{SignIn, SignInError};

impl SignIn {
    /// Nobody, if there is no such entry.
    pub(crate) async fn by_ldap(
        &self,
        ldap: &Directory,
        asking: &Asking<'_>,
    ) -> Result<Option<Came>, SignInError> {
        match ldap.find(asking.typed).await {
            Ok(Asked::One(candidate)) => self.prove(ldap, candidate, asking).await.map(Some),
            Ok(Asked::Nobody) => Ok(None),
            Ok(Asked::Several) => {
                let typed = asking.typed.to_lowercase();
                self.count(&guessing::of_nobody(&typed, &asking.attempt.at), asking.person)
                    .await?;
                let reason = format!("{}: several entries have this name", asking.directory.name);
                self.refused(None, &reason, asking.person.clone());
                Err(SignInError::Refused)
            }
            Err(error) => Err(self.silent(asking, &error)),
        }
    }

    async fn prove(
        &self,
        ldap: &Directory,
        candidate: Box<Candidate>,
        asking: &Asking<'_>,
    ) -> Result<Came, SignInError> {
        let entry = candidate.entry.clone();
        let (known, counters) = self.counted(asking, &entry.id).await?;
        match ldap.prove(candidate, &asking.attempt.password).await {
            Ok(Proved::Right(groups)) => Ok(asking.came(profile(entry, groups), (known, counters))),
            Ok(Proved::Wrong(why)) => Err(self.wrong(asking, known, &why)),
            Err(error) => {
                guessing::take_back(&*self.store, &counters).await?;
                Err(self.silent(asking, &error))
            }
        }
    }
}
