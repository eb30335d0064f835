//! The groups in which somebody is, and the groups in which those are.

use std::collections::{BTreeSet, HashSet};

use ldap3::Scope;

use crate::directory::GroupSearch;
use crate::entry::{Entry, Values};
use crate::session::{DirectoryError, Search, Session};

/// Groups of one person; somebody who is in more is not let in with some of them.
pub(crate) const MOST: usize = 1000;
/// Groups in groups are followed so far.
const DEEPEST: usize = 16;
/// Groups of which is asked at once.
const AT_ONCE: usize = 25;

/// Their names, by the attribute that the operator named.
pub(crate) async fn of(
    session: &mut Session,
    wanted: &GroupSearch,
    entry: &Entry,
) -> Result<Vec<String>, DirectoryError> {
    let username = entry.username.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    // What was seen is not followed again: groups may be in each other.
    let mut seen = HashSet::new();
    let mut level = vec![entry.dn.clone()];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for some in level.chunks(AT_ONCE) {
            let filters = some.iter().map(|dn| wanted.filter.of(dn, username));
            let filter = format!("(|{})", filters.collect::<String>());
            let found = session
                .search(&Search {
                    base: &wanted.base,
                    scope: Scope::Subtree,
                    filter: &filter,
                    attributes: &[wanted.name.as_str()],
                    most: MOST,
                })
                .await?;
            if found.is_cut {
                return Err(too_many());
            }
            for group in found.entries {
                if !seen.insert(group.dn.to_lowercase()) {
                    continue;
                }
                next.push(group.dn.clone());
                names.extend(wanted.name_of(group.dn.clone(), &Values::of(group)));
            }
            if seen.len() > MOST {
                return Err(too_many());
            }
        }
        if next.is_empty() || !wanted.nested {
            return Ok(names.into_iter().collect());
        }
        level = next;
    }
    tracing::warn!(
        dn = entry.dn,
        "groups are nested deeper than {DEEPEST}; the others are left out"
    );
    Ok(names.into_iter().collect())
}

fn too_many() -> DirectoryError {
    DirectoryError::Answer(format!(
        "somebody is in more than {MOST} groups; choose a narrower `group_base`"
    ))
}
