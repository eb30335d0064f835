//! What is in the envelope of a connection: readable only while a request is made, and wiped then.

use std::fmt;

use data_encoding::BASE64;
use http::HeaderValue;
use model::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::guarded_server::Guard;
use crate::template::{Said, TemplateError};

/// A person's credential, in the open.
pub struct Credential {
    token: SecretString,
    name: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// A token, and what its owner is called there.
    pub fn new(token: SecretString, name: Option<String>) -> Self {
        Self { token, name }
    }

    /// As a bearer token (RFC 6750 section 2.1).
    pub(crate) fn bearer(&self) -> Result<HeaderValue, TemplateError> {
        let text = Zeroizing::new(["Bearer ", self.token.expose_secret()].concat());
        let mut value = HeaderValue::from_str(&text).map_err(|_| TemplateError::NotAHeader)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// At most so many bytes are said of it at once.
    pub(crate) fn longest(&self) -> usize {
        let both = self.token.expose_secret().len() + self.name.as_ref().map_or(0, String::len) + 1;
        BASE64.encode_len(both)
    }

    /// Appends what a template wants.
    pub(crate) fn say(&self, said: Said, into: &mut Zeroizing<Vec<u8>>) -> Result<(), TemplateError> {
        let name = || self.name.as_deref().ok_or(TemplateError::Nameless);
        match said {
            Said::Token => into.extend_from_slice(self.token.expose_secret().as_bytes()),
            Said::Name => into.extend_from_slice(name()?.as_bytes()),
            Said::Basic => {
                let token = self.token.expose_secret();
                let pair = Zeroizing::new([name()?, ":", token].concat());
                let text = Zeroizing::new(BASE64.encode(pair.as_bytes()));
                into.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}

/// The same, as it is sealed.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secrets {
    pub(crate) token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// [`Connector::place`](crate::Connector) of when it was given: to another place it is not shown.
    #[serde(default)]
    pub(crate) place: String,
    /// Who gave it, if that was found out: nobody else is shown the refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[zeroize(skip)]
    pub(crate) guard: Option<Guard>,
}

impl Secrets {
    pub(crate) fn write(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
