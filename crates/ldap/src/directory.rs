//! A directory: where it is, how people are found in it, and what is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ldap3::Scope;
use model::{ExposeSecret as _, SecretString};
use net::tls::ClientConfig;
use net::watch::Look;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::entry::{Entry, IdOf, Values};
use crate::filter::{GroupFilter, UserFilter, check, equals};
use crate::groups;
use crate::session::{Bound, DirectoryError, Found, Search, Session};

/// How long one question may take in all, with every server that is tried.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections at the same moment, for people who sign in; as many again for asking about those who are known, so that a
/// flood of the one keeps nobody from the other.
const AT_ONCE: usize = 16;

/// Which attributes say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// By what an entry is known for good.
    pub id: IdOf,
    /// What somebody is called.
    pub username: String,
    /// What others read.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// How groups are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSearch {
    /// Under which entry they are.
    pub base: String,
    /// Those of an entry.
    pub filter: GroupFilter,
    /// The attribute that names one; `dn` for its whole name.
    pub name: String,
    /// Whether a group in a group counts, found by asking for each.
    pub nested: bool,
}

impl GroupSearch {
    pub(crate) fn name_of(&self, dn: String, values: &Values) -> Option<String> {
        if self.name.eq_ignore_ascii_case("dn") {
            return Some(dn);
        }
        values.text(&self.name)
    }
}

/// Where a directory is, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its servers; the first that answers is asked.
    pub urls: Vec<Url>,
    /// Whether TLS begins on a connection that begins without (RFC 4511 section 4.14).
    pub start_tls: bool,
    /// As whom it is searched, and the password; nobody, if not given.
    pub bind: Option<(String, SecretString)>,
    /// Under which entry people are.
    pub user_base: String,
    /// How somebody is found.
    pub user_filter: UserFilter,
    /// Which attributes say what.
    pub attributes: Attributes,
    /// How groups are found.
    pub groups: Option<GroupSearch>,
    /// What the file of authorities looked like, so that a changed one makes another directory.
    pub look: Look,
}

/// Somebody who was found, and has proved nothing yet. Holds the connection.
#[derive(Debug)]
pub struct Candidate {
    /// Who.
    pub entry: Entry,
    session: Session,
    _place: OwnedSemaphorePermit,
}

/// What a directory says of what somebody typed.
#[derive(Debug)]
pub enum Asked {
    /// This one.
    One(Box<Candidate>),
    /// Nobody.
    Nobody,
    /// More than one: nobody knows which.
    Several,
}

/// What a directory says of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// It is theirs; and these are their groups.
    Right(Vec<String>),
    /// It is not, or they may not sign in; with the directory's words, for the record.
    Wrong(String),
}

/// A directory.
#[derive(Debug)]
pub struct Directory {
    settings: Settings,
    tls: Arc<ClientConfig>,
    places: Arc<Semaphore>,
    places_again: Arc<Semaphore>,
    /// The server that answered last.
    preferred: AtomicUsize,
}

impl Directory {
    /// A directory that is asked so, and trusts servers as `tls` says.
    pub fn new(settings: Settings, tls: Arc<ClientConfig>) -> Self {
        Self {
            settings,
            tls,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            places_again: Arc::new(Semaphore::new(AT_ONCE)),
            preferred: AtomicUsize::new(0),
        }
    }

    /// How it is asked.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Looks for somebody by what they typed.
    pub async fn find(&self, username: &str) -> Result<Asked, DirectoryError> {
        let looking = async {
            let place = place(&self.places).await?;
            let mut session = self.open().await?;
            let filter = self.settings.user_filter.of(username);
            let mut found = self.people(&mut session, &filter).await?;
            match (found.entries.pop(), found.entries.is_empty(), found.is_cut) {
                (None, ..) => Ok(Asked::Nobody),
                (Some(entry), true, false) => Ok(Asked::One(Box::new(Candidate {
                    entry: self.read(entry)?,
                    session,
                    _place: place,
                }))),
                _ => Ok(Asked::Several),
            }
        };
        in_time(looking).await
    }

    /// Checks a password, and reads the groups of whoever has it.
    pub async fn prove(
        &self,
        mut candidate: Box<Candidate>,
        password: &SecretString,
    ) -> Result<Proved, DirectoryError> {
        let proving = async {
            let Candidate { entry, session, .. } = &mut *candidate;
            if let Bound::Wrong(why) = session.bind(&entry.dn, password).await? {
                return Ok(Proved::Wrong(why));
            }
            let Some(wanted) = &self.settings.groups else {
                return Ok(Proved::Right(Vec::new()));
            };
            // People often may not read groups; whoever searches may.
            self.bind(session).await?;
            Ok(Proved::Right(groups::of(session, wanted, entry).await?))
        };
        in_time(proving).await
    }

    /// Looks for somebody who is known already, with their groups. `None` if they are not there any more.
    pub async fn look_again(&self, id: &str) -> Result<Option<(Entry, Vec<String>)>, DirectoryError> {
        let looking = async {
            let wanted = &self.settings.attributes.id;
            let value = wanted.value(id).ok_or_else(|| {
                DirectoryError::Answer(format!(
                    "{id} is no {}: was `attributes.id` changed?",
                    wanted.name()
                ))
            })?;
            let _place = place(&self.places_again).await?;
            let mut session = self.open().await?;
            let id = equals(wanted.name(), &value);
            let anybody = self.settings.user_filter.of_anybody();
            let mut found = self.people(&mut session, &format!("(&{id}{anybody})")).await?;
            let Some(entry) = found.entries.pop() else {
                // Where nobody is found at all, it is the question that is wrong: a base or a filter with a mistake, or rights
                // that were taken away, of which directories say nothing but that there is nothing.
                let others = format!("(&({}=*){anybody})", wanted.name());
                if self.people(&mut session, &others).await?.entries.is_empty() {
                    return Err(DirectoryError::Answer(
                        "nobody at all is found under `user_base`".to_owned(),
                    ));
                }
                return Ok(None);
            };
            if !found.entries.is_empty() || found.is_cut {
                return Err(DirectoryError::Answer(
                    "several entries have the same id".to_owned(),
                ));
            }
            let entry = self.read(entry)?;
            let groups = match &self.settings.groups {
                Some(wanted) => groups::of(&mut session, wanted, &entry).await?,
                None => Vec::new(),
            };
            Ok(Some((entry, groups)))
        };
        in_time(looking).await
    }

    /// Asks each server whether it lets us search, and whether what is searched is there.
    pub async fn examine(&self) -> Vec<(Url, Result<(), DirectoryError>)> {
        let mut seen = Vec::new();
        for url in &self.settings.urls {
            let examining = async {
                let mut session = self.open_at(url).await?;
                let groups = self.settings.groups.as_ref().map(|groups| &groups.base);
                for base in std::iter::once(&self.settings.user_base).chain(groups) {
                    let search = Search {
                        base,
                        scope: Scope::Base,
                        filter: "(objectClass=*)",
                        attributes: &["1.1"],
                        most: 1,
                    };
                    let found = session.search(&search).await;
                    let why = match found {
                        Ok(found) if !found.entries.is_empty() => continue,
                        Ok(_) => "it is not there, or may not be read".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    return Err(DirectoryError::Answer(format!("{base}: {why}")));
                }
                Ok(())
            };
            seen.push((url.clone(), in_time(examining).await));
        }
        seen
    }

    /// A connection to the first server that answers, beginning with the one that did the last time.
    async fn open(&self) -> Result<Session, DirectoryError> {
        let count = self.settings.urls.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = DirectoryError::Unreachable("it has no server".to_owned());
        for at in (0..count).map(|more| (first + more) % count) {
            let Some(url) = self.settings.urls.get(at) else {
                continue;
            };
            match self.open_at(url).await {
                Ok(session) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(error @ DirectoryError::Unreachable(_)) => {
                    tracing::debug!(%url, %error, "a server of a directory is left out");
                    last = error;
                }
                // The others would say the same, and might shut us out for asking.
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn open_at(&self, url: &Url) -> Result<Session, DirectoryError> {
        let mut session = Session::open(url, self.settings.start_tls, Arc::clone(&self.tls)).await?;
        if self.settings.bind.is_some() {
            self.bind(&mut session).await?;
        }
        Ok(session)
    }

    /// Becomes whoever searches.
    async fn bind(&self, session: &mut Session) -> Result<(), DirectoryError> {
        let Some((dn, password)) = &self.settings.bind else {
            return session.unbind().await;
        };
        match session.bind(dn, password).await? {
            Bound::Right => Ok(()),
            Bound::Wrong(why) => Err(DirectoryError::Answer(format!("it refuses `bind_dn`: {why}"))),
        }
    }

    /// Two at most: one, or more than one.
    async fn people(&self, session: &mut Session, filter: &str) -> Result<Found, DirectoryError> {
        let names = &self.settings.attributes;
        let attributes = [names.id.name(), &names.username, &names.name, &names.email];
        session
            .search(&Search {
                base: &self.settings.user_base,
                scope: Scope::Subtree,
                filter,
                attributes: &attributes,
                most: 1,
            })
            .await
    }

    fn read(&self, entry: ldap3::SearchEntry) -> Result<Entry, DirectoryError> {
        let names = &self.settings.attributes;
        let dn = entry.dn.clone();
        let values = Values::of(entry);
        let id = match values.all(names.id.name()) {
            [one] => names.id.read(one),
            _ => None,
        };
        let id = id.ok_or_else(|| {
            DirectoryError::Answer(format!("{dn} has no {} that could be its id", names.id.name()))
        })?;
        Ok(Entry {
            dn,
            id,
            username: values.text(&names.username),
            name: values.text(&names.name),
            email: values.text(&names.email),
        })
    }
}

impl Settings {
    /// Whether they are the same, the password too.
    pub fn is_same(&self, other: &Self) -> bool {
        let bind = |settings: &Self| {
            let (dn, password) = settings.bind.as_ref()?;
            Some((dn.clone(), password.expose_secret().to_owned()))
        };
        self.urls == other.urls
            && self.start_tls == other.start_tls
            && bind(self) == bind(other)
            && self.user_base == other.user_base
            && self.user_filter == other.user_filter
            && self.attributes == other.attributes
            && self.groups == other.groups
            && self.look == other.look
    }
}

/// Whether an attribute has a name that can stand in a filter (RFC 4512 section 2.5).
pub fn is_attribute(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
        && check(&format!("({name}=*)")).is_ok()
}

async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, DirectoryError> {
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|error| DirectoryError::Unreachable(error.to_string()))
}

async fn in_time<T>(asking: impl Future<Output = Result<T, DirectoryError>>) -> Result<T, DirectoryError> {
    tokio::time::timeout(LONGEST, asking)
        .await
        .unwrap_or_else(|_| Err(DirectoryError::Unreachable("no answer in time".to_owned())))
}
