//! Signing in with a password that a directory of the company knows.
//!
//! ```text
//!  name ──▶ asked of one directory after the other ──▶ counted ──▶ it takes the password ──▶ admitted ──▶ First
//!             └ in none: counted, refused                └ does not answer: not counted, and said
//! ```
//!
//! Who somebody is, is the id that the directory knows them by, which nobody else ever has; what they typed only finds it. How
//! one is asked is a file of its own: [`ldap_password`](crate::ldap_password), [`service_password`](crate::service_password).

use std::fmt::Display;
use std::sync::Arc;

use audit::Person;
use model::{AccountId, ExposeSecret as _, Timestamp};
use relying::Profile;
use store::ForeignName;

use crate::company::CompanyError;
use crate::company_directory::{CompanyDirectory, Means};
use crate::guessing::{self, Counter};
use crate::second_factor::First;
use crate::sign_in::{Attempt, SignIn, SignInError};

/// The longest name that is looked for.
const LONGEST: usize = 256;

/// What one directory is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) directory: &'a Arc<CompanyDirectory>,
    /// Whom, as they typed it.
    pub(crate) typed: &'a str,
    pub(crate) attempt: &'a Attempt<'a>,
    pub(crate) person: &'a Person,
    /// Since when.
    pub(crate) asked: Timestamp,
}

/// Somebody whose password a directory took.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) directory: Arc<CompanyDirectory>,
    /// Who they are there.
    pub(crate) profile: Profile,
    /// Whose that is here, if anybody's.
    pub(crate) known: Option<AccountId>,
    /// What counted it, and is to be forgiven.
    pub(crate) counters: Vec<Counter>,
    pub(crate) asked: Timestamp,
}

impl Asking<'_> {
    pub(crate) fn came(
        &self,
        profile: Profile,
        (known, counters): (Option<AccountId>, Vec<Counter>),
    ) -> Came {
        Came {
            directory: Arc::clone(self.directory),
            profile,
            known,
            counters,
            asked: self.asked,
        }
    }
}

impl SignIn {
    /// Checks one attempt at the directories, and lets whoever it is in.
    pub(crate) async fn with_directory(
        &self,
        directories: &[Arc<CompanyDirectory>],
        attempt: Attempt<'_>,
        person: Person,
    ) -> Result<First, SignInError> {
        let came = self.at_directories(directories, &attempt, &person).await?;
        let Came {
            directory, profile, ..
        } = &came;
        let admitted = self
            .company
            .admit_as_of(directory.source(), profile, came.asked, &person);
        match admitted.await {
            Ok(proof) => {
                if came.known.is_none() {
                    // Made at this moment: what follows looks for the counters of the account.
                    guessing::forgive_name(&*self.store, &came.counters).await?;
                }
                Ok(First(proof))
            }
            Err(CompanyError::Store(error)) => Err(error.into()),
            Err(CompanyError::Refused(why)) => {
                guessing::forgive(&*self.store, &came.counters).await?;
                Err(SignInError::NotAdmitted {
                    title: directory.title.clone(),
                    why,
                    profile: Box::new(came.profile),
                })
            }
            // Nothing else happens where nobody leaves for anywhere.
            Err(_) => Err(SignInError::Refused),
        }
    }

    /// Checks one attempt at the directories, and gives who it is there.
    pub(crate) async fn at_directories(
        &self,
        directories: &[Arc<CompanyDirectory>],
        attempt: &Attempt<'_>,
        person: &Person,
    ) -> Result<Came, SignInError> {
        let typed = attempt.username.trim();
        let is_name = !typed.is_empty() && typed.len() <= LONGEST && !typed.contains(char::is_control);
        // A bind without a password would succeed as nobody (RFC 4513 section 5.1.2).
        if !is_name || attempt.password.expose_secret().is_empty() {
            self.refused(None, "not a username, or no password", person.clone());
            return Err(SignInError::Refused);
        }
        // A known browser is not slowed by its neighbours, and is known only once it is known who that is; so a network that
        // has to wait waits here, where looking somebody up costs the directory something.
        if let Some(wait) = guessing::network_waits(&*self.store, &self.world, &attempt.at).await? {
            self.refused(None, "slowed down", person.clone());
            return Err(SignInError::Slowed(wait));
        }
        let (typed, directories) = addressed(typed, directories);
        // Takes as long as a local password would: how long it takes says nothing of which accounts have one.
        let nothing = self.passwords.verify(attempt.password.clone(), None);
        let asking = self.one_after_the_other(typed, directories, attempt, person);
        let (spent, answer) = tokio::join!(nothing, asking);
        // Whoever was let in already is not turned away because others keep us busy.
        if answer.is_err() {
            spent?;
        }
        answer
    }

    async fn one_after_the_other(
        &self,
        typed: &str,
        directories: &[Arc<CompanyDirectory>],
        attempt: &Attempt<'_>,
        person: &Person,
    ) -> Result<Came, SignInError> {
        let asked = self.world.now();
        for directory in directories {
            let asking = Asking {
                directory,
                typed,
                attempt,
                person,
                asked,
            };
            let came = match &directory.means {
                Means::Ldap(ldap) => self.by_ldap(ldap, &asking).await?,
                Means::Http(check) => self.by_service(check, &asking).await?,
            };
            if let Some(came) = came {
                return Ok(came);
            }
        }
        self.count(&guessing::of_nobody(&typed.to_lowercase(), &attempt.at), person)
            .await?;
        self.refused(None, "no such account, and in no directory", person.clone());
        Err(SignInError::Refused)
    }

    /// Whose an id there is here, and what counts for it; it is counted.
    pub(crate) async fn counted(
        &self,
        asking: &Asking<'_>,
        subject: &str,
    ) -> Result<(Option<AccountId>, Vec<Counter>), SignInError> {
        let name = ForeignName {
            issuer: asking.directory.issuer.clone(),
            subject: subject.to_owned(),
        };
        let known = match self.store.identity(&name).await? {
            Some(account) => self.store.account(account).await?,
            None => None,
        };
        let at = &asking.attempt.at;
        let counters = match &known {
            Some(account) => {
                guessing::counters(&*self.store, at, &account.username, Some(account.id)).await?
            }
            None => guessing::of_nobody(&format!("{}\0{}", name.issuer, name.subject), at),
        };
        self.count(&counters, asking.person).await?;
        Ok((known.map(|account| account.id), counters))
    }

    pub(crate) async fn count(&self, counters: &[Counter], person: &Person) -> Result<(), SignInError> {
        let counted = guessing::count(&*self.store, &self.world, counters).await?;
        counted.map_err(|wait| {
            self.refused(None, "slowed down", person.clone());
            SignInError::Slowed(wait)
        })
    }

    /// Records what a directory says of a password that it does not take.
    pub(crate) fn wrong(&self, asking: &Asking<'_>, account: Option<AccountId>, why: &str) -> SignInError {
        let name = &asking.directory.name;
        let reason = format!("{name}: the directory refuses the password: {why}");
        self.refused(account, &reason, asking.person.clone());
        SignInError::Refused
    }

    /// Who is looked for may be there: the next directory's namesake must not be shown their password.
    pub(crate) fn silent(&self, asking: &Asking<'_>, error: &dyn Display) -> SignInError {
        let directory = asking.directory;
        tracing::warn!(directory = directory.name, %error, "a directory cannot be asked");
        self.refused(
            None,
            &format!("{}: {error}", directory.name),
            asking.person.clone(),
        );
        SignInError::Directory(directory.title.clone())
    }
}

/// What is looked for, and where: `ana+corp`, as accounts that a directory made are called, names the directory.
fn addressed<'a>(
    typed: &'a str,
    directories: &'a [Arc<CompanyDirectory>],
) -> (&'a str, &'a [Arc<CompanyDirectory>]) {
    let named = typed.rsplit_once('+').and_then(|(name, directory)| {
        let at = directories.iter().position(|known| known.name == directory)?;
        Some((name, directories.get(at..=at)?))
    });
    match named {
        Some((name, directory)) if !name.is_empty() => (name, directory),
        _ => (typed, directories),
    }
}
