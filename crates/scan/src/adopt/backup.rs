//! The way back. What was in the files before lies in one file of mode 0600 for each time that something was changed; it is
//! written before anything else is, and holds the old credentials until it is forgotten.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use keys::{private_file, sha256};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::Change;

const VERSION: u32 = 1;

/// Why something was not changed, or not changed back.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// Others may read what is made there.
    #[error("{} is not below the folder of your profile, so that others may read what was there before", .0.display())]
    NotPrivate(PathBuf),
    /// It is not what was looked at.
    #[error("{} was changed by somebody else meanwhile; it is left alone", .0.display())]
    Changed(PathBuf),
    /// There is no backup, or none of this name.
    #[error("there is nothing to undo")]
    None,
    /// A backup that is not of this program.
    #[error("{} is no backup of this program", .0.display())]
    Broken(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    files: Vec<KeptFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ended: Vec<Ended>,
}

/// A credential that what is kept holds and that counts no more, or may not. Nothing of it is here but its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What it is, for people.
    pub title: String,
    /// The file as it is shown.
    pub path: String,
    /// Whether its provider said so; else it was asked, and nobody knows what became of it.
    pub is_certain: bool,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    path: PathBuf,
    before: String,
    /// SHA-256 of what was written, which holds no credential any more.
    after: String,
}

/// What was in files before one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    file: PathBuf,
}

/// What was changed back, and what was not.
#[derive(Debug, Default)]
pub struct Undone {
    /// Files that are as they were.
    pub files: Vec<PathBuf>,
    /// Why others are not.
    pub failed: Vec<BackupError>,
    /// Credentials in them that count no more.
    pub ended: Vec<Ended>,
}

impl Backup {
    /// Makes changes. The backup is there before the first of them.
    pub fn apply(folder: &Path, changes: &[Change], now: Timestamp) -> Result<Self, BackupError> {
        let kept = Kept {
            version: VERSION,
            files: changes
                .iter()
                .map(|change| KeptFile {
                    path: change.path.clone(),
                    before: change.before().to_owned(),
                    after: digest(change.after()),
                })
                .collect(),
            ended: Vec::new(),
        };
        private_file::create_folder(folder).map_err(|error| BackupError::File(folder.to_owned(), error))?;
        if !private_file::is_private(folder) {
            return Err(BackupError::NotPrivate(folder.to_owned()));
        }
        let file = folder.join(format!("{:014}.json", now.as_millis()));
        let at = |error| BackupError::File(file.clone(), error);
        let text = serde_json::to_string(&kept).map_err(|error| at(error.into()))?;
        private_file::write_new(&file, &text).map_err(at)?;
        for change in changes {
            exchange(&change.path, change.before(), change.after())?;
        }
        Ok(Self { file })
    }

    /// Every backup, the newest last.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let files = entries.map(|entry| entry.path());
        let mut files: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        files.into_iter().map(|file| Self { file }).collect()
    }

    /// Where it lies.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Notes which of the credentials in it count no more, in the place of what was noted before.
    pub fn note(&self, ended: Vec<Ended>) -> Result<(), BackupError> {
        let kept = Kept {
            ended,
            ..self.kept()?
        };
        let at = |error| BackupError::File(self.file.clone(), error);
        let text = serde_json::to_string(&kept).map_err(|error| at(error.into()))?;
        private_file::write(&self.file, &text).map_err(at)
    }

    fn kept(&self) -> Result<Kept, BackupError> {
        let text = fs::read(&self.file).map_err(|error| BackupError::File(self.file.clone(), error))?;
        let kept: Option<Kept> = serde_json::from_slice(&text).ok();
        kept.filter(|kept| kept.version == VERSION)
            .ok_or_else(|| BackupError::Broken(self.file.clone()))
    }

    /// Changes everything back that nobody has changed since. The backup goes if nothing is left to do.
    pub fn undo(self) -> Result<Undone, BackupError> {
        let kept = self.kept()?;
        let mut undone = Undone {
            ended: kept.ended,
            ..Undone::default()
        };
        for file in kept.files {
            match restore(&file) {
                Ok(()) => undone.files.push(file.path),
                Err(error) => undone.failed.push(error),
            }
        }
        if undone.failed.is_empty() {
            self.forget()?;
        }
        Ok(undone)
    }

    /// Deletes it, with the old credentials that it holds.
    pub fn forget(self) -> Result<(), BackupError> {
        fs::remove_file(&self.file).map_err(|error| BackupError::File(self.file, error))
    }
}

fn restore(file: &KeptFile) -> Result<(), BackupError> {
    let path = &file.path;
    let is = fs::read_to_string(path).map_err(|error| BackupError::File(path.clone(), error))?;
    // One that was not reached before something failed is as it was.
    if is == file.before {
        return Ok(());
    }
    if digest(&is) != file.after {
        return Err(BackupError::Changed(path.clone()));
    }
    exchange(path, &is, &file.before)
}

/// Writes a text in the place of another, whole or not at all, under the mode that the file has.
fn exchange(path: &Path, from: &str, to: &str) -> Result<(), BackupError> {
    let at = |error| BackupError::File(path.to_owned(), error);
    let folder = path.parent().unwrap_or(Path::new("."));
    let permissions = fs::symlink_metadata(path).map_err(at)?.permissions();
    let mut draft = NamedTempFile::new_in(folder).map_err(at)?;
    draft.write_all(to.as_bytes()).map_err(at)?;
    draft.as_file().set_permissions(permissions).map_err(at)?;
    draft.as_file().sync_all().map_err(at)?;
    if fs::read_to_string(path).map_err(at)? != from {
        return Err(BackupError::Changed(path.to_owned()));
    }
    private_file::replace(draft, path).map_err(at)
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&sha256(text.as_bytes()))
}
