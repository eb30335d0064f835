//! How the command line is known at an authorization server (MA-74): by a client that somebody made for it, by a document
//! about itself, or by registering.

use std::sync::Arc;

use model::{ExposeSecret as _, SecretString, World};
use relying::OAuthClient;
use relying::client_registration::ClientFace;
use relying::oauth_client::{Authentication, ClientError, Endpoints, Identity};
use serde_json::Value;
use thiserror::Error;

use crate::home::name_of;
use crate::program::KeyFile;
use crate::session::Client;
use crate::token_store::{TokenStore, TokenStoreError};

/// What people read on the consent page.
const NAME: &str = "Vestibule command line";

/// What somebody says of the client.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// The issuer that it is of; none other is shown it (MA-107).
    pub issuer: Option<String>,
    /// The client that was made for this program.
    pub client_id: Option<String>,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// Its key, if it proves itself by one.
    pub client_key: Option<KeyFile>,
    /// Where a document about this program is, which is then its id (client id metadata documents).
    pub document: Option<String>,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// The server registers nobody, and nobody said how we are known.
    #[error(
        "{0} registers no clients: make one there for this program, with the redirect address http://127.0.0.1/callback, \
         and give its id with --client-id and --issuer"
    )]
    Closed(String),
    /// It refuses.
    #[error("{issuer}: {error}")]
    Refused {
        /// Who.
        issuer: String,
        /// Why.
        error: ClientError,
    },
    /// What was registered cannot be kept.
    #[error(transparent)]
    Store(#[from] TokenStoreError),
}

/// The client that is kept for an issuer, if one was registered there before.
pub(crate) fn kept(store: &TokenStore, issuer: &str) -> Result<Option<Client>, TokenStoreError> {
    let text = store.get(&name(issuer))?;
    Ok(text.and_then(|text| {
        let kept: Value = serde_json::from_str(text.expose_secret()).ok()?;
        Client::from_json(&kept)
    }))
}

/// Forgets it: the issuer does not know it any more.
pub(crate) fn forget(store: &TokenStore, issuer: &str) -> Result<(), TokenStoreError> {
    store.remove(&name(issuer))
}

fn name(issuer: &str) -> String {
    format!("client-{}", name_of(issuer))
}

/// The client that somebody made for this program, where such are the ways to prove oneself.
pub(crate) fn named(configured: &Configured, methods: &[String]) -> Option<Client> {
    let client_id = configured.client_id.clone()?;
    let (key, secret) = (&configured.client_key, configured.client_secret.clone());
    let authentication = match (key, secret) {
        (Some(file), _) => Authentication::PrivateKeyJwt(Arc::clone(&file.key)),
        (None, None) => Authentication::None,
        // Where nothing is said, it is this one (RFC 8414 section 2).
        (None, Some(secret))
            if methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic") =>
        {
            Authentication::Basic(secret)
        }
        (None, Some(secret)) => Authentication::Post(secret),
    };
    Some(Client {
        identity: Identity {
            client_id,
            authentication,
        },
        redirect_uri: None,
        // Whoever made it said what it may do.
        device: true,
        key_file: key.as_ref().map(|file| file.path.clone()),
    })
}

/// The client for answers at this address: in the order of MA-74.
pub(crate) async fn client(
    configured: &Configured,
    before: Option<Client>,
    redirect_uri: &str,
    (store, oauth, endpoints): (&TokenStore, &OAuthClient, &Endpoints),
    world: &World,
) -> Result<Client, RegistrationError> {
    if let Some(client) = named(configured, &endpoints.methods) {
        return Ok(client);
    }
    if let Some(document) = configured
        .document
        .as_ref()
        .filter(|_| endpoints.client_documents)
    {
        let mut client = Client {
            device: true,
            ..Client::nobody()
        };
        client.identity.client_id.clone_from(document);
        return Ok(client);
    }
    if let Some(before) = before.filter(|before| before.redirect_uri.as_deref() == Some(redirect_uri)) {
        return Ok(before);
    }
    if endpoints.registration.is_none() {
        return Err(RegistrationError::Closed(endpoints.issuer.clone()));
    }
    let face = ClientFace {
        name: NAME.to_owned(),
        uri: None,
        redirect_uri: redirect_uri.to_owned(),
        // One client for both ways in.
        device: endpoints.device_authorization.is_some(),
    };
    let registered = oauth.register(&face, endpoints, world).await;
    let registered = registered.map_err(|error| RegistrationError::Refused {
        issuer: endpoints.issuer.clone(),
        error,
    })?;
    let client = Client {
        identity: registered.identity,
        redirect_uri: Some(redirect_uri.to_owned()),
        device: face.device,
        key_file: None,
    };
    store.put(&name(&endpoints.issuer), &client.to_json().to_string().into())?;
    Ok(client)
}

/// Somebody else's words, as they may stand in a terminal.
pub(crate) fn printable(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}
