//! By the folder: what is made in it may be read by whom the folder allows.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// How often a file that somebody has open is tried to be replaced, and how long between two times.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// There is no mode.
pub(super) fn alone(_: &mut OpenOptions) {}

/// Makes a folder, and those above it.
pub fn create_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Puts a draft in the place of a file, in one step. The system refuses that while another process reads the file, which
/// for files of ours is soon over.
pub fn replace(mut draft: NamedTempFile, path: &Path) -> io::Result<()> {
    for _ in 1..TRIES {
        match draft.persist(path) {
            Ok(_) => return Ok(()),
            Err(again) if again.error.kind() == io::ErrorKind::PermissionDenied => draft = again.file,
            Err(error) => return Err(error.error),
        }
        std::thread::sleep(PAUSE);
    }
    draft.persist(path).map(drop).map_err(|error| error.error)
}

/// The journal of the file system keeps names; there is nothing to wait for.
pub fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a file that is made in this folder is its owner's alone: so it is below the folder of their profile, by what is
/// inherited there, and nobody knows of any other place.
pub fn is_private(folder: &Path) -> bool {
    let Some(profile) = std::env::home_dir() else {
        return false;
    };
    match (profile.canonicalize(), folder.canonicalize()) {
        (Ok(profile), Ok(folder)) => folder.starts_with(profile),
        _ => false,
    }
}

/// Whether everybody on this machine may read the file. Nothing that is read here says so.
pub fn is_open_to_all(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| false)
}
