//! A service that is asked over HTTP whether a name and a password are right.

use std::sync::Arc;
use std::time::Duration;

use model::{ExposeSecret as _, SecretString};
use net::{Egress, Operators};
use people::Means;
use relying::{CheckedAt, CredentialCheck, Secret};
use url::Url;

use super::Reading;
use crate::compose::Sources;

impl Reading<'_> {
    /// The way to it stays, if nothing about it changed.
    pub(super) fn http(&mut self, sources: &mut Sources<'_>, known: Option<&Means>) -> Option<Means> {
        let before = self.problems.0.len();
        let wanted = self.wanted;
        if wanted.url.is_none() {
            self.wrong(
                "url",
                "is missing; give the address that is asked, such as https://people.example.com/check",
            );
        }
        for (member, url) in [("url", &wanted.url), ("lookup_url", &wanted.lookup_url)] {
            self.check_url(member, url.as_ref());
        }
        let secret = self.secret(sources);
        let key = format!("sign_in.directories.{}", self.name);
        let proxy = wanted.proxy.as_ref();
        let proxy = proxy.and_then(|url| self.problems.take(format!("{key}.proxy"), url.as_str().parse()));
        let ca = wanted.ca_file.as_deref().map(|path| sources.path(path));
        if self.problems.0.len() > before {
            return None;
        }
        let at = CheckedAt {
            url: wanted.url.clone()?,
            lookup_url: wanted.lookup_url.clone(),
            secret: secret?,
            groups: self.asks_for_groups(),
        };
        let egress = Egress {
            look: net::watch::look(&ca.iter().cloned().collect::<Vec<_>>()),
            ca,
            proxy: proxy.map(net::Proxy::Fixed),
            connect_time: Duration::from_secs(3),
            idle_connections: 4,
            ..Egress::default()
        };
        let known = known.and_then(Means::service);
        let same = known.filter(|known| known.at.is_same(&at) && known.egress == egress);
        Some(Means::Http(match same {
            Some(known) => Arc::clone(known),
            None => {
                let client = self
                    .problems
                    .take(format!("{key}.ca_file"), Operators::new(&egress))?;
                Arc::new(CredentialCheck::new(at, egress, client))
            }
        }))
    }

    fn check_url(&mut self, member: &str, url: Option<&Url>) {
        let Some(url) = url else {
            return;
        };
        if !relying::discovery::is_safe(url) {
            self.wrong(
                member,
                "would get passwords in the clear, or is no address: use https://, or http:// on this machine",
            );
        } else if url.scheme() == "http" && self.wanted.proxy.is_some() {
            self.wrong(
                "proxy",
                "would get passwords in the clear; leave it out, or use https://",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.wrong(
                member,
                "has a name or a password in it; give token_file, or username and password_file",
            );
        }
        if url.fragment().is_some() {
            self.wrong(
                member,
                "has a fragment, which is never sent; leave out # and what follows",
            );
        }
    }

    /// What the door proves itself with: a service that tells anybody who asks is one to guess at.
    fn secret(&mut self, sources: &mut Sources<'_>) -> Option<Secret> {
        let wanted = self.wanted;
        let (member, secret) = match (&wanted.token_file, &wanted.username, &wanted.password_file) {
            (Some(path), None, None) => {
                let token = self.text(sources, "token_file", path)?;
                ("token_file", Secret::Bearer(token))
            }
            (None, Some(name), Some(path)) => {
                let password = self.text(sources, "password_file", path)?;
                // RFC 7617 section 2: the name ends there.
                if name.is_empty() || name.contains(':') {
                    self.wrong("username", "must have something in it, and no colon");
                }
                ("password_file", Secret::Basic(name.clone(), password))
            }
            (None, Some(_), None) => {
                self.wrong("username", "needs a password; give password_file");
                return None;
            }
            (None, None, Some(_)) => {
                self.wrong("password_file", "is nobody's; give username");
                return None;
            }
            (None, None, None) => {
                self.wrong(
                    "token_file",
                    "is missing: give it, or username and password_file, so that the service answers nobody else",
                );
                return None;
            }
            (Some(_), ..) => {
                self.wrong("token_file", "and username with password_file exclude each other");
                return None;
            }
        };
        if !secret.is_sendable() {
            self.wrong(
                member,
                "holds what no header can: one line of plain text is wanted",
            );
            return None;
        }
        Some(secret)
    }

    fn text(
        &mut self,
        sources: &mut Sources<'_>,
        member: &str,
        path: &std::path::Path,
    ) -> Option<SecretString> {
        let key = format!("sign_in.directories.{}.{member}", self.name);
        let text = SecretString::from(self.problems.take(key, sources.read(path))?);
        let secret = text.expose_secret().trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            self.wrong(member, "is empty");
            return None;
        }
        Some(secret.to_owned().into())
    }
}
