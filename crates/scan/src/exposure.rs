//! Who else sees a file: its owner, its mode and that of the folders above it, git, and programs that copy folders away.
//! Windows has no modes, and what stands in their place there is not read.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use model::Timestamp;
use serde::{Serialize, Serializer};

use crate::git::{Git, Repositories};
use crate::system;

/// Names of folders that a program copies to somebody else's machine, and the program.
const SYNCED: [(&str, &str); 13] = [
    ("Dropbox", "Dropbox"),
    ("OneDrive", "OneDrive"),
    ("Google Drive", "Google Drive"),
    ("GoogleDrive", "Google Drive"),
    ("My Drive", "Google Drive"),
    ("Mobile Documents", "iCloud"),
    ("iCloudDrive", "iCloud"),
    ("CloudStorage", "a cloud storage"),
    ("Nextcloud", "Nextcloud"),
    ("ownCloud", "ownCloud"),
    ("pCloudDrive", "pCloud"),
    ("SynologyDrive", "Synology Drive"),
    ("MEGAsync", "MEGA"),
];

/// Who may read a file by its mode and that of the folders above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Readers {
    /// Its owner alone.
    Owner,
    /// Its group as well.
    Group,
    /// Everybody on this machine.
    Everybody,
}

/// How exposed a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// Its owner: `you`, `root`, or a number; on Windows `you` below the folder of one's profile, else `unknown`.
    pub owner: String,
    /// Its mode, where files have one.
    #[serde(serialize_with = "octal", skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Who may read it, by that mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable_by: Option<Readers>,
    /// Since when it is as it is.
    #[serde(serialize_with = "instant")]
    pub changed_at: Timestamp,
    /// Whether it is in a git repository.
    pub git: Option<Git>,
    /// Which program copies it away.
    pub synced_by: Option<&'static str>,
}

impl Exposure {
    /// Whether others than its owner see it: then what lies in it matters more.
    pub fn is_seen_by_others(&self) -> bool {
        self.readable_by == Some(Readers::Everybody)
            || self.git == Some(Git::Tracked)
            || self.synced_by.is_some()
    }
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it so"
)]
fn octal<S: Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:04o}", mode.unwrap_or_default()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn instant<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// What was learned of folders.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    repositories: Repositories,
    /// Whether everybody may pass through a folder and all above it.
    open: HashMap<PathBuf, bool>,
    /// Whether Syncthing keeps a mark in a folder or one above it.
    marked: HashMap<PathBuf, bool>,
}

impl Surroundings {
    /// How exposed a file is. Its path is absolute.
    pub(crate) fn exposure(&mut self, file: &Path, metadata: &Metadata) -> Exposure {
        let mode = system::mode(metadata);
        let is_reachable = file.parent().is_none_or(|folder| self.is_open(folder));
        let readers = |mode: u32| {
            if mode & 0o004 != 0 && is_reachable {
                Readers::Everybody
            } else if mode & 0o040 != 0 {
                Readers::Group
            } else {
                Readers::Owner
            }
        };
        let changed = metadata.modified().ok();
        let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Exposure {
            owner: system::owner(file, metadata),
            mode,
            readable_by: mode.map(readers),
            changed_at: Timestamp::EPOCH + Duration::from_secs(changed.unwrap_or_default().as_secs()),
            git: self.repositories.of(file),
            synced_by: self.synced_by(file),
        }
    }

    fn is_open(&mut self, folder: &Path) -> bool {
        if let Some(known) = self.open.get(folder) {
            return *known;
        }
        let is_passed = fs::metadata(folder)
            .is_ok_and(|metadata| system::mode(&metadata).is_some_and(|mode| mode & 0o001 != 0));
        let is_open = is_passed && folder.parent().is_none_or(|parent| self.is_open(parent));
        self.open.insert(folder.to_owned(), is_open);
        is_open
    }

    fn synced_by(&mut self, file: &Path) -> Option<&'static str> {
        let names = file.parent().into_iter().flat_map(Path::components);
        let by_name = names
            .filter_map(|name| name.as_os_str().to_str())
            .find_map(|name| {
                let is = |known: &str| {
                    // `OneDrive - Company`, `Dropbox (Personal)`
                    name.strip_prefix(known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-']))
                };
                SYNCED
                    .iter()
                    .find(|(known, _)| is(known))
                    .map(|(_, program)| *program)
            });
        by_name.or_else(|| {
            file.parent()
                .is_some_and(|folder| self.is_marked(folder))
                .then_some("Syncthing")
        })
    }

    fn is_marked(&mut self, folder: &Path) -> bool {
        if let Some(known) = self.marked.get(folder) {
            return *known;
        }
        let own = fs::symlink_metadata(folder.join(".stfolder")).is_ok();
        let is_marked = own || folder.parent().is_some_and(|parent| self.is_marked(parent));
        self.marked.insert(folder.to_owned(), is_marked);
        is_marked
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder_with(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn a_file_in_a_shut_folder_is_open_to_nobody_else() {
        for (folder, file, readers) in [
            (0o700, 0o644, Readers::Group),
            (0o755, 0o644, Readers::Everybody),
            (0o755, 0o640, Readers::Group),
            (0o755, 0o600, Readers::Owner),
        ] {
            let folder = folder_with(folder);
            let path = folder.path().join("f");
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            let exposure = Surroundings::default().exposure(&path, &metadata);
            assert_eq!(
                (exposure.readable_by, exposure.mode),
                (Some(readers), Some(file)),
                "{folder:?}"
            );
            assert_eq!(exposure.owner, "you");
        }
    }

    #[test]
    fn folders_that_are_copied_away_are_known() {
        let home = folder_with(0o700);
        fs::create_dir_all(home.path().join("sync/deep")).unwrap();
        fs::create_dir(home.path().join("sync/.stfolder")).unwrap();
        let mut surroundings = Surroundings::default();
        let mut of = |name: &str| surroundings.synced_by(&home.path().join(name));
        assert_eq!(of("Dropbox (Personal)/x"), Some("Dropbox"));
        assert_eq!(of("OneDrive - Firma/a/b"), Some("OneDrive"));
        assert_eq!(
            of("Library/Mobile Documents/com~apple~CloudDocs/x"),
            Some("iCloud")
        );
        assert_eq!(of("sync/deep/x"), Some("Syncthing"));
        assert_eq!(of("Dropboxes/x"), None);
    }
}
