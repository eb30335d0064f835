//! What is told of a credential that was found. Nothing of it is here but what is public of its kind, so that no form in
//! which this is printed can give it away.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use keys::digest::Sha256;
use model::{ExposeSecret as _, SecretString};

use crate::detect::Hit;
use crate::exposure::Exposure;
use crate::place::Client;
use crate::rules::{Rules, Severity};

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// A credential that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What it is, for people.
    pub title: String,
    /// The id of the provider, if it is known whose it is.
    pub provider: Option<String>,
    /// How much it matters, with what its exposure adds.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// The place as it is shown: below the folder that was looked at, credentials in it left out.
    pub shown: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The column behind it.
    pub end_column: usize,
    /// Where it begins in the text, in bytes, for those who read it again.
    pub(crate) at: usize,
    /// What it is called, as `mcpServers.git.env.TOKEN`.
    pub name: String,
    /// What is public of it.
    pub hint: String,
    /// Names this finding on every machine, and says nothing of a credential that could be guessed.
    pub fingerprint: String,
    /// The same number for the same credential, in one report.
    pub credential: usize,
    /// The client whose configuration it is in.
    pub client: Option<Client>,
    /// The entry of that configuration: what it is called.
    pub entry: Option<String>,
    /// The names that lead to that entry, for those who change it.
    pub entry_path: Vec<String>,
    /// The host that the entry asks.
    pub entry_host: Option<String>,
    /// The one address that the entry asks, if it is one. It may hold more than anybody should read.
    pub(crate) entry_endpoint: Option<SecretString>,
    /// How exposed the file is. None for variables.
    pub exposure: Option<Exposure>,
}

/// The credential as this report knows it again. Keyed by a key that nobody keeps, so that it cannot be guessed back.
pub(crate) type Mark = [u8; 32];

pub(crate) fn mark(key: &[u8; 32], hit: &Hit) -> Mark {
    let mut digest = Sha256::new();
    digest.update(key);
    digest.update(hit.secret.expose_secret().as_bytes());
    digest.finish()
}

/// Names a finding: by its rule, its place and its name, and by the credential if that is long and random. What somebody could
/// guess is never digested, for a digest would tell them when they have guessed it; so a password that was changed in its
/// place is the finding that it was.
pub(crate) fn fingerprint(hit: &Hit, shown: &str, name: &str, nth: usize) -> String {
    let mut digest = Sha256::new();
    let parts = ["vestibule scan 1", &hit.rule, shown, name];
    for part in parts {
        digest.update(part.as_bytes());
        digest.update(b"\0");
    }
    if hit.is_strong {
        digest.update(hit.secret.expose_secret().as_bytes());
    } else {
        digest.update(nth.to_string().as_bytes());
    }
    HEXLOWER.encode(digest.finish().get(..16).unwrap_or_default())
}

/// A name as it may be shown: without credentials, and not longer than anybody reads.
pub(crate) fn shown_name(path: &[String], rules: &Rules) -> String {
    let part = |part: &String| {
        let is_strange =
            part.len() > 80 || crate::entropy::looks_like_a_token(part) && !part.contains(['/', '.']);
        if is_strange {
            "…".to_owned()
        } else {
            rules.redacted(part)
        }
    };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}
