//! The HTTP proxies that the environment of somebody's machine names, chosen by destination as curl chooses them.
//!
//! For commands that a person runs. The door itself goes where its configuration says and never looks here: a variable
//! that happens to be set must not lead its traffic elsewhere. What a proxy wants as name and password goes to that proxy
//! alone, in `Proxy-Authorization` (RFC 9110 section 11.7.2), and never into a message.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service as _;

pub use error::ProxyError;
pub use fixed::{BadProxy, FixedProxy};

mod error;
mod fixed;

/// How long a proxy may take to be reached: less than whoever waits for the answer to a request waits, who could not say
/// that it was the proxy.
const REACHING: Duration = Duration::from_secs(4);
/// How long it may take to reach the destination for us, the way to itself included.
const ANSWERING: Duration = Duration::from_secs(15);

/// What the environment says of proxies.
#[derive(Clone)]
pub struct Proxies(Arc<Said>);

struct Said {
    https: Option<Named>,
    http: Option<Named>,
    /// Intercepts whatever `NO_PROXY` does not let past.
    past: Matcher,
}

/// One proxy, and the variable that names it.
#[derive(Clone)]
struct Named {
    variable: &'static str,
    /// Nothing if the value cannot be read.
    proxy: Option<Intercept>,
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [&self.0.https, &self.0.http].into_iter().flatten();
        f.debug_set().entries(named.map(|named| named.variable)).finish()
    }
}

/// The same reading of the environment.
impl PartialEq for Proxies {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Proxies {}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each in lower case first, as curl does. An empty one
    /// is none. `HTTP_PROXY` is not looked at in a CGI program, where whoever asks sets it with a header `Proxy` (httpoxy).
    /// Nothing if no proxy is named.
    pub fn named<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let find = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| Some((*name, variable(name).filter(|value| !value.trim().is_empty())?)))
        };
        let all = find(&["all_proxy", "ALL_PROXY"]);
        let https = find(&["https_proxy", "HTTPS_PROXY"]).or(all);
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http = find(if is_cgi {
            &["http_proxy"]
        } else {
            &["http_proxy", "HTTP_PROXY"]
        });
        let http = http.or(all);
        if https.is_none() && http.is_none() {
            return None;
        }
        let no = find(&["no_proxy", "NO_PROXY"]).map_or("", |(_, value)| value);
        let named = |(variable, value): (&'static str, &str)| Named {
            variable,
            proxy: intercept(value.trim()),
        };
        Some(Self(Arc::new(Said {
            https: https.map(named),
            http: http.map(named),
            past: past(no),
        })))
    }

    /// The proxy for a destination, if one is to be gone through. Never to this machine itself: what listens here is no
    /// business of a proxy's, and would be another machine's there.
    fn choose(&self, destination: &Uri) -> Option<&Named> {
        if is_this_machine(destination.host()?) || self.0.past.intercept(destination).is_none() {
            return None;
        }
        let is_https = destination.scheme() == Some(&Scheme::HTTPS);
        if is_https {
            self.0.https.as_ref()
        } else {
            self.0.http.as_ref()
        }
    }

    /// A connection through the proxy for this destination; nothing if it is to be reached directly.
    pub(crate) fn connect(
        &self,
        destination: &Uri,
        http: &HttpConnector,
    ) -> Option<impl Future<Output = Result<TokioIo<TcpStream>, ProxyError>> + Send + 'static> {
        let named = self.choose(destination)?.clone();
        let (destination, mut http) = (destination.clone(), http.clone());
        http.set_connect_timeout(Some(REACHING));
        Some(async move { named.tunnel(destination, http).await })
    }
}

impl Named {
    /// Has the proxy connect us (RFC 9110 section 9.3.6).
    async fn tunnel(self, destination: Uri, http: HttpConnector) -> Result<TokioIo<TcpStream>, ProxyError> {
        let variable = self.variable;
        let proxy = self.proxy.ok_or(ProxyError::Unreadable(variable))?;
        if proxy.uri().scheme() != Some(&Scheme::HTTP) {
            return Err(ProxyError::Kind {
                variable,
                kind: proxy.uri().scheme_str().unwrap_or_default().to_owned(),
            });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), http);
        let is_known = proxy.basic_auth().is_some();
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let (proxy, destination) = (shown(proxy.uri()), with_port(destination));
        let connecting = async {
            poll_fn(|context| tunnel.poll_ready(context)).await?;
            tunnel.call(destination.clone()).await
        };
        let error = match tokio::time::timeout(ANSWERING, connecting).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(ProxyError::Unreachable {
                    proxy,
                    variable,
                    why: format!("no answer within {} s", ANSWERING.as_secs()),
                });
            }
        };
        // The library's error has no name outside it, and differs in its text alone; tests hold on to that.
        let text = error.to_string();
        Err(if text.ends_with("proxy authorization required") {
            if is_known {
                ProxyError::Unauthorized { proxy, variable }
            } else {
                ProxyError::Nameless { proxy, variable }
            }
        } else if text.ends_with("unsuccessful") {
            ProxyError::Refused {
                proxy,
                variable,
                destination: destination
                    .authority()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            }
        } else {
            ProxyError::Unreachable {
                proxy,
                variable,
                why: crate::operators::root_cause(&error),
            }
        })
    }
}

/// A proxy's URL, read. Whatever could have part of a password where the host should be is not.
fn intercept(value: &str) -> Option<Intercept> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains('@') || authority.matches('@').count() > 1 {
        return None;
    }
    let proxy = Matcher::builder().all(value).build();
    proxy
        .intercept(&Uri::from_static("https://anywhere.invalid/"))
        .filter(|proxy| proxy.uri().host().is_some_and(|host| !host.is_empty()))
}

/// What intercepts everything but what `NO_PROXY` lists: names with what is below them, addresses, networks, or `*`.
fn past(no: &str) -> Matcher {
    let entries = || {
        no.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|entry| !entry.is_empty())
    };
    // The library takes * for names alone.
    if entries().any(|entry| entry == "*") {
        return Matcher::builder().build();
    }
    // Some write *.example.com, which curl does not know; that can mean one thing only.
    let entries = entries().map(|entry| entry.strip_prefix('*').unwrap_or(entry));
    let no = entries.collect::<Vec<_>>().join(",");
    Matcher::builder().all("http://proxy.invalid").no(no).build()
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        // RFC 6761 section 6.3.
        Err(_) => host
            .rsplit('.')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}

/// The library takes whatever has no port for https.
pub(crate) fn with_port(destination: Uri) -> Uri {
    if destination.port().is_some() || destination.scheme() != Some(&Scheme::HTTP) {
        return destination;
    }
    let mut parts = destination.clone().into_parts();
    parts.authority = destination
        .host()
        .and_then(|host| format!("{host}:80").parse::<Authority>().ok());
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or(destination)
}

/// A proxy as it may stand in a message.
fn shown(proxy: &Uri) -> String {
    let port = proxy.port_u16().map(|port| format!(":{port}"));
    format!(
        "http://{}{}",
        proxy.host().unwrap_or_default(),
        port.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
