//! `sign_in.directories`: where people sign in with the name and the password that a directory knows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::GroupName;
use people::CompanyDirectory;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::sign_in::{AccountsAt, usual_lifetime};
use super::values::Span;

/// A directory that is asked by LDAP, or a service of your own that is asked over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a line of the file")]
pub struct Directory {
    /// What people call it. The name in this file if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is like: `ldap` (OpenLDAP, 389 Directory Server and others of the standards) or `active_directory`, which says
    /// what filters and attributes are if they are not given; or `http`, a service of your own that says whether a name and a
    /// password are right.
    #[serde(default)]
    pub kind: DirectoryKind,
    /// Its servers, as `ldaps://ldap1.example.com`. The first that answers is asked. Required for LDAP.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Begin TLS on the connection of an `ldap://` URL. Without it `ldap://` is for this machine alone.
    #[serde(default)]
    pub start_tls: bool,
    /// Send passwords in the clear to an `ldap://` URL on another machine. Everybody on the way can read them: only for a
    /// network that is protected by other means.
    #[serde(default)]
    pub danger_plain_text: bool,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// As whom it is searched, as `cn=vestibule,ou=services,dc=example,dc=com`. Nobody if not given, where the directory
    /// lets nobody search.
    #[serde(default)]
    pub bind_dn: Option<String>,
    /// A file with the password for `bind_dn`.
    #[serde(default)]
    pub bind_password_file: Option<PathBuf>,
    /// Under which entry people are, as `ou=people,dc=example,dc=com`. Required for LDAP.
    #[serde(default)]
    pub user_base: String,
    /// How somebody is found by what they typed, with `{username}` as the whole of a value. Whoever it does not find cannot
    /// sign in and loses access, so it is also where to say who may. If not given:
    /// `(&(objectClass=person)(uid={username}))`; for Active Directory, by `sAMAccountName` and not disabled.
    #[serde(default)]
    pub user_filter: Option<String>,
    /// Which attributes say what.
    #[serde(default)]
    pub attributes: DirectoryAttributes,
    /// Under which entry groups are. Without it nobody has groups from there.
    #[serde(default)]
    pub group_base: Option<String>,
    /// How the groups of an entry are found, with `{dn}`, or `{username}`, as the whole of a value. If not given:
    /// `(|(member={dn})(uniqueMember={dn}))`; for Active Directory by `member`, in whatever depth.
    #[serde(default)]
    pub group_filter: Option<String>,
    /// The attribute that names a group; `dn` for the whole name of its entry.
    #[serde(default = "usual_group_name")]
    pub group_name: String,
    /// Whether somebody who is in a group that is in a group is in both.
    #[serde(default = "yes")]
    pub nested_groups: bool,
    /// Where a service is asked whether a name and a password are right, with `kind: http`, as
    /// `https://people.example.com/check`. It gets passwords, so `https`, or this machine.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub url: Option<Url>,
    /// Where a service is asked about somebody who is known, by the `subject` that it gave and without their password: whether
    /// they are still there, and in which groups. Without it programs send people to sign in once more after `lifetime`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub lookup_url: Option<Url>,
    /// A file with the bearer token that a service is shown.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// As whom the door proves itself to a service, with `password_file` and in place of `token_file` (HTTP Basic).
    #[serde(default)]
    pub username: Option<String>,
    /// A file with the password for `username`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// An HTTP proxy to reach a service through, as `http://proxy:3128`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Url>,
    /// Link somebody who comes for the first time to the one account that has the address of which a service says
    /// `email_verified`. Say `true` only if everybody with an address there has proved that it is theirs: whoever gets an address
    /// there gets the account.
    #[serde(default)]
    pub link_by_verified_email: bool,
    /// Who gets in: `existing`, whose entry is linked to an account, or `create`, which makes an account for whoever comes for
    /// the first time.
    #[serde(default)]
    pub accounts: AccountsAt,
    /// Groups in the directory's words. With any, nobody gets in who is in none of them.
    #[serde(default)]
    pub require_groups: Vec<String>,
    /// Which group of the directory is which group here.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub groups: BTreeMap<String, GroupName>,
    /// Take all other groups of the directory too, with this before their names, as `corp:`.
    #[serde(default)]
    pub group_prefix: Option<String>,
    /// How long somebody stays signed in at most who signed in here; `sessions` holds too.
    #[serde(default = "usual_lifetime")]
    pub lifetime: Span,
}

/// What a directory is like.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryKind {
    /// As the standards say.
    #[default]
    Ldap,
    /// Active Directory.
    ActiveDirectory,
    /// A service that checks names and passwords.
    Http,
}

impl Directory {
    /// Its identifier, by which people are known who come from there.
    pub fn issuer(&self, name: &str) -> String {
        CompanyDirectory::issuer_of(name, self.kind == DirectoryKind::Http)
    }
}

/// Which attributes of a person's entry say what.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryAttributes {
    /// By what an entry is known for good, whatever it is called later and wherever it moves: `entryUUID`; `objectGUID` for
    /// Active Directory. Never an attribute that people can change, or that is given to somebody else later.
    pub id: Option<String>,
    /// What an account that is made is called, with `+` and the directory's name behind it: `uid`; `sAMAccountName`.
    pub username: Option<String>,
    /// What others read of an account that is made: `cn`; `displayName`.
    pub name: Option<String>,
    /// The address of an account that is made: `mail`. It is never believed to be verified.
    pub email: Option<String>,
}

pub(crate) fn usual_group_name() -> String {
    "cn".to_owned()
}

const fn yes() -> bool {
    true
}
