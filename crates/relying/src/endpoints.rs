//! Where an authorization server is asked for what, as its metadata or the operator says (RFC 8414, OpenID Connect Discovery).

use serde_json::Value;
use url::Url;

use crate::discovery;
use crate::oauth_client::ClientError;

/// Where the provider's endpoints are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Named one by one.
    Named(Box<Endpoints>),
    /// As the metadata of this issuer says (RFC 8414, OpenID Connect Discovery).
    Issuer(String),
    /// The same of an issuer that an MCP server named (RFC 9728), found as MCP has it; never without S256 (MA-66, MA-73).
    Guards {
        /// The server.
        server: Url,
        /// Who issues tokens for it.
        issuer: String,
    },
}

impl Place {
    pub(crate) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Named(_) => None,
            Self::Issuer(issuer) | Self::Guards { issuer, .. } => Some(issuer),
        }
    }
}

/// The endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Whose they are; empty where they are named one by one.
    pub issuer: String,
    /// Where browsers go.
    pub authorization: Url,
    /// Where codes and refresh tokens are redeemed.
    pub token: Url,
    /// Where tokens are revoked, if anywhere (RFC 7009).
    pub revocation: Option<Url>,
    /// Where programs without a browser ask, if they can (RFC 8628 section 4).
    pub device_authorization: Option<Url>,
    /// Who answers, if every answer has to say so (RFC 9207).
    pub names_issuer: bool,
    /// Where clients register, if they can (RFC 7591).
    pub registration: Option<Url>,
    /// Whether a client can be known by a document that it shows (Client ID Metadata Documents).
    pub client_documents: bool,
    /// How clients may prove themselves; empty where that is not said.
    pub methods: Vec<String>,
}

impl Endpoints {
    /// Named one by one: nothing else is known of whoever they are of.
    pub fn named(authorization: Url, token: Url, revocation: Option<Url>) -> Self {
        Self {
            issuer: String::new(),
            authorization,
            token,
            revocation,
            device_authorization: None,
            names_issuer: false,
            registration: None,
            client_documents: false,
            methods: Vec::new(),
        }
    }

    /// Reads metadata that is known to be this issuer's.
    pub fn read(document: &Value, issuer: &str) -> Result<Self, ClientError> {
        let endpoint = |member: &str| discovery::endpoint(document, member, issuer);
        let missing = |member: &str| ClientError::Unavailable(format!("its metadata names no {member}"));
        Ok(Self {
            issuer: issuer.to_owned(),
            authorization: endpoint("authorization_endpoint")
                .ok_or_else(|| missing("authorization_endpoint"))?,
            token: endpoint("token_endpoint").ok_or_else(|| missing("token_endpoint"))?,
            revocation: endpoint("revocation_endpoint"),
            device_authorization: endpoint("device_authorization_endpoint"),
            names_issuer: document["authorization_response_iss_parameter_supported"] == Value::Bool(true),
            registration: endpoint("registration_endpoint"),
            client_documents: document["client_id_metadata_document_supported"] == Value::Bool(true),
            methods: texts(&document["token_endpoint_auth_methods_supported"]),
        })
    }

    /// Reads metadata that is known to be this issuer's, of which a program needs less: no browser goes anywhere, and an
    /// authorization server for programs alone has nowhere to go (RFC 8414 section 2).
    pub fn for_programs(document: &Value, issuer: &str) -> Result<Self, ClientError> {
        let endpoint = |member: &str| discovery::endpoint(document, member, issuer);
        let missing = || ClientError::Unavailable("its metadata names no token_endpoint".to_owned());
        let token = endpoint("token_endpoint").ok_or_else(missing)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            methods: texts(&document["token_endpoint_auth_methods_supported"]),
            ..Self::named(token.clone(), token, endpoint("revocation_endpoint"))
        })
    }
}

/// The texts of a list; none if it is none.
fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
