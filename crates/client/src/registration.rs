//! How the command line is known at an authorization server (MA-74): by a client that somebody made for it, by a document
//! about itself, or by registering.

use std::time::Duration;

use http::{HeaderValue, Method, Request, header};
use model::{ExposeSecret as _, SecretString};
use net::{Operators, body};
use relying::discovery;
use serde_json::{Value, json};
use thiserror::Error;

use crate::home::name_of;
use crate::session::Client;
use crate::token_store::{TokenStore, TokenStoreError};
use crate::way::Way;

/// What people read on the consent page.
const NAME: &str = "Vestibule command line";
const PATIENCE: Duration = Duration::from_secs(20);
const LARGEST: usize = 64 << 10;

/// What somebody says of the client.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// The client that was made for this program.
    pub client_id: Option<String>,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// Where a document about this program is, which is then its id (client id metadata documents).
    pub document: Option<String>,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// The server registers nobody, and nobody said how we are known.
    #[error(
        "{0} registers no clients: make one there for this program, with the redirect address http://127.0.0.1/callback, \
         and give its id with --client-id"
    )]
    Closed(String),
    /// It refuses.
    #[error("{issuer} does not register this program: {why}")]
    Refused {
        /// Who.
        issuer: String,
        /// Its words.
        why: String,
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

/// The client for answers at this address: in the order of MA-74.
pub(crate) async fn client(
    configured: &Configured,
    before: Option<Client>,
    way: &Way,
    redirect_uri: &str,
    (store, http): (&TokenStore, &Operators),
) -> Result<Client, RegistrationError> {
    if let Some(id) = &configured.client_id {
        return Ok(Client {
            id: id.clone(),
            secret: configured.client_secret.clone(),
            posts_secret: !offers(&way.metadata, "client_secret_basic"),
            redirect_uri: None,
        });
    }
    let takes_documents = way.metadata["client_id_metadata_document_supported"] == true;
    if let Some(document) = configured.document.as_ref().filter(|_| takes_documents) {
        return Ok(Client {
            id: document.clone(),
            secret: None,
            posts_secret: false,
            redirect_uri: None,
        });
    }
    if let Some(before) = before.filter(|before| before.redirect_uri.as_deref() == Some(redirect_uri)) {
        return Ok(before);
    }
    let registered = register(way, redirect_uri, http).await?;
    let text = registered.to_json().to_string();
    store.put(&name(&way.issuer), &text.into())?;
    Ok(registered)
}

/// Whether a way to prove oneself is offered; not to say so means Basic (RFC 8414 section 2).
fn offers(metadata: &Value, method: &str) -> bool {
    match metadata["token_endpoint_auth_methods_supported"].as_array() {
        Some(methods) => methods.iter().any(|offered| offered == method),
        None => method == "client_secret_basic",
    }
}

/// RFC 7591, as a native application (MA-101) that renews its tokens (MA-104).
async fn register(way: &Way, redirect_uri: &str, http: &Operators) -> Result<Client, RegistrationError> {
    let endpoint = discovery::endpoint(&way.metadata, "registration_endpoint", &way.issuer);
    let endpoint = endpoint.ok_or_else(|| RegistrationError::Closed(way.issuer.clone()))?;
    let method = ["none", "client_secret_basic", "client_secret_post"]
        .into_iter()
        .find(|method| offers(&way.metadata, method))
        .unwrap_or("none");
    let document = json!({
        "client_name": NAME,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": "native",
        "software_version": env!("CARGO_PKG_VERSION"),
    });
    let refused = |why: String| RegistrationError::Refused {
        issuer: way.issuer.clone(),
        why,
    };
    let mut request = Request::new(body::full(document.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.as_str().parse().unwrap_or_default();
    for name in [header::CONTENT_TYPE, header::ACCEPT] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("application/json"));
    }
    let answered = tokio::time::timeout(PATIENCE, http.call(request)).await;
    let response = answered
        .map_err(|_| refused("it does not answer".to_owned()))?
        .map_err(|error| refused(error.to_string()))?;
    let status = response.status();
    let bytes = body::read(response.into_body(), LARGEST, PATIENCE)
        .await
        .map_err(|error| refused(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if !status.is_success() {
        let words = answer["error_description"].as_str().or(answer["error"].as_str());
        let words = words.map(printable).unwrap_or_default();
        return Err(refused(format!("{status} {words}")));
    }
    let id = answer["client_id"].as_str();
    Ok(Client {
        id: id
            .ok_or_else(|| refused("it gives no client_id".to_owned()))?
            .to_owned(),
        secret: answer["client_secret"]
            .as_str()
            .map(|secret| secret.to_owned().into()),
        posts_secret: answer["token_endpoint_auth_method"].as_str().unwrap_or(method) == "client_secret_post",
        redirect_uri: Some(redirect_uri.to_owned()),
    })
}

/// Somebody else's words, as they may stand in a terminal.
pub(crate) fn printable(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}
