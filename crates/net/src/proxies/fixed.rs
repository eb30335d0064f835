//! A proxy that the configuration names.

use std::str::FromStr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use thiserror::Error;

use super::intercept;

/// Where it is, and what it wants as name and password (RFC 9110 section 11.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedProxy {
    uri: Uri,
    /// Marked as sensitive, so that it is not printed.
    credentials: Option<HeaderValue>,
}

/// A text that names no proxy of ours.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be the address of an HTTP proxy, as http://proxy:3128 or http://name:password@proxy:3128, with %40 for an @"
)]
pub struct BadProxy;

impl FixedProxy {
    pub(crate) fn tunnel(&self, http: HttpConnector) -> Tunnel<HttpConnector> {
        let tunnel = Tunnel::new(self.uri.clone(), http);
        match &self.credentials {
            Some(credentials) => tunnel.with_auth(credentials.clone()),
            None => tunnel,
        }
    }
}

impl FromStr for FixedProxy {
    type Err = BadProxy;

    fn from_str(text: &str) -> Result<Self, BadProxy> {
        let read = intercept(text).ok_or(BadProxy)?;
        if read.uri().scheme() != Some(&Scheme::HTTP) {
            return Err(BadProxy);
        }
        let mut credentials = read.basic_auth().cloned();
        if let Some(credentials) = &mut credentials {
            credentials.set_sensitive(true);
        }
        Ok(Self {
            uri: read.uri().clone(),
            credentials,
        })
    }
}
