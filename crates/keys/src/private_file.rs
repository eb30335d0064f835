//! Files that are their owner's alone: the master key, one-time links, backups.
//!
//! On Unix by their mode. Windows has none: there a file may be read by whom its folder allows, which below the folder of
//! a person's profile is that person and the administrators; [`is_private`] says whether a folder lies there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

#[cfg_attr(unix, path = "private_file/unix.rs")]
#[cfg_attr(windows, path = "private_file/windows.rs")]
mod system;

pub use system::{create_folder, is_open_to_all, is_private, replace, sync_folder};

/// Writes a file with mode 0600 in one step: whoever reads finds the old text or the new one, also after
/// a power cut.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    replace(draft(folder, text)?, path)?;
    sync_folder(folder)
}

/// Writes a file with mode 0600 unless there is one; of two that do so at the same moment one wins.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    draft(folder, text)?
        .persist_noclobber(path)
        .map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes a file with mode 0600 for somebody to write into; it must not exist.
pub fn create(path: &Path) -> io::Result<File> {
    options().create_new(true).write(true).open(path)
}

/// How a file is opened that has mode 0600 if it is made by that.
pub fn options() -> OpenOptions {
    let mut options = File::options();
    system::alone(&mut options);
    options
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file of a name of its own, mode 0600.
fn draft(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut draft = NamedTempFile::new_in(folder)?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("secret");
        create_folder(path.parent().unwrap()).unwrap();
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let folder_mode = std::fs::metadata(path.parent().unwrap()).unwrap().mode();
        assert_eq!(folder_mode & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(write_new(&path, "three").is_err());
        assert!(!is_open_to_all(&path).unwrap());
    }
}
