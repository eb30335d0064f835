//! By inode and mode.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// What a file is, under whichever name.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(_path: &Path, metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Its owner: `you`, `root`, or a number.
pub(crate) fn owner(_path: &Path, metadata: &Metadata) -> String {
    let own = rustix::process::geteuid().as_raw();
    match metadata.uid() {
        uid if uid == own => "you".to_owned(),
        0 => "root".to_owned(),
        uid => uid.to_string(),
    }
}

/// Its mode, without its kind.
#[expect(clippy::unnecessary_wraps, reason = "not every system has modes")]
pub(crate) fn mode(metadata: &Metadata) -> Option<u32> {
    Some(metadata.mode() & 0o7777)
}

/// Opens it for reading. Does not wait, follows no link and takes no terminal.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    File::options()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
}
