//! Scopes of a server: what a token may be granted there beyond `mcp`, and which of them somebody lacks.
//!
//! A scope gives nothing by itself. It is a condition of rules: `mcp` means as far as the rules allow, and some rules
//! allow only with a scope (DEC-12, MA-34).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use model::{GroupName, ServerName, Username};
use thiserror::Error;

use crate::decide::{Outcome, ServerPolicy};
use crate::load::{PolicyError, RuleFile, ServerRules};
use crate::principal::{Act, Annotations, Circumstances, Client, Principal};

/// Scopes that one server may have: each is tried when somebody lacks one.
const MOST: usize = 32;

/// A scope's name within its server: lower-case letters, digits, `-` and `_`, at most 32.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(Box<str>);

/// A text that is no name of a scope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} cannot name a scope: 1 to 32 of the characters a to z, 0 to 9, - and _, beginning with a letter or digit"
)]
pub struct BadScopeName(String);

impl FromStr for ScopeName {
    type Err = BadScopeName;
    fn from_str(text: &str) -> Result<Self, BadScopeName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let sound = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
            && text.bytes().next().is_some_and(plain);
        if sound {
            Ok(Self(text.into()))
        } else {
            Err(BadScopeName(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ScopeName {
    /// As tokens carry it: `gitea:admin`, so that the scopes of two servers are never the same.
    pub fn within(&self, server: &ServerName) -> String {
        format!("{server}:{self}")
    }
}

/// A scope as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRule {
    /// Its name.
    pub name: ScopeName,
    /// What it allows, in words for the person who is asked.
    pub title: String,
    /// Narrower scopes that it stands for too (MA-33).
    pub includes: Vec<ScopeName>,
}

/// Whom a rule is about.
type About = (Vec<GroupName>, Vec<Username>);

/// A scope of a server.
#[derive(Clone, Debug)]
pub struct ServerScope {
    /// As tokens carry it.
    pub name: Arc<str>,
    /// What it allows, in words for the person who is asked.
    pub title: Arc<str>,
    /// Itself and every scope that it stands for.
    reaches: BTreeSet<Arc<str>>,
    /// Whom the rules that ask for it are about; everybody, if a file of policies names it.
    about: Option<Vec<About>>,
}

impl ServerScope {
    /// Whether having it can change anything for this person.
    fn is_for(&self, principal: Principal<'_>) -> bool {
        let Some(about) = &self.about else {
            return true;
        };
        about.iter().any(|(groups, people)| {
            people.contains(principal.username) || groups.iter().any(|group| principal.groups.contains(group))
        })
    }
}

/// The scopes of one server, narrow ones first.
pub(crate) type ServerScopes = Arc<[ServerScope]>;

/// What was granted, with everything that it stands for.
pub(crate) fn expanded<'a>(scopes: &'a [ServerScope], granted: &'a str) -> BTreeSet<&'a str> {
    let words = granted.split(' ').filter(|word| !word.is_empty());
    let further = |word: &'a str| {
        let known = scopes.iter().find(move |scope| &*scope.name == word);
        known
            .into_iter()
            .flat_map(|scope| scope.reaches.iter().map(AsRef::as_ref))
    };
    words.clone().chain(words.flat_map(further)).collect()
}

/// Reads and checks the scopes of a server.
pub(crate) fn scopes_of(rules: &ServerRules, files: &[RuleFile]) -> Result<ServerScopes, Vec<PolicyError>> {
    let server = &rules.server;
    let by_name: BTreeMap<_, _> = rules.scopes.iter().map(|scope| (&scope.name, scope)).collect();
    let mut errors = Vec::new();
    let mut wrong = |place: String, problem: String| errors.push(PolicyError { place, problem });
    if rules.scopes.len() > MOST {
        wrong(
            format!("servers.{server}.scopes"),
            format!("there are more than {MOST}; whoever is asked could not read them"),
        );
    }
    for scope in &rules.scopes {
        for included in &scope.includes {
            if !by_name.contains_key(included) {
                let place = format!("servers.{server}.scopes.{}.includes", scope.name);
                wrong(place, format!("there is no scope called {included}"));
            }
        }
    }
    for (member, list) in [("allow", &rules.allow), ("shadow_allow", &rules.shadow_allow)] {
        for (number, rule) in list.iter().enumerate() {
            if let Some(name) = rule.scope.as_ref().filter(|name| !by_name.contains_key(name)) {
                let place = format!("{server}.{member}[{number}].scope");
                wrong(
                    place,
                    format!("there is no scope called {name} under servers.{server}.scopes"),
                );
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let asking = |wanted: &dyn Fn(&ScopeName) -> bool| -> Vec<_> {
        let named = |rule: &&crate::rule::AllowRule| rule.scope.as_ref().is_some_and(wanted);
        let asking = rules.allow.iter().filter(named);
        asking
            .map(|rule| (rule.groups.clone(), rule.people.clone()))
            .collect()
    };
    let scopes = rules.scopes.iter().map(|scope| {
        let reaches = reach(&by_name, &scope.name);
        let mut about = asking(&|name| *name == scope.name);
        if about.is_empty() {
            about = asking(&|name| reaches.contains(name));
        }
        let name = scope.name.within(server);
        let quoted = format!("\"{name}\"");
        let is_in_files = files.iter().any(|file| file.text.contains(&quoted));
        ServerScope {
            name: name.into(),
            title: scope.title.as_str().into(),
            reaches: reaches.iter().map(|name| name.within(server).into()).collect(),
            about: (!is_in_files).then_some(about),
        }
    });
    let mut scopes: Vec<_> = scopes.collect();
    scopes.sort_by_key(|scope| scope.reaches.len());
    Ok(scopes.into())
}

/// A scope and everything that it stands for; a circle is no harm.
fn reach<'s>(by_name: &BTreeMap<&ScopeName, &'s ScopeRule>, name: &'s ScopeName) -> BTreeSet<&'s ScopeName> {
    let (mut found, mut open) = (BTreeSet::new(), vec![name]);
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(by_name.get(name).into_iter().flat_map(|scope| &scope.includes));
        }
    }
    found
}

impl ServerPolicy {
    /// The scopes of the server that can change anything for this person, narrow ones first (CC-73).
    pub fn scopes_for(&self, principal: Principal<'_>) -> impl Iterator<Item = &ServerScope> {
        self.scopes().iter().filter(move |scope| scope.is_for(principal))
    }

    /// What was granted, with everything that it stands for (MA-33).
    pub fn stands_for<'a>(&'a self, granted: &'a str) -> BTreeSet<&'a str> {
        expanded(self.scopes(), granted)
    }

    /// A scope of the server by the name that tokens carry.
    pub fn scope(&self, name: &str) -> Option<&ServerScope> {
        self.scopes().iter().find(|scope| &*scope.name == name)
    }

    /// The scopes with which this would be allowed at this moment, if without them it is not: the narrowest one that
    /// is enough, or else all that are needed together (MA-31). Nothing if no scope changes it (MA-35).
    pub fn lacking(
        &self,
        principal: Principal<'_>,
        act: Act<'_>,
        annotations: Annotations,
        circumstances: &Circumstances<'_>,
    ) -> Option<Vec<Arc<str>>> {
        let client = principal.client?;
        let held = expanded(self.scopes(), client.scope);
        let missing = self.scopes_for(principal).map(|scope| &scope.name);
        let missing: Vec<_> = missing.filter(|name| !held.contains(&***name)).collect();
        let allowed_with = |more: &[&Arc<str>]| {
            let more = more.iter().map(|name| &***name);
            let scope: Vec<_> = std::iter::once(client.scope).chain(more).collect();
            let scope = scope.join(" ");
            let client = Some(Client {
                scope: &scope,
                ..client
            });
            let decision = self.decide(Principal { client, ..principal }, act, annotations, circumstances);
            decision.outcome == Outcome::Allowed
        };
        if missing.is_empty() || allowed_with(&[]) || !allowed_with(&missing) {
            return None;
        }
        if let Some(one) = missing.iter().find(|name| allowed_with(&[**name])) {
            return Some(vec![Arc::clone(one)]);
        }
        let mut needed = missing;
        let mut at = needed.len();
        // Broad ones go first, as long as the others are enough.
        while at > 0 {
            at -= 1;
            let name = needed.remove(at);
            if !allowed_with(&needed) {
                needed.insert(at, name);
            }
        }
        Some(needed.into_iter().map(Arc::clone).collect())
    }
}
