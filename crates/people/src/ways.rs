//! The ways in that the configuration opens: passwords, providers at which people prove who they are, and directories
//! that know their passwords.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Assurance, GroupName};
use relying::{Profile, Upstream};

use crate::company_directory::CompanyDirectory;

/// Groups that are taken from a provider for one person.
const MOST_GROUPS: usize = 500;

/// All of them, replaced as one when the configuration changes.
#[derive(Debug)]
pub struct Ways {
    /// Whether passwords let anybody in.
    pub passwords: bool,
    /// The providers, in the order of their names.
    pub providers: Vec<Arc<Provider>>,
    /// The directories, in the order in which they are asked.
    pub directories: Vec<Arc<CompanyDirectory>>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            passwords: true,
            providers: Vec::new(),
            directories: Vec::new(),
        }
    }
}

impl Ways {
    /// Whether somebody may type a password, of an account or of a directory.
    pub fn ask_for_password(&self) -> bool {
        self.passwords || !self.directories.is_empty()
    }

    /// The directory that the configuration calls so.
    pub fn directory(&self, name: &str) -> Option<&Arc<CompanyDirectory>> {
        self.directories.iter().find(|directory| directory.name == name)
    }

    /// Whether somebody gets in who is linked to this issuer.
    pub fn lets_in_from(&self, issuer: &str) -> bool {
        self.providers.iter().any(|provider| provider.issuer() == issuer)
            || self
                .directories
                .iter()
                .any(|directory| directory.issuer == issuer)
    }

    /// The provider that the configuration calls so.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// The provider for people with this address, if its domain is somebody's.
    pub fn for_address(&self, address: &str) -> Option<&Arc<Provider>> {
        let of = |provider: &&Arc<Provider>| provider.rules.has_domain_of(address);
        self.providers.iter().find(of)
    }

    /// The one way in if there is nothing to choose.
    pub fn only(&self) -> Option<&Arc<Provider>> {
        match self.providers.as_slice() {
            [only] if !self.ask_for_password() && only.rules.domains.is_empty() => Some(only),
            _ => None,
        }
    }

    /// Whether somebody may be asked for their address to find their provider.
    pub fn ask_for_address(&self) -> bool {
        self.providers
            .iter()
            .any(|provider| !provider.rules.domains.is_empty())
    }
}

/// What the ways in are at this moment; everybody who decides by them looks here.
#[derive(Debug, Default)]
pub struct WaysIn(ArcSwap<Ways>);

impl WaysIn {
    /// These, until there are others.
    pub fn new(ways: Ways) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(ways)))
    }

    /// Those of this moment.
    pub fn now(&self) -> Arc<Ways> {
        self.0.load_full()
    }

    /// Others, from now on.
    pub fn replace(&self, ways: Ways) {
        self.0.store(Arc::new(ways));
    }
}

/// A provider, and what it may decide.
#[derive(Debug)]
pub struct Provider {
    /// What the configuration calls it; a part of its redirect URI.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How it is asked.
    pub upstream: Arc<Upstream>,
    /// Whom it lets in.
    pub rules: Rules,
}

impl Provider {
    /// Its identifier.
    pub fn issuer(&self) -> &str {
        self.upstream.issuer()
    }

    /// Who vouches for people there.
    pub fn source(&self) -> Source<'_> {
        Source {
            kind: "provider",
            name: &self.name,
            issuer: self.issuer(),
            rules: &self.rules,
        }
    }
}

/// Who vouches for somebody: a provider or a directory, and what its word counts for.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Which of the two, for the record.
    pub kind: &'static str,
    /// What the configuration calls it.
    pub name: &'a str,
    /// The issuer of what is linked to accounts.
    pub issuer: &'a str,
    /// Whom it lets in.
    pub rules: &'a Rules,
}

/// Whom a provider or a directory lets in, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether somebody who comes for the first time gets an account.
    pub create_accounts: bool,
    /// Domains of addresses, in lower case; with any, nobody with another one gets an account.
    pub domains: Vec<String>,
    /// Groups at the provider; with any, nobody comes in who is in none of them.
    pub require_groups: Vec<String>,
    /// Whether somebody with a verified address is the one account that has it.
    pub link_by_verified_email: bool,
    /// Which group here a group there is.
    pub groups: BTreeMap<String, GroupName>,
    /// What stands before the names of all other groups; without it they are not taken.
    pub group_prefix: Option<String>,
    /// How long a session lives at most that was begun here.
    pub lifetime: Duration,
    /// What its words on a sign-in count for.
    pub words: Words,
}

/// What the words of a provider on how somebody signed in count for. Others count for one factor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// By `acr`.
    pub acr: BTreeMap<String, Assurance>,
    /// By a method among the `amr`.
    pub amr: BTreeMap<String, Assurance>,
}

impl Words {
    /// How sure it is by what it says of somebody.
    pub(crate) fn of(&self, profile: &Profile) -> Assurance {
        let by_acr = profile.acr.as_ref().and_then(|acr| self.acr.get(acr));
        let methods = profile
            .amr
            .as_deref()
            .unwrap_or_default()
            .split_ascii_whitespace();
        let by_methods = methods.filter_map(|method| self.amr.get(method));
        by_acr
            .into_iter()
            .chain(by_methods)
            .max()
            .copied()
            .unwrap_or_default()
    }

    /// Whether it can say that somebody signed in so surely.
    pub fn reach(&self, class: Assurance) -> bool {
        self.acr
            .values()
            .chain(self.amr.values())
            .any(|said| *said >= class)
    }

    /// What it is asked for when so much is needed (`acr_values`); none where it has no word for that.
    pub fn asked_for(&self, class: Assurance) -> Option<String> {
        let enough = self.acr.iter().filter(|(_, said)| **said >= class);
        let names: Vec<_> = enough.map(|(name, _)| name.as_str()).collect();
        (class > Assurance::OneFactor && !names.is_empty()).then(|| names.join(" "))
    }
}

impl Rules {
    /// Whether an address is of one of its domains.
    pub fn has_domain_of(&self, address: &str) -> bool {
        let domain = address.trim().rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| {
            self.domains
                .iter()
                .any(|known| known.eq_ignore_ascii_case(domain))
        })
    }

    /// Whether the provider itself says that somebody belongs to one of its domains, where that is asked for.
    pub(crate) fn is_of_a_domain(&self, profile: &Profile) -> bool {
        let proved = profile.email.as_deref().filter(|_| profile.email_verified);
        self.domains.is_empty() || proved.is_some_and(|address| self.has_domain_of(address))
    }

    /// Whether somebody is in a group that is asked for.
    pub(crate) fn is_member(&self, profile: &Profile) -> bool {
        let required = &self.require_groups;
        required.is_empty() || required.iter().any(|group| profile.groups.contains(group))
    }

    /// The groups here of somebody who is in these there. What can be no name of a group is left out.
    pub(crate) fn groups_of(&self, theirs: &[String]) -> Vec<GroupName> {
        let here = |name: &String| match (self.groups.get(name), &self.group_prefix) {
            (Some(group), _) => Some(group.clone()),
            (None, Some(prefix)) => format!("{prefix}{name}").parse().ok(),
            (None, None) => None,
        };
        let mut groups: Vec<_> = theirs.iter().filter_map(here).take(MOST_GROUPS).collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn rules() -> Rules {
        Rules {
            create_accounts: true,
            domains: Vec::new(),
            require_groups: Vec::new(),
            link_by_verified_email: false,
            groups: BTreeMap::new(),
            group_prefix: None,
            lifetime: Duration::from_hours(12),
            words: Words::default(),
        }
    }

    fn named(rules: &Rules, theirs: &[&str]) -> Vec<String> {
        let theirs: Vec<_> = theirs.iter().map(|&name| name.to_owned()).collect();
        rules.groups_of(&theirs).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn groups_are_taken_only_as_the_operator_says() {
        let mut rules = rules();
        assert!(named(&rules, &["admins", "dev"]).is_empty(), "nothing by itself");
        rules
            .groups
            .insert("dev".to_owned(), "developers".parse().unwrap());
        assert_eq!(named(&rules, &["admins", "dev", "dev"]), ["developers"]);
        rules.group_prefix = Some("corp:".to_owned());
        assert_eq!(named(&rules, &["admins", "dev"]), ["corp:admins", "developers"]);
        assert_eq!(
            named(&rules, &[&"x".repeat(65)]),
            [""; 0],
            "too long a name is none"
        );
    }

    #[test]
    fn a_domain_is_the_whole_of_what_follows_the_last_at() {
        let rules = Rules {
            domains: vec!["example.com".to_owned()],
            ..rules()
        };
        for (address, is) in [
            ("ana@example.com", true),
            (" Ana@EXAMPLE.com ", true),
            ("ana@sub.example.com", false),
            ("ana@example.com.evil.test", false),
            ("ana@notexample.com", false),
            ("example.com", false),
            ("a@example.com@evil.test", false),
        ] {
            assert_eq!(rules.has_domain_of(address), is, "{address}");
        }
        let profile = |email: &str, email_verified| Profile {
            email: Some(email.to_owned()),
            email_verified,
            ..Profile::default()
        };
        assert!(rules.is_of_a_domain(&profile("ana@example.com", true)));
        assert!(
            !rules.is_of_a_domain(&profile("ana@example.com", false)),
            "nobody vouches for it"
        );
        assert!(!rules.is_of_a_domain(&Profile::default()));
    }
}
