//! A directory that knows people's passwords, whatever it is asked by: LDAP, or one request to a service of the company.
//!
//! A further means is a further case here, and a file beside [`ldap_password`](crate::ldap_password) and
//! [`service_password`](crate::service_password) that says how a password is proved by it.

use std::sync::Arc;

use ldap::{DirectoryError, Entry};
use relying::{CheckError, CredentialCheck, Profile};

use crate::provider_grants::Again;
use crate::ways::{Rules, Source};

/// A directory, and what it may decide.
#[derive(Debug)]
pub struct CompanyDirectory {
    /// What the configuration calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its identifier, which is made of its name and can be no provider's: `ldap:corp`, `service:corp`.
    pub issuer: String,
    /// How it is asked.
    pub means: Means,
    /// Whom it lets in.
    pub rules: Rules,
}

/// How a directory is asked.
#[derive(Clone, Debug)]
pub enum Means {
    /// By LDAP: somebody is found first, and shows their password to their own entry.
    Ldap(Arc<ldap::Directory>),
    /// By a service that is told a name and a password at once.
    Http(Arc<CredentialCheck>),
}

impl CompanyDirectory {
    /// How the identifiers of directories begin that are asked by LDAP.
    pub const LDAP: &str = "ldap:";
    /// How those of services begin. Another one: by whose word somebody is known is not changed by a line in a file.
    pub const SERVICE: &str = "service:";

    /// The identifier of the directory, or the service, that the configuration calls so.
    pub fn issuer_of(name: &str, is_service: bool) -> String {
        let kind = if is_service { Self::SERVICE } else { Self::LDAP };
        format!("{kind}{name}")
    }

    /// Whether that is the identifier of a directory.
    pub fn is_issuer(issuer: &str) -> bool {
        issuer.starts_with(Self::LDAP) || issuer.starts_with(Self::SERVICE)
    }

    /// Who vouches for people there.
    pub fn source(&self) -> Source<'_> {
        Source {
            kind: "directory",
            name: &self.name,
            issuer: &self.issuer,
            rules: &self.rules,
        }
    }

    /// Who somebody is now who is known there by this id.
    pub(crate) async fn look_again(&self, subject: &str) -> Again {
        match &self.means {
            Means::Ldap(ldap) => match ldap.look_again(subject).await {
                Ok(Some((entry, groups))) => Again::Known(Box::new(profile(entry, groups))),
                Ok(None) => Again::Gone(None),
                Err(error) => Again::Silent {
                    // An answer that cannot be read is about one person.
                    is_down: matches!(error, DirectoryError::Unreachable(_)),
                    why: error.to_string(),
                },
            },
            // What it said at a sign-in holds for a while.
            Means::Http(check) if !check.looks_again() => Again::Nothing,
            Means::Http(check) => match check.look_again(subject).await {
                Ok(Some(profile)) => Again::Known(Box::new(profile)),
                Ok(None) => Again::Gone(None),
                Err(error) => Again::Silent {
                    is_down: matches!(error, CheckError::Unreachable(_)),
                    why: error.to_string(),
                },
            },
        }
    }
}

impl Means {
    /// The directory that is asked by LDAP, if it is one.
    pub fn ldap(&self) -> Option<&Arc<ldap::Directory>> {
        match self {
            Self::Ldap(ldap) => Some(ldap),
            Self::Http(_) => None,
        }
    }

    /// The service, if it is one.
    pub fn service(&self) -> Option<&Arc<CredentialCheck>> {
        match self {
            Self::Http(check) => Some(check),
            Self::Ldap(_) => None,
        }
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
