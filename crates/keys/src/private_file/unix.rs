//! By mode.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// A file that is made is its owner's alone.
pub(super) fn alone(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Makes a folder with mode 0700, and those above it.
pub fn create_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Puts a draft in the place of a file, in one step.
pub fn replace(draft: NamedTempFile, path: &Path) -> io::Result<()> {
    draft.persist(path).map(drop).map_err(|error| error.error)
}

/// Waits until what was made or renamed in a folder outlives a power cut.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether a file that is made in this folder is its owner's alone: the mode says so, wherever it is.
pub fn is_private(_folder: &Path) -> bool {
    true
}

/// Whether everybody on this machine may read the file.
pub fn is_open_to_all(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.mode() & 0o004 != 0)
}
