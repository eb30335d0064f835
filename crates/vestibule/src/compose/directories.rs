//! From `sign_in.directories` of the configuration to the directories that are asked.

use std::sync::Arc;

use model::ServerName;
use people::ways::{Rules, Words};
use people::{CompanyDirectory, Means, Ways};

use super::ways::is_good_prefix;
use super::{Problems, Sources};
use crate::config::directory::{Directory, DirectoryAttributes, DirectoryKind};
use crate::config::sign_in::AccountsAt;

mod http;
mod ldap;

/// All of them, those first that see no password before they have found its owner; a directory about which nothing changed is
/// that of `before`, with what is known of its servers.
pub(super) fn directories(
    sources: &mut Sources<'_>,
    before: Option<&Ways>,
    problems: &mut Problems,
) -> Vec<Arc<CompanyDirectory>> {
    let mut directories = Vec::new();
    let loaded = sources.loaded;
    for (name, wanted) in &loaded.config.sign_in.directories {
        let known = before.and_then(|ways| ways.directory(name));
        let mut reading = Reading {
            name,
            wanted,
            problems: &mut *problems,
        };
        let known = known.map(|known| &known.means);
        directories.extend(reading.directory(sources, known).map(Arc::new));
    }
    directories.sort_by_key(|directory| directory.means.service().is_some());
    directories
}

/// One that is being read.
struct Reading<'a> {
    name: &'a str,
    wanted: &'a Directory,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    fn directory(&mut self, sources: &mut Sources<'_>, known: Option<&Means>) -> Option<CompanyDirectory> {
        let before = self.problems.0.len();
        let key = format!("sign_in.directories.{}", self.name);
        // It becomes a part of usernames.
        let _: Option<ServerName> = self.problems.take(&key, self.name.parse());
        self.check();
        self.check_kind();
        let means = match self.wanted.kind {
            DirectoryKind::Ldap | DirectoryKind::ActiveDirectory => self.ldap(sources, known),
            DirectoryKind::Http => self.http(sources, known),
        };
        if self.problems.0.len() > before {
            return None;
        }
        Some(CompanyDirectory {
            name: self.name.to_owned(),
            title: self.wanted.name.clone().unwrap_or_else(|| self.name.to_owned()),
            issuer: self.wanted.issuer(self.name),
            means: means?,
            rules: rules(self.wanted),
        })
    }

    fn wrong(&mut self, member: &str, text: impl std::fmt::Display) {
        self.problems
            .add(format!("sign_in.directories.{}.{member}", self.name), text);
    }

    /// Whether it matters in which groups somebody is there.
    fn asks_for_groups(&self) -> bool {
        let wanted = self.wanted;
        !wanted.require_groups.is_empty() || !wanted.groups.is_empty() || wanted.group_prefix.is_some()
    }

    /// What is wrong with what all have.
    fn check(&mut self) {
        if self
            .wanted
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty())
        {
            self.wrong(
                "name",
                "is empty; leave it out, or say what people call the directory",
            );
        }
        if self
            .wanted
            .group_prefix
            .as_deref()
            .is_some_and(|prefix| !is_good_prefix(prefix))
        {
            self.wrong("group_prefix", super::ways::PREFIX);
        }
        if self.wanted.lifetime.0.is_zero() {
            self.wrong("lifetime", "must be longer than nothing");
        }
    }

    /// What is of another kind counts for nothing, and whoever wrote it thinks that it does.
    fn check_kind(&mut self) {
        let wanted = self.wanted;
        let of_ldap = [
            ("urls", !wanted.urls.is_empty()),
            ("start_tls", wanted.start_tls),
            ("danger_plain_text", wanted.danger_plain_text),
            ("bind_dn", wanted.bind_dn.is_some()),
            ("bind_password_file", wanted.bind_password_file.is_some()),
            ("user_base", !wanted.user_base.is_empty()),
            ("user_filter", wanted.user_filter.is_some()),
            ("attributes", wanted.attributes != DirectoryAttributes::default()),
            ("group_base", wanted.group_base.is_some()),
            ("group_filter", wanted.group_filter.is_some()),
            (
                "group_name",
                wanted.group_name != crate::config::directory::usual_group_name(),
            ),
            ("nested_groups", !wanted.nested_groups),
        ];
        let of_http = [
            ("url", wanted.url.is_some()),
            ("lookup_url", wanted.lookup_url.is_some()),
            ("token_file", wanted.token_file.is_some()),
            ("username", wanted.username.is_some()),
            ("password_file", wanted.password_file.is_some()),
            ("proxy", wanted.proxy.is_some()),
            ("link_by_verified_email", wanted.link_by_verified_email),
        ];
        let (others, why): (&[_], _) = match wanted.kind {
            DirectoryKind::Http => (
                &of_ldap,
                "is for LDAP and counts for nothing with kind: http; leave it out",
            ),
            _ => (
                &of_http,
                "is for kind: http and counts for nothing here; leave it out",
            ),
        };
        for (member, _) in others.iter().filter(|(_, is_given)| *is_given) {
            self.wrong(member, why);
        }
    }
}

fn rules(wanted: &Directory) -> Rules {
    Rules {
        create_accounts: wanted.accounts == AccountsAt::Create,
        domains: Vec::new(),
        require_groups: wanted.require_groups.clone(),
        // In many directories people write their own address: only a service can vouch for one.
        link_by_verified_email: wanted.link_by_verified_email,
        groups: wanted.groups.clone(),
        group_prefix: wanted.group_prefix.clone(),
        lifetime: wanted.lifetime.0,
        // A password says nothing of further factors.
        words: Words::default(),
    }
}
