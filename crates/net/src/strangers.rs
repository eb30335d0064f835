//! Fetching what a stranger named: a client's metadata document, a client's keys; and asking an authorization server that a
//! stranger named.
//!
//! The name is resolved once, every address that is not public is dropped, and the connection goes to one
//! of the addresses that were looked at, so nothing can change between check and use (MA-89, DEC-9). Only
//! https on port 443, no redirect, no proxy, no cookie, bounded in size and time.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ipnet::IpNet;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tower_service::Service;
use url::Url;

use crate::address::is_public;
use crate::body::{self, Body};
use crate::operators::{Answer, CallError, root_cause};
use crate::tls::{TlsError, provider, trusting};

/// Turns names into addresses; a parameter, so that a test owns it.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a host.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// What a fetch may cost and where else it may go.
#[derive(Clone, Debug)]
pub struct FetchRules {
    /// Most bytes of a body.
    pub bytes: usize,
    /// Longest time for everything.
    pub time: Duration,
    /// Networks that are not public but allowed by the operator, for documents inside the company.
    pub also: Vec<IpNet>,
}

impl Default for FetchRules {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            time: Duration::from_secs(5),
            also: Vec::new(),
        }
    }
}

/// A document that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The answer's headers, for caching.
    pub headers: HeaderMap,
    /// The answer's body.
    pub body: Bytes,
}

/// Why nothing was fetched.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// Not an https URL on port 443 with a host name.
    #[error("not an https URL on port 443")]
    Url,
    /// The host has no address, or none that may be reached.
    #[error("{0} has no public address")]
    NotPublic(String),
    /// No connection, or a certificate that does not count.
    #[error("cannot connect to {0}")]
    Connect(String),
    /// Another status than 200; redirects are not followed.
    #[error("answered {0}")]
    Status(StatusCode),
    /// Another media type than JSON.
    #[error("answered with {0} instead of JSON")]
    MediaType(String),
    /// Longer than allowed.
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
    /// Slower than allowed.
    #[error("did not answer within {0:?}")]
    TooSlow(Duration),
}

/// The client for addresses that strangers name.
#[derive(Clone)]
pub struct Strangers {
    client: Client<HttpsConnector<PublicConnector>, Body>,
    rules: FetchRules,
}

impl std::fmt::Debug for Strangers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Strangers").field(&self.rules).finish()
    }
}

impl Strangers {
    /// With the system's resolver and trust store.
    pub fn new(rules: FetchRules) -> Result<Self, TlsError> {
        let tls = trusting(None)?.with_no_client_auth();
        Ok(Self::build(rules, Arc::new(SystemResolver), tls))
    }

    /// With a given resolver and trust, for tests.
    pub fn with(
        rules: FetchRules,
        resolver: Arc<dyn Resolve>,
        roots: RootCertStore,
    ) -> Result<Self, TlsError> {
        let tls = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::build(rules, resolver, tls))
    }

    fn build(rules: FetchRules, resolver: Arc<dyn Resolve>, tls: ClientConfig) -> Self {
        let connector = PublicConnector {
            resolver,
            also: rules.also.clone().into(),
        };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(https);
        Self { client, rules }
    }

    /// Sends a request; the answer's body streams, and time and size are the caller's to bound.
    pub async fn call(&self, request: Request<Body>) -> Result<Answer, CallError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if !is_reachable(request.uri()) {
            return Err(CallError::Connect(FetchError::Url.to_string()));
        }
        self.client.request(request).await.map_err(|error| {
            let text = match why(&error, &host) {
                FetchError::NotPublic(host) => FetchError::NotPublic(host).to_string(),
                _ => root_cause(&error),
            };
            if error.is_connect() {
                CallError::Connect(text)
            } else {
                CallError::Broken(text)
            }
        })
    }

    /// Fetches a JSON document.
    pub async fn fetch_json(&self, url: &Url) -> Result<Fetched, FetchError> {
        let uri: Uri = url.as_str().parse().map_err(|_| FetchError::Url)?;
        if !is_reachable(&uri) {
            return Err(FetchError::Url);
        }
        let time = self.rules.time;
        tokio::time::timeout(time, self.fetch(uri))
            .await
            .unwrap_or(Err(FetchError::TooSlow(time)))
    }

    async fn fetch(&self, uri: Uri) -> Result<Fetched, FetchError> {
        let host = uri.host().unwrap_or_default().to_owned();
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("vestibule/", env!("CARGO_PKG_VERSION")),
            )
            .body(body::empty())
            .map_err(|_| FetchError::Url)?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| why(&error, &host))?;
        let (parts, body) = response.into_parts();
        if parts.status != StatusCode::OK {
            return Err(FetchError::Status(parts.status));
        }
        let media_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        if !is_json(media_type) {
            return Err(FetchError::MediaType(media_type.chars().take(80).collect()));
        }
        match body::read(body, self.rules.bytes, self.rules.time).await {
            Ok(body) => Ok(Fetched {
                headers: parts.headers,
                body,
            }),
            Err(body::ReadError::TooLarge(limit)) => Err(FetchError::TooLarge(limit)),
            Err(body::ReadError::TooSlow) => Err(FetchError::TooSlow(self.rules.time)),
            Err(body::ReadError::Broken) => Err(FetchError::Connect(host)),
        }
    }
}

/// https on port 443.
fn is_reachable(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS) && uri.port_u16().is_none_or(|port| port == 443)
}

/// `application/json` or another `application/*+json` (MA-82).
fn is_json(media_type: &str) -> bool {
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn why(error: &hyper_util::client::legacy::Error, host: &str) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<NoPublicAddress>().is_some() {
            return FetchError::NotPublic(host.to_owned());
        }
        if let Some(inner) = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            && inner.downcast_ref::<NoPublicAddress>().is_some()
        {
            return FetchError::NotPublic(host.to_owned());
        }
        cause = error.source();
    }
    FetchError::Connect(host.to_owned())
}

#[derive(Debug, Error)]
#[error("no public address")]
struct NoPublicAddress;

/// Connects to public addresses alone.
#[derive(Clone)]
struct PublicConnector {
    resolver: Arc<dyn Resolve>,
    also: Arc<[IpNet]>,
}

impl PublicConnector {
    fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.also.iter().any(|network| network.contains(&address))
    }

    async fn connect(self, uri: Uri) -> std::io::Result<TokioIo<TcpStream>> {
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let resolved = self.resolver.resolve(host, uri.port_u16().unwrap_or(443)).await?;
        let mut last = std::io::Error::other(NoPublicAddress);
        for address in resolved.into_iter().filter(|address| self.permits(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(TokioIo::new(stream)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Service<Uri> for PublicConnector {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

#[cfg(test)]
mod tests;
