//! By name, and by the folder that it lies in. Who else may read a file is not said.

use std::fs::{File, Metadata};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keys::private_file;

/// Opens a link itself, which then is no file.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// What a file is: its path from the root.
pub(crate) type Identity = PathBuf;

pub(crate) fn identity(path: &Path, _: &Metadata) -> Identity {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Its owner: `you` below the folder of one's profile, else `unknown`.
pub(crate) fn owner(path: &Path, _: &Metadata) -> String {
    let is_own = path.parent().is_some_and(private_file::is_private);
    if is_own { "you" } else { "unknown" }.to_owned()
}

/// There is none.
pub(crate) fn mode(_: &Metadata) -> Option<u32> {
    None
}

/// Opens it for reading. Follows no link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}
