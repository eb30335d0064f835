//! Signing in with a password that a directory of the company knows.
//!
//! ```text
//!  name ──▶ found in a directory ──▶ counted ──▶ the directory takes the password ──▶ admitted ──▶ First
//!             └ in none: counted, refused          └ does not answer: not counted, and said
//! ```
//!
//! Who somebody is, is the id of their entry, which no other entry ever has; what they typed only finds it. Guesses are
//! counted for the entry and not for the spelling: a directory takes `ana`, `ANA` and `ａｎａ` for the same.

use std::sync::Arc;

use audit::Person;
use ldap::{Asked, Candidate, DirectoryError, Entry, Proved};
use model::{ExposeSecret as _, Timestamp};
use relying::Profile;
use store::ForeignName;

use crate::company::CompanyError;
use crate::guessing::{self, Counter};
use crate::second_factor::First;
use crate::sign_in::{Attempt, SignIn, SignInError};
use crate::ways::CompanyDirectory;

/// The longest name that is looked for.
const LONGEST: usize = 256;

impl SignIn {
    /// Checks one attempt at the directories.
    pub(crate) async fn with_directory(
        &self,
        directories: &[Arc<CompanyDirectory>],
        attempt: Attempt<'_>,
        person: Person,
    ) -> Result<First, SignInError> {
        let typed = attempt.username.trim();
        let is_name = !typed.is_empty() && typed.len() <= LONGEST && !typed.contains(char::is_control);
        // A bind without a password would succeed as nobody (RFC 4513 section 5.1.2).
        if !is_name || attempt.password.expose_secret().is_empty() {
            self.refused(None, "not a username, or no password", person);
            return Err(SignInError::Refused);
        }
        // A known browser is not slowed by its neighbours, and is known only once it is known who that is; so a network that
        // has to wait waits here, where looking somebody up costs the directory something.
        if let Some(wait) = guessing::network_waits(&*self.store, &self.world, &attempt.at).await? {
            self.refused(None, "slowed down", person);
            return Err(SignInError::Slowed(wait));
        }
        let (typed, directories) = addressed(typed, directories);
        // Takes as long as a local password would: how long it takes says nothing of which accounts have one.
        let nothing = self.passwords.verify(attempt.password.clone(), None);
        let (spent, answer) = tokio::join!(
            nothing,
            self.at_directories(typed, directories, &attempt, &person)
        );
        // Whoever was let in already is not turned away because others keep us busy.
        if answer.is_err() {
            spent?;
        }
        answer
    }

    async fn at_directories(
        &self,
        typed: &str,
        directories: &[Arc<CompanyDirectory>],
        attempt: &Attempt<'_>,
        person: &Person,
    ) -> Result<First, SignInError> {
        let asked = self.world.now();
        for directory in directories {
            match directory.ldap.find(typed).await {
                Ok(Asked::One(candidate)) => {
                    return self.prove(directory, candidate, asked, attempt, person).await;
                }
                Ok(Asked::Nobody) => {}
                Ok(Asked::Several) => {
                    self.count(&guessing::of_nobody(&typed.to_lowercase(), &attempt.at), person)
                        .await?;
                    let reason = format!("{}: several entries have this name", directory.name);
                    self.refused(None, &reason, person.clone());
                    return Err(SignInError::Refused);
                }
                // Who is looked for may be here; the next directory's namesake must not be shown their password.
                Err(error) => return Err(self.silent(directory, &error, person)),
            }
        }
        self.count(&guessing::of_nobody(&typed.to_lowercase(), &attempt.at), person)
            .await?;
        self.refused(None, "no such account, and in no directory", person.clone());
        Err(SignInError::Refused)
    }

    async fn prove(
        &self,
        directory: &CompanyDirectory,
        candidate: Box<Candidate>,
        asked: Timestamp,
        attempt: &Attempt<'_>,
        person: &Person,
    ) -> Result<First, SignInError> {
        let entry = candidate.entry.clone();
        let name = ForeignName {
            issuer: directory.issuer.clone(),
            subject: entry.id.clone(),
        };
        let known = match self.store.identity(&name).await? {
            Some(account) => self.store.account(account).await?,
            None => None,
        };
        let id = known.as_ref().map(|account| account.id);
        let counters = match &known {
            Some(account) => {
                guessing::counters(&*self.store, &attempt.at, &account.username, Some(account.id)).await?
            }
            None => guessing::of_nobody(&format!("{}\0{}", name.issuer, name.subject), &attempt.at),
        };
        self.count(&counters, person).await?;
        let groups = match directory.ldap.prove(candidate, &attempt.password).await {
            Ok(Proved::Right(groups)) => groups,
            Ok(Proved::Wrong(why)) => {
                let reason = format!("{}: the directory refuses the password: {why}", directory.name);
                self.refused(id, &reason, person.clone());
                return Err(SignInError::Refused);
            }
            Err(error) => {
                guessing::take_back(&*self.store, &counters).await?;
                return Err(self.silent(directory, &error, person));
            }
        };
        let profile = profile(entry, groups);
        match self
            .company
            .admit_as_of(directory.source(), &profile, asked, person)
            .await
        {
            Ok(proof) => {
                if known.is_none() {
                    // Made at this moment: what follows looks for the counters of the account.
                    guessing::forgive_name(&*self.store, &counters).await?;
                }
                Ok(First(proof))
            }
            Err(CompanyError::Store(error)) => Err(error.into()),
            Err(CompanyError::Refused(why)) => {
                guessing::forgive(&*self.store, &counters).await?;
                Err(SignInError::NotAdmitted {
                    title: directory.title.clone(),
                    why,
                    profile: Box::new(profile),
                })
            }
            // Nothing else happens where nobody leaves for anywhere.
            Err(_) => Err(SignInError::Refused),
        }
    }

    async fn count(&self, counters: &[Counter], person: &Person) -> Result<(), SignInError> {
        let counted = guessing::count(&*self.store, &self.world, counters).await?;
        counted.map_err(|wait| {
            self.refused(None, "slowed down", person.clone());
            SignInError::Slowed(wait)
        })
    }

    fn silent(&self, directory: &CompanyDirectory, error: &DirectoryError, person: &Person) -> SignInError {
        tracing::warn!(directory = directory.name, %error, "a directory cannot be asked");
        self.refused(None, &format!("{}: {error}", directory.name), person.clone());
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

/// Somebody as a provider would describe them. Nobody vouches for an address: in many directories people write their own.
pub(crate) fn profile(entry: Entry, groups: Vec<String>) -> Profile {
    Profile {
        subject: entry.id,
        username: entry.username,
        name: entry.name,
        email: entry.email,
        email_verified: false,
        groups,
        amr: Some("pwd".to_owned()),
        ..Profile::default()
    }
}
