//! Calling where the operator said: upstream servers, with their own trust, identity and egress.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::body::Body;
use crate::proxies::{FixedProxy, Proxies, ProxyError, with_port};
use crate::tls::{TlsError, certificates, private_key, trusting};
use crate::watch::Look;

/// How to reach one upstream.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Egress {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The HTTP proxy to go through with CONNECT.
    pub proxy: Option<Proxy>,
    /// How long connecting may take.
    pub connect_time: Duration,
    /// How many idle connections are kept.
    pub idle_connections: usize,
    /// What the files looked like, so that changed ones make another way.
    pub look: Look,
}

/// Which proxy it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// This one, wherever it goes.
    Fixed(FixedProxy),
    /// Whichever the environment names for the destination.
    Named(Proxies),
}

/// An answer, whose body streams.
pub type Answer = Response<Incoming>;

/// Why no answer came.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Nobody could be reached: refused, unknown name, certificate, proxy.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// A proxy is in the way that will not change its mind by being asked again.
    #[error("{0}")]
    Proxy(String),
    /// The connection broke, or what came was not HTTP.
    #[error("no valid answer: {0}")]
    Broken(String),
}

/// The client for one upstream.
#[derive(Clone)]
pub struct Operators {
    client: Client<HttpsConnector<Way>, Body>,
}

impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operators")
    }
}

impl Operators {
    /// Reads the egress files and makes a client with a pool of its own. HTTP/1.1 alone: the pool holds one
    /// HTTP/2 connection per origin and would let long streams block each other.
    pub fn new(egress: &Egress) -> Result<Self, TlsError> {
        let verifying = trusting(egress.ca.as_deref())?;
        let tls = match &egress.client_certificate {
            Some((certificate, key)) => {
                verifying.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
            }
            None => verifying.with_no_client_auth(),
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Whoever is gone without a word is noticed within a minute, also while an answer is waited for.
        http.set_keepalive(Some(Duration::from_secs(30)));
        http.set_keepalive_interval(Some(Duration::from_secs(10)));
        http.set_keepalive_retries(Some(3));
        http.set_connect_timeout(Some(egress.connect_time));
        let way = match &egress.proxy {
            Some(Proxy::Fixed(proxy)) => Way::Tunnelled(proxy.tunnel(http)),
            Some(Proxy::Named(proxies)) => Way::Chosen(proxies.clone(), http),
            None => Way::Direct(http),
        };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(way);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(egress.idle_connections)
            .build(https);
        Ok(Self { client })
    }

    /// Sends a request once it is waited for; the answer's body streams. What waits is small: the request is not a part
    /// of it.
    pub fn call(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Answer, CallError>> + Send + use<> {
        self.client.request(request).map_err(why)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn why(error: hyper_util::client::legacy::Error) -> CallError {
    if let Some(error) = of_a_proxy(&error).filter(|error| !error.may_pass()) {
        return CallError::Proxy(error.to_string());
    }
    let text = root_cause(&error);
    if error.is_connect() {
        CallError::Connect(text)
    } else {
        CallError::Broken(text)
    }
}

fn of_a_proxy<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ProxyError> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Straight to the upstream, or through a proxy: always the same, or one for some destinations.
#[derive(Clone)]
enum Way {
    Direct(HttpConnector),
    Tunnelled(Tunnel<HttpConnector>),
    Chosen(Proxies, HttpConnector),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(http) | Self::Chosen(_, http) => http.poll_ready(context).map_err(Into::into),
            Self::Tunnelled(tunnel) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Direct(http) => {
                let connecting = http.call(uri);
                Box::pin(async { connecting.await.map_err(Into::into) })
            }
            Self::Tunnelled(tunnel) => {
                let connecting = tunnel.call(with_port(uri));
                Box::pin(async { connecting.await.map_err(Into::into) })
            }
            Self::Chosen(proxies, http) => {
                if let Some(connecting) = proxies.connect(&uri, http) {
                    return Box::pin(async { connecting.await.map_err(Into::into) });
                }
                let connecting = http.call(uri);
                Box::pin(async { connecting.await.map_err(Into::into) })
            }
        }
    }
}
