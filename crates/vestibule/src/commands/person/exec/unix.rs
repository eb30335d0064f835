//! In the place of this process.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::pipe::pipe;

/// The system finds it.
pub(super) fn found(name: &OsStr) -> &OsStr {
    name
}

/// Signals, the terminal and the exit code are the program's own from here on.
pub(super) fn become_program(mut command: Command) -> io::Error {
    command.exec()
}

/// A pipe, as a file that the next program inherits.
pub(super) struct ReadOnce {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl ReadOnce {
    pub(super) fn new() -> anyhow::Result<Self> {
        // Without CLOEXEC on the end that is read, so that it is still there in the program.
        let (reader, writer) = pipe()?;
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC)?;
        Ok(Self { reader, writer })
    }

    /// The name of the file, with this text in it.
    pub(super) fn holding(self, text: &[u8]) -> anyhow::Result<String> {
        // A pipe holds more than a token is long: nobody has to read for it to be written.
        let mut written = 0;
        while written < text.len() {
            written += rustix::io::write(&self.writer, &text[written..])?;
        }
        drop(self.writer);
        let path = format!("/dev/fd/{}", self.reader.as_raw_fd());
        let _ = self.reader.into_raw_fd();
        Ok(path)
    }
}
