//! What a provider gave to be asked again about somebody, and what it says then.

use model::{ExposeSecret, SecretString};

use crate::profile::Profile;

/// Somebody who came, and what is kept of it.
#[derive(Debug)]
pub struct Came {
    /// Who.
    pub profile: Profile,
    /// What the provider can be asked again with, if it gave that and is to be asked.
    pub kept: Option<Kept>,
}

/// What a provider can be asked again with. Never prints.
#[derive(Clone, Debug)]
pub enum Kept {
    /// A refresh token.
    Refresh(SecretString),
    /// An access token that does not run out, as GitHub gives one to an OAuth app.
    Access(SecretString),
}

/// Where the two are told apart once they are written down.
const REFRESH: &str = "refresh:";
const ACCESS: &str = "access:";

impl Kept {
    /// As it goes into an envelope.
    pub fn write(&self) -> SecretString {
        let (kind, token) = match self {
            Self::Refresh(token) => (REFRESH, token),
            Self::Access(token) => (ACCESS, token),
        };
        format!("{kind}{}", token.expose_secret()).into()
    }

    /// As it comes out of one.
    pub fn read(text: &str) -> Option<Self> {
        let token = |text: &str| SecretString::from(text.to_owned());
        match (text.strip_prefix(REFRESH), text.strip_prefix(ACCESS)) {
            (Some(text), _) => Some(Self::Refresh(token(text))),
            (_, Some(text)) => Some(Self::Access(token(text))),
            _ => None,
        }
    }
}

/// What a provider gave when it was asked again. What is to be kept of it has to lie somewhere before anything else is done.
#[derive(Debug)]
pub struct Renewed {
    /// What takes the place of what it was asked with; `None` if that stays.
    pub kept: Option<Kept>,
    pub(crate) access_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_back_and_never_printed() {
        for kept in [
            Kept::Refresh("a:b".to_owned().into()),
            Kept::Access("c".to_owned().into()),
        ] {
            let written = kept.write();
            let read = Kept::read(written.expose_secret()).unwrap();
            assert_eq!(read.write().expose_secret(), written.expose_secret());
            assert!(!format!("{read:?}").contains("a:b"));
        }
        assert!(Kept::read("other").is_none());
    }
}
