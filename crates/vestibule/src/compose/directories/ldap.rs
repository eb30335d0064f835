//! A directory that is asked by LDAP.

use std::net::IpAddr;
use std::sync::Arc;

use ldap::directory::is_attribute;
use ldap::{Attributes, GroupFilter, GroupSearch, IdOf, Settings, UserFilter};
use model::{ExposeSecret as _, SecretString};
use people::Means;
use url::{Host, Url};

use super::Reading;
use crate::compose::Sources;
use crate::config::directory::DirectoryKind;

/// How Active Directory finds a group by whoever is in it or in a group in it (MS-ADTS section 3.1.1.3.4.4.3,
/// `LDAP_MATCHING_RULE_TRANSITIVE_EVAL`).
const IN_CHAIN: &str = "(member:1.2.840.113556.1.4.1941:={dn})";
/// Who is a person there and not disabled (`UF_ACCOUNTDISABLE`, by `LDAP_MATCHING_RULE_BIT_AND`).
const ENABLED: &str = "(&(objectCategory=person)(objectClass=user)(sAMAccountName={username})\
                       (!(userAccountControl:1.2.840.113556.1.4.803:=2)))";

impl Reading<'_> {
    /// What is known of its servers stays with it, if nothing about it changed.
    pub(super) fn ldap(&mut self, sources: &mut Sources<'_>, known: Option<&Means>) -> Option<Means> {
        let before = self.problems.0.len();
        let urls = self.urls();
        let bind = self.bind(sources);
        let user_filter = self.user_filter();
        let attributes = self.attributes();
        let groups = self.groups();
        if self.wanted.user_base.trim().is_empty() {
            self.wrong("user_base", "is empty; give the entry under which people are");
        }
        if self
            .wanted
            .group_base
            .as_ref()
            .is_some_and(|base| base.trim().is_empty())
        {
            self.wrong("group_base", "is empty; give the entry under which groups are");
        }
        let ca = self.wanted.ca_file.as_deref().map(|path| sources.path(path));
        let tls = net::tls::client(ca.as_deref());
        let key = format!("sign_in.directories.{}.ca_file", self.name);
        let tls = self.problems.take(key, tls);
        if self.problems.0.len() > before {
            return None;
        }
        let settings = Settings {
            urls,
            start_tls: self.wanted.start_tls,
            bind,
            user_base: self.wanted.user_base.clone(),
            user_filter: user_filter?,
            attributes,
            groups,
            look: net::watch::look(&ca.iter().cloned().collect::<Vec<_>>()),
        };
        let known = known.and_then(Means::ldap);
        let same = known.filter(|known| known.settings().is_same(&settings));
        Some(Means::Ldap(match same {
            Some(known) => Arc::clone(known),
            None => Arc::new(ldap::Directory::new(settings, tls?)),
        }))
    }

    fn urls(&mut self) -> Vec<Url> {
        let mut urls = Vec::new();
        if self.wanted.urls.is_empty() {
            self.wrong("urls", "names no server, such as ldaps://ldap.example.com");
        }
        for text in &self.wanted.urls {
            let url = Url::parse(text).ok().filter(|url| {
                let is_bare =
                    matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
                let is_nobody = url.username().is_empty() && url.password().is_none();
                url.host_str().is_some_and(|host| !host.is_empty()) && is_bare && is_nobody
            });
            match url.as_ref().map(Url::scheme) {
                Some("ldaps") if self.wanted.start_tls => {
                    self.wrong("start_tls", "is for ldap:// alone; ldaps:// begins with TLS");
                }
                Some("ldap") if !self.wanted.start_tls && !self.may_be_plain(url.as_ref()) => {
                    self.wrong(
                        "urls",
                        format_args!(
                            "{text} would get passwords in the clear; use ldaps:// or set start_tls: true"
                        ),
                    );
                }
                Some("ldap" | "ldaps") => {}
                _ => self.wrong(
                    "urls",
                    format_args!(
                        "{text:?} is no server, such as ldaps://ldap.example.com or ldaps://10.0.0.1:636"
                    ),
                ),
            }
            urls.extend(url);
        }
        urls
    }

    fn may_be_plain(&self, url: Option<&Url>) -> bool {
        let is_here = |host: Host<&str>| match host {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        };
        self.wanted.danger_plain_text || url.and_then(Url::host).is_some_and(is_here)
    }

    fn bind(&mut self, sources: &mut Sources<'_>) -> Option<(String, SecretString)> {
        match (&self.wanted.bind_dn, &self.wanted.bind_password_file) {
            (None, None) => None,
            (Some(_), None) => {
                self.wrong("bind_dn", "needs a password; give bind_password_file");
                None
            }
            (None, Some(_)) => {
                self.wrong("bind_password_file", "is nobody's; give bind_dn");
                None
            }
            (Some(dn), Some(path)) => {
                let key = format!("sign_in.directories.{}.bind_password_file", self.name);
                let text = SecretString::from(self.problems.take(key, sources.read(path))?);
                let password = text.expose_secret().trim_end_matches(['\r', '\n']);
                if password.is_empty() {
                    self.wrong("bind_password_file", "is empty");
                }
                if dn.trim().is_empty() {
                    self.wrong("bind_dn", "is empty; leave it out if nobody is to search");
                }
                Some((dn.clone(), password.to_owned().into()))
            }
        }
    }

    fn is_active_directory(&self) -> bool {
        self.wanted.kind == DirectoryKind::ActiveDirectory
    }

    fn user_filter(&mut self) -> Option<UserFilter> {
        let usual = if self.is_active_directory() {
            ENABLED
        } else {
            "(&(objectClass=person)(uid={username}))"
        };
        let text = self.wanted.user_filter.as_deref().unwrap_or(usual);
        let key = format!("sign_in.directories.{}.user_filter", self.name);
        self.problems.take(key, text.parse())
    }

    fn attributes(&mut self) -> Attributes {
        let wanted = &self.wanted.attributes;
        let usual = if self.is_active_directory() {
            ["objectGUID", "sAMAccountName", "displayName", "mail"]
        } else {
            ["entryUUID", "uid", "cn", "mail"]
        };
        let all = [
            ("id", &wanted.id),
            ("username", &wanted.username),
            ("name", &wanted.name),
            ("email", &wanted.email),
        ];
        let [id, username, name, email] = std::array::from_fn(|at| {
            let ((member, wanted), usual): ((_, &Option<String>), _) = (all[at], usual[at]);
            let attribute = wanted.as_deref().unwrap_or(usual);
            if !is_attribute(attribute) {
                self.wrong(
                    &format!("attributes.{member}"),
                    format_args!("{attribute:?} names no attribute"),
                );
            }
            attribute.to_owned()
        });
        Attributes {
            id: IdOf::attribute(id),
            username,
            name,
            email,
        }
    }

    fn groups(&mut self) -> Option<GroupSearch> {
        let Some(base) = &self.wanted.group_base else {
            if self.asks_for_groups() {
                self.wrong("group_base", "is missing: nobody has groups without it");
            }
            return None;
        };
        let in_chain = self.is_active_directory() && self.wanted.nested_groups;
        let usual = if in_chain {
            IN_CHAIN
        } else if self.is_active_directory() {
            "(member={dn})"
        } else {
            "(|(member={dn})(uniqueMember={dn}))"
        };
        let own = self.wanted.group_filter.as_deref();
        let key = format!("sign_in.directories.{}.group_filter", self.name);
        let filter: GroupFilter = self.problems.take(key, own.unwrap_or(usual).parse())?;
        // The directory walks by itself where its own rule is asked for.
        let nested = self.wanted.nested_groups && !(in_chain && own.is_none());
        if nested && !filter.can_nest() {
            self.wrong(
                "nested_groups",
                "must be false with {username} in group_filter: a group has none",
            );
        }
        if !is_attribute(&self.wanted.group_name) {
            self.wrong("group_name", "names no attribute");
        }
        Some(GroupSearch {
            base: base.clone(),
            filter,
            name: self.wanted.group_name.clone(),
            nested,
        })
    }
}
