//! From a `client_id` to a client (MA-74 to MA-96, CC-37 to CC-42).

use std::sync::Arc;

use model::{AccountId, ClientId};
use protocol::client_metadata::document::{DocumentUrl, DocumentUrlError};
use protocol::redirect::{Kind, MatchRules};
use protocol::{AuthMethod, RedirectUri};
use store::{Client, ClientSource, StoreError};

use crate::known_clients::KnownClient;
use crate::server::AuthorizationServer;

/// What became of a `client_id`.
#[derive(Debug)]
pub enum Resolution {
    /// A client that may be used.
    Known(Box<Client>),
    /// Its document would have to be fetched, which is done only once somebody is signed in (DEC-9).
    NeedsPerson,
    /// Nobody we know.
    Unknown,
    /// Disabled by an operator.
    Disabled,
    /// A URL that cannot be a client id.
    BadUrl(DocumentUrlError),
    /// A document that cannot be had or used; the client is not unknown, only unverified (CC-42).
    Unverified(String),
    /// On a host that the operator did not allow (CC-48).
    NotAllowed,
}

/// Who says that a client is what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouching {
    /// The operator set it up.
    Operator,
    /// The host of its document vouches for it, and with it for redirects to that host.
    Host(String),
    /// Nobody: it registered itself.
    Nobody,
}

/// How a client is shown to a person.
#[derive(Clone, Debug)]
pub struct ClientFace {
    /// The name it gives itself.
    pub name: Option<String>,
    /// Who vouches for it.
    pub vouching: Vouching,
    /// The publisher, if it is a known program whose document it is.
    pub publisher: Option<String>,
    /// Its id.
    pub id: ClientId,
    /// Whether all its redirect URIs are on the person's own machine, where any program can listen (MA-93).
    pub loopback_only: bool,
}

impl AuthorizationServer {
    /// Finds a client. A document is fetched only for a person who is signed in.
    pub async fn resolve_client(
        &self,
        client_id: &str,
        person: Option<AccountId>,
    ) -> Result<Resolution, StoreError> {
        let Ok(id) = client_id.parse::<ClientId>() else {
            return Ok(Resolution::Unknown);
        };
        let stored = self.store.client(&id).await?;
        if let Some(client) = &stored
            && client.disabled_at.is_some()
        {
            return Ok(Resolution::Disabled);
        }
        let resolution = match stored {
            Some(client) if client.source != ClientSource::Document => Resolution::Known(Box::new(client)),
            cached if DocumentUrl::is_url(client_id) => match DocumentUrl::parse(client_id) {
                Ok(url) => self.resolve_document(&url, &id, cached, person).await?,
                Err(error) => Resolution::BadUrl(error),
            },
            _ => Resolution::Unknown,
        };
        Ok(match resolution {
            Resolution::Known(client) if !self.is_allowed(&client) => Resolution::NotAllowed,
            other => other,
        })
    }

    /// Whether the operator's allow-list, if there is one, has this client (CC-48).
    pub(crate) fn is_allowed(&self, client: &Client) -> bool {
        let settings = self.settings();
        let Some(hosts) = &settings.allowed_hosts else {
            return true;
        };
        match client.source {
            ClientSource::Configuration | ClientSource::Command => true,
            ClientSource::Document => DocumentUrl::parse(client.id.as_str())
                .is_ok_and(|url| hosts.iter().any(|host| host == url.host())),
            // Without a redirect it is of no host at all.
            ClientSource::Registration => {
                let uris = &client.metadata.redirect_uris;
                !uris.is_empty() && uris.iter().all(|uri| redirect_is_allowed(uri, hosts))
            }
        }
    }

    /// How a client is shown.
    pub fn face(&self, client: &Client) -> ClientFace {
        let document = DocumentUrl::parse(client.id.as_str()).ok();
        let publisher = document
            .as_ref()
            .filter(|_| client.source == ClientSource::Document);
        let known_clients = self.known_clients();
        let publisher = publisher
            .and_then(|url| known_clients.by_document(url))
            .map(|(known, _)| known.publisher.clone());
        let uris = &client.metadata.redirect_uris;
        let loopback_only = !uris.is_empty() && uris.iter().all(|uri| uri.kind() == Kind::Loopback);
        ClientFace {
            name: client.metadata.client_name.clone(),
            vouching: vouching(client),
            publisher,
            id: client.id.clone(),
            loopback_only,
        }
    }

    /// How a client is shown that asks without a browser (OS-98). No redirect leads to whoever it says it is, and its id is no
    /// secret: nobody vouches for what everybody can say.
    pub fn face_of_device(&self, client: &Client) -> ClientFace {
        let face = self.face(client);
        if is_confidential(client) || face.vouching == Vouching::Operator {
            return face;
        }
        ClientFace {
            vouching: Vouching::Nobody,
            publisher: None,
            ..face
        }
    }

    /// What is known of the program that this client seems to be.
    pub fn known_client(&self, client: &Client) -> Option<Arc<KnownClient>> {
        let known = self.known_clients();
        match DocumentUrl::parse(client.id.as_str()) {
            Ok(url) if client.source == ClientSource::Document => {
                known.by_document(&url).map(|(known, _)| Arc::clone(known))
            }
            _ => {
                let by_name = || known.by_name(client.metadata.client_name.as_deref()?);
                known
                    .by_redirects(&client.metadata.redirect_uris)
                    .or_else(by_name)
                    .cloned()
            }
        }
    }

    /// The registered redirect URI that a request means. None given means the only one there is (CC-47).
    pub(crate) fn redirect_of(
        &self,
        client: &Client,
        requested: Option<&str>,
    ) -> Result<RedirectUri, RedirectProblem> {
        let registered = &client.metadata.redirect_uris;
        let Some(requested) = requested else {
            return match registered.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(RedirectProblem::Missing),
            };
        };
        let mismatch = || RedirectProblem::Mismatch {
            requested: requested.chars().take(300).collect(),
            registered: registered.iter().map(ToString::to_string).collect(),
        };
        let uri = RedirectUri::parse(requested, |scheme| {
            self.known_clients().knows_scheme(scheme) || registers(client, scheme)
        });
        let uri = uri.map_err(|_| mismatch())?;
        let known = self.known_client(client);
        let rules = MatchRules {
            strict_loopback: self.settings().strict_loopback,
            free_keys: known.as_deref().map(KnownClient::query_keys).unwrap_or_default(),
        };
        let vouched = known
            .as_deref()
            .filter(|_| client.source == ClientSource::Document);
        let also = vouched.into_iter().flat_map(KnownClient::also_returns_to);
        if registered
            .iter()
            .chain(also)
            .any(|known| known.matches(&uri, &rules))
        {
            Ok(uri)
        } else {
            Err(mismatch())
        }
    }
}

/// Who says that a client is what it says it is.
pub(crate) fn vouching(client: &Client) -> Vouching {
    match (client.source, DocumentUrl::parse(client.id.as_str())) {
        (ClientSource::Configuration | ClientSource::Command, _) => Vouching::Operator,
        (ClientSource::Document, Ok(url)) => Vouching::Host(url.host().to_owned()),
        _ => Vouching::Nobody,
    }
}

/// A redirect URI that cannot be used; never redirected to (OS-18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectProblem {
    /// None given although several are registered.
    Missing,
    /// Not a registered one.
    Mismatch {
        /// What was asked for.
        requested: String,
        /// What is registered.
        registered: Vec<String>,
    },
}

/// Whether a client is one whose consent may be remembered for this redirect: vouched for, and the browser
/// goes where that vouching reaches (DEC-13).
pub(crate) fn is_vouched_for(face: &ClientFace, redirect: &RedirectUri) -> bool {
    redirect.kind() == Kind::Https
        && match &face.vouching {
            Vouching::Operator => true,
            Vouching::Host(host) => redirect.target() == *host,
            Vouching::Nobody => false,
        }
}

/// Whether a URI's host, or its kind, is on the operator's list.
pub(crate) fn redirect_is_allowed(uri: &RedirectUri, hosts: &[String]) -> bool {
    let name = match uri.kind() {
        Kind::Https => uri.target(),
        Kind::Loopback => "loopback".to_owned(),
        Kind::PrivateScheme => "private-scheme".to_owned(),
    };
    hosts.contains(&name)
}

/// An operator may have configured a scheme that nobody else knows.
fn registers(client: &Client, scheme: &str) -> bool {
    client
        .metadata
        .redirect_uris
        .iter()
        .any(|uri| uri.as_str().split(':').next() == Some(scheme))
}

/// Whether a client proves itself with something only it has.
pub(crate) fn is_confidential(client: &Client) -> bool {
    client.metadata.auth_method != AuthMethod::None
}
