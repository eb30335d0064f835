//! A connector: a provider at which people have accounts, and the ways to link one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{ServerName, Timestamp};
use net::{Egress, Operators};
use relying::client_registration::ClientFace;
use relying::oauth_client::{Authentication, ClientError, Identity};
use relying::{ClientKey, OAuthClient};
use serde_json::Value;
use url::Url;

use crate::guarded_server::{Guard, GuardedServer};
use crate::who_am_i::Whose;

/// Where browsers come back to; the connector's name follows, so that what one provider gave is never shown to another
/// (mix-up, OS-46).
pub const CALLBACK: &str = "/connect/callback";
/// Where the door says what it is as a client; the connector's name follows.
pub const CLIENT_DOCUMENT: &str = "/connect/client";

/// A provider of the configuration.
#[derive(Debug)]
pub struct Connector {
    /// What the configuration calls it.
    pub name: ServerName,
    /// What people call it.
    pub title: String,
    /// Whether its people may type a token of their own, and what they are told about it.
    pub personal_token: Option<PersonalToken>,
    /// Whether its people may connect in the browser.
    pub oauth: Option<OAuth>,
    /// How it is found out whose a credential is.
    pub whose: Whose,
    /// What has to be the same there and here.
    pub identity: Match,
    /// A digest of where the provider is, as what the door is known there, and what is compared. A credential is of one
    /// place: a connector that comes to mean another provider under the same name never sees it.
    pub place: String,
    /// The way there.
    pub client: Operators,
    /// What that way was made from, so that a new configuration can take it over.
    pub egress: Egress,
}

/// Connecting in the browser.
#[derive(Debug)]
pub struct OAuth {
    /// Where.
    pub provider: Provider,
    /// What the door is called there, and how it proves itself.
    pub who: Who,
}

impl OAuth {
    /// Where whoever leaves now is sent to, and what was found out on the way.
    pub(crate) async fn find(
        &self,
        now: Timestamp,
    ) -> Result<(Arc<OAuthClient>, Option<Guard>), ClientError> {
        match &self.provider {
            Provider::Configured(client) => Ok((Arc::clone(client), None)),
            Provider::Guards(server) => {
                let (guard, client) = server.find(now).await?;
                Ok((client, Some(guard)))
            }
        }
    }

    /// Where something was given, by what was found out then.
    pub(crate) fn known(&self, guard: Option<&Guard>) -> Result<Arc<OAuthClient>, ClientError> {
        match (&self.provider, guard) {
            (Provider::Configured(client), None) => Ok(Arc::clone(client)),
            (Provider::Guards(server), Some(guard)) => server.known(guard),
            // The configuration has changed in between.
            _ => Err(ClientError::Issuer),
        }
    }

    /// What is asked for, as far as the configuration says.
    pub fn scope(&self) -> &str {
        match &self.provider {
            Provider::Configured(client) => &client.registration.scope,
            Provider::Guards(server) => &server.registration.scope,
        }
    }
}

/// Where the door is a client.
#[derive(Debug)]
pub enum Provider {
    /// Where the configuration says.
    Configured(Arc<OAuthClient>),
    /// At whoever guards this MCP server.
    Guards(Box<GuardedServer>),
}

/// Who the door is at a provider.
#[derive(Debug)]
pub enum Who {
    /// As somebody registered it by hand.
    Known(Identity),
    /// As it registers itself.
    Registers(Registering),
}

/// How the door makes itself known at a provider.
#[derive(Clone, Debug)]
pub struct Registering {
    /// What it says of itself.
    pub face: ClientFace,
    /// Where it says so too, if providers can read it there: an https address, which is then what it is called (Client ID
    /// Metadata Documents).
    pub document: Option<String>,
    /// With what it proves there that it is who the document is about; nothing: it is a public client.
    pub key: Option<Arc<ClientKey>>,
}

impl Registering {
    /// What the document says; `None` if there is none.
    pub fn says(&self, scope: &str) -> Option<Value> {
        let address = self.document.as_ref()?;
        let mut document = self.face.metadata(self.proof().method(), scope);
        document["client_id"] = address.as_str().into();
        if let Some(key) = &self.key {
            document["jwks"] = key.public();
        }
        Some(document)
    }

    /// How whoever the document is about proves itself: with the key, else by PKCE alone, for whoever reads it cannot keep a
    /// secret with us.
    pub(crate) fn proof(&self) -> Authentication {
        let key = self.key.clone();
        key.map_or(Authentication::None, Authentication::PrivateKeyJwt)
    }
}

/// What people are told who type a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonalToken {
    /// Which rights it needs, in words.
    pub hint: Option<String>,
    /// Where they make one.
    pub help_url: Option<Url>,
}

/// Proof of identity: what the provider says of a credential's owner must be what the account says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// Nothing is compared.
    #[default]
    Nothing,
    /// What they are called there is the username here.
    Username,
    /// The same, or the username that the door gave to whom this company vouches for: `NAME+company`.
    UsernameFrom {
        /// What the configuration calls the provider or the directory.
        company: String,
        /// Under which issuer its people are linked.
        issuer: String,
    },
    /// The address there is the account's.
    Email,
    /// Their id there is the `sub` under which they are linked at this issuer.
    Subject(String),
}

/// All connectors, and which server uses which.
#[derive(Debug, Default)]
pub struct Connectors {
    /// By name.
    pub by_name: BTreeMap<ServerName, Arc<Connector>>,
    /// The connector of each server that has one.
    pub of_server: HashMap<ServerName, ServerName>,
}

impl Connectors {
    /// By its name.
    pub fn find(&self, name: &str) -> Option<&Arc<Connector>> {
        self.by_name.get(name)
    }
}
