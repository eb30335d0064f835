//! Whether a file is in a git repository, and whether git keeps it: read from the repository's index, without running
//! `git`, which would do what the configuration of a stranger's repository says.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The largest index that is read.
const INDEX: u64 = 256 << 20;

/// What git has to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Git {
    /// In a repository's folder, and not kept by it.
    Untracked,
    /// Kept: committed, or about to be.
    Tracked,
}

/// Repositories that were looked into.
#[derive(Debug, Default)]
pub(crate) struct Repositories {
    /// The repository of a folder, if it is in one.
    roots: HashMap<PathBuf, Option<PathBuf>>,
    /// What a repository keeps.
    kept: HashMap<PathBuf, HashSet<Vec<u8>>>,
}

impl Repositories {
    /// What git has to do with this file. None outside of repositories.
    pub(crate) fn of(&mut self, file: &Path) -> Option<Git> {
        let root = self.root(file.parent()?)?;
        // What lies in `.git` itself is never kept.
        let inner = file.strip_prefix(&root).ok()?;
        if inner.starts_with(".git") {
            return Some(Git::Untracked);
        }
        let kept = self.kept.entry(root).or_insert_with_key(|root| kept(root));
        // As git writes it, on every system.
        let name = inner.iter().map(OsStr::as_encoded_bytes).collect::<Vec<_>>();
        Some(if kept.contains(&name.join(&b'/')) {
            Git::Tracked
        } else {
            Git::Untracked
        })
    }

    fn root(&mut self, folder: &Path) -> Option<PathBuf> {
        if let Some(known) = self.roots.get(folder) {
            return known.clone();
        }
        let root = if fs::symlink_metadata(folder.join(".git")).is_ok() {
            Some(folder.to_owned())
        } else {
            folder.parent().and_then(|parent| self.root(parent))
        };
        self.roots.insert(folder.to_owned(), root.clone());
        root
    }
}

/// The names in the index of a repository.
fn kept(root: &Path) -> HashSet<Vec<u8>> {
    let dot = root.join(".git");
    // Of a worktree or a submodule it is a file that says where.
    let folder = match fs::metadata(&dot) {
        Ok(metadata) if metadata.is_file() && metadata.len() < 4096 => {
            let text = fs::read_to_string(&dot).unwrap_or_default();
            match text.trim().strip_prefix("gitdir: ") {
                Some(path) => root.join(path),
                None => return HashSet::new(),
            }
        }
        _ => dot,
    };
    let index = folder.join("index");
    match fs::metadata(&index) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= INDEX => {}
        _ => return HashSet::new(),
    }
    fs::read(index)
        .ok()
        .and_then(|bytes| names(&bytes))
        .unwrap_or_default()
}

/// The names in an index of versions 2 to 4 (gitformat-index). None if it is something else.
pub fn names(bytes: &[u8]) -> Option<HashSet<Vec<u8>>> {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    let version = number(4)?;
    if bytes.get(..4)? != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let (count, mut at) = (number(8)?, 12_usize);
    let mut names = HashSet::new();
    let mut before = Vec::new();
    for _ in 0..count {
        let flags = bytes.get(at + 60..at + 62)?;
        let is_extended = version >= 3 && flags.first()? & 0x40 != 0;
        let mut name_at = at + 62 + if is_extended { 2 } else { 0 };
        let mut name = Vec::new();
        if version == 4 {
            let (cut, length) = offset(bytes.get(name_at..)?)?;
            name_at += length;
            name.extend_from_slice(before.get(..before.len().checked_sub(cut)?)?);
        }
        let rest = bytes.get(name_at..)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(rest.get(..length)?);
        let end = name_at + length;
        // Entries are padded to eight bytes with one to eight zeros, but not those of version 4.
        at = if version == 4 {
            end + 1
        } else {
            at + (end - at) / 8 * 8 + 8
        };
        names.insert(name.clone());
        before = name;
    }
    Some(names)
}

/// A number of variable width, as in packs (`offset encoding`).
fn offset(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    let (mut value, mut length) = (usize::from(first & 0x7f), 1);
    let mut byte = first;
    while byte & 0x80 != 0 {
        byte = *bytes.get(length)?;
        length += 1;
        if length > 8 {
            return None;
        }
        value = (value.checked_add(1)? << 7) | usize::from(byte & 0x7f);
    }
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// By git itself, in each version of its index.
    #[test]
    fn reads_what_git_writes() {
        for version in ["2", "3", "4"] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let git = |words: &[&str]| {
                let done = Command::new("git")
                    .args(words)
                    .current_dir(root)
                    .output()
                    .unwrap();
                assert!(done.status.success(), "{words:?}: {done:?}");
            };
            git(&["init", "-q"]);
            fs::create_dir_all(root.join("deep/er")).unwrap();
            for name in ["a", ".env", "deep/er/one", "deep/er/other", "new"] {
                fs::write(root.join(name), name).unwrap();
            }
            git(&["add", "a", ".env", "deep"]);
            // Known to be meant, which needs an extended entry.
            git(&["add", "--intent-to-add", "new"]);
            git(&["update-index", "--index-version", version]);
            fs::write(root.join("untracked"), "x").unwrap();
            let mut repositories = Repositories::default();
            let mut of = |name: &str| repositories.of(&root.join(name));
            for name in ["a", ".env", "deep/er/one", "deep/er/other", "new"] {
                assert_eq!(of(name), Some(Git::Tracked), "{name} in version {version}");
            }
            assert_eq!(of("untracked"), Some(Git::Untracked));
            assert_eq!(of(".git/config"), Some(Git::Untracked));
        }
        assert_eq!(Repositories::default().of(Path::new("/nowhere/at/all")), None);
    }

    #[test]
    fn what_is_no_index_is_nothing() {
        assert_eq!(names(b"DIRC\0\0\0\x02\xff\xff\xff\xff"), None);
        assert_eq!(names(b"nothing"), None);
        assert_eq!(names(b"DIRC\0\0\0\x02\0\0\0\0"), Some(HashSet::new()));
    }
}
