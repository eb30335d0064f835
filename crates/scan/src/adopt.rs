//! Putting a door in the place of credentials that clients' configurations hold: what would be changed, the change, and the
//! way back.
//!
//! The only part of this crate that writes. A change is made of the very text that was looked at: a file that is another by
//! then is left alone. What is shown of one holds no value of the file, known as a secret or not, but what is put there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::{ExposeSecret as _, SecretString, Timestamp};
use thiserror::Error;

use crate::detect::{self, Hit, Subject};
use crate::door::{DoorServer, replaced_by};
use crate::finding::{Finding, Place};
use crate::place::{self, Client};
use crate::reading::{self, Form};
use crate::rules::Rules;

mod backup;
mod difference;
mod ending;
mod json;
mod line_ends;
mod shape;
mod toml;
mod yaml;

pub use backup::{Backup, BackupError, Ended, Undone};
pub use ending::{Ending, endings, is_replaced};

/// Why an entry is left to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ByHand {
    /// Its file is of a form that cannot be rewritten without losing what its person made of it.
    #[error("files of this form are changed by hand")]
    Form,
    /// Something of it, or of what it is in, is elsewhere in its file as well (YAML 1.2.2, 3.2.2.2).
    #[error("an anchor, an alias or a merge key shares a part of it with other parts of its file")]
    Shared,
    /// It is not written as one name and value below the other.
    #[error("its names do not stand one below the other")]
    Layout,
    /// It holds credentials that no one server replaces.
    #[error("it holds credentials that no one server replaces")]
    Several,
    /// It is not where it was found, or not an entry that can be read.
    #[error("it cannot be read as an entry")]
    Unreadable,
    /// After the change there would still be a credential in it.
    #[error("a credential would remain in it")]
    Remains,
    /// The file is somebody else's.
    #[error("the file is somebody else's")]
    NotYours,
}

/// An entry, and the server that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// What its person calls it.
    pub name: String,
    /// The server's endpoint at the door.
    pub url: String,
    /// The names that lead to it.
    entry: Vec<String>,
}

/// A file that can be changed.
#[derive(Debug)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// The file as it is shown.
    pub shown: String,
    /// Whose configuration it is.
    pub client: Client,
    /// What is replaced in it.
    pub replacements: Vec<Replacement>,
    /// The difference, without any value of the file.
    pub difference: String,
    before: SecretString,
    after: SecretString,
}

/// An entry that its person has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file as it is shown.
    pub shown: String,
    /// Whose configuration it is.
    pub client: Client,
    /// What its person calls it.
    pub name: String,
    /// The server that would take its place.
    pub url: String,
    /// Why.
    pub why: ByHand,
}

/// What can be done about findings.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files that can be changed.
    pub changes: Vec<Change>,
    /// Entries that are left to their person.
    pub left: Vec<Left>,
}

/// What can be done about these findings with these servers. Findings outside of clients' configurations, and those that no
/// server replaces, are not in it.
pub fn plan(findings: &[Finding], rules: &Rules, servers: &[DoorServer], now: Timestamp) -> Plan {
    let mut files = BTreeMap::<&Path, Vec<&Finding>>::new();
    for finding in findings {
        if let (Place::File(path), Some(_), false) =
            (&finding.place, finding.client, finding.entry_path.is_empty())
        {
            files.entry(path).or_default().push(finding);
        }
    }
    let mut plan = Plan::default();
    for (path, findings) in files {
        file(&mut plan, path, &findings, rules, servers, now);
    }
    plan
}

/// An entry of a file, by the names that lead to it, with the server that takes its place.
type Wanted<'a> = BTreeMap<&'a [String], (&'a Finding, &'a DoorServer)>;

fn file(
    plan: &mut Plan,
    path: &Path,
    findings: &[&Finding],
    rules: &Rules,
    servers: &[DoorServer],
    now: Timestamp,
) {
    let mut wanted: Wanted<'_> = BTreeMap::new();
    let mut several: Vec<&[String]> = Vec::new();
    for finding in findings {
        let server = replaced_by(finding, rules, servers);
        let known = wanted
            .get(finding.entry_path.as_slice())
            .map(|(_, server)| *server);
        match (server, known) {
            (Some(server), None) => {
                wanted.insert(&finding.entry_path, (finding, server));
            }
            (server, known) if server != known => several.push(&finding.entry_path),
            _ => {}
        }
        // One that nothing replaces, beside one that something does.
        if server.is_none() {
            several.push(&finding.entry_path);
        }
    }
    let mut leave = |finding: &Finding, server: &DoorServer, why: ByHand| {
        if let Some(client) = finding.client {
            plan.left.push(Left {
                shown: finding.shown.clone(),
                client,
                name: finding.entry.clone().unwrap_or_default(),
                url: server.url.clone(),
                why,
            });
        }
    };
    wanted.retain(|path, (finding, server)| {
        let is_clear = !several.contains(path);
        if !is_clear {
            leave(finding, server, ByHand::Several);
        }
        is_clear
    });
    if wanted.is_empty() {
        return;
    }
    match change(path, &wanted, rules, now) {
        Ok(change) => plan.changes.push(change),
        Err(why) => wanted
            .values()
            .for_each(|(finding, server)| leave(finding, server, why)),
    }
}

fn change(path: &Path, wanted: &Wanted<'_>, rules: &Rules, now: Timestamp) -> Result<Change, ByHand> {
    let (first, _) = wanted.values().next().ok_or(ByHand::Unreadable)?;
    let client = first.client.ok_or(ByHand::Unreadable)?;
    if first
        .exposure
        .as_ref()
        .is_none_or(|exposure| exposure.owner != "you")
    {
        return Err(ByHand::NotYours);
    }
    let form = place::kind(path).form;
    let before = fs::read_to_string(path).map_err(|_| ByHand::Unreadable)?;
    let mut after = before.clone();
    let (mut replacements, mut shown) = (Vec::new(), Vec::new());
    for (entry, (finding, server)) in wanted {
        let fields = shape::fields(client, form, &server.url);
        after = match form {
            Form::Json => json::replaced(&after, entry, &fields).ok_or(ByHand::Unreadable)?,
            Form::Toml => toml::replaced(&after, entry, &fields).ok_or(ByHand::Unreadable)?,
            Form::Yaml => yaml::replaced(&after, entry, &fields)?,
            _ => return Err(ByHand::Form),
        };
        shown.extend(fields.into_iter().flat_map(|(_, value)| value.texts()));
        replacements.push(Replacement {
            name: finding.entry.clone().unwrap_or_default(),
            url: server.url.clone(),
            entry: entry.to_vec(),
        });
    }
    let after = line_ends::kept(&before, &after);
    if others(&before, form, wanted) != others(&after, form, wanted) {
        return Err(ByHand::Unreadable);
    }
    let hits = |text: &str| hits(text, form, rules, now);
    let remains = hits(&after).into_iter().filter_map(|hit| hit.entry);
    let is_replaced = |path: &[String]| wanted.keys().any(|wanted| *wanted == path);
    if remains.into_iter().any(|entry| is_replaced(&entry.path)) {
        return Err(ByHand::Remains);
    }
    let masked = |text: &str| {
        let secrets = hits(text).into_iter().map(|hit| hit.range);
        difference::masked(text, form, &shown, secrets.collect())
    };
    let difference = difference::between(&masked(&before), &masked(&after));
    Ok(Change {
        path: path.to_owned(),
        shown: first.shown.clone(),
        client,
        replacements,
        difference,
        before: before.into(),
        after: after.into(),
    })
}

/// The values that are in none of the entries that are replaced, in the order of their names.
fn others(text: &str, form: Form, wanted: &Wanted<'_>) -> Vec<(Vec<String>, String)> {
    let values = reading::values(text, form).into_iter();
    let is_other = |value: &reading::Value| !wanted.keys().any(|entry| value.path.starts_with(entry));
    let mut others: Vec<_> = values
        .filter(is_other)
        .map(|value| (value.path, value.text))
        .collect();
    others.sort();
    others
}

fn hits(text: &str, form: Form, rules: &Rules, now: Timestamp) -> Vec<Hit> {
    let subject = Subject {
        text,
        form,
        words: "",
        now,
    };
    detect::hits(subject, rules)
}

impl Change {
    /// Whether it replaces the entry that these names lead to.
    fn replaces(&self, entry: &[String]) -> bool {
        self.replacements.iter().any(|one| one.entry == entry)
    }

    /// What is there before it.
    pub(crate) fn before(&self) -> &str {
        self.before.expose_secret()
    }

    /// What is there after it.
    pub(crate) fn after(&self) -> &str {
        self.after.expose_secret()
    }
}

#[cfg(test)]
mod tests;
