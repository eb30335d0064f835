//! By signals, sockets in the file system, and user ids.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::process::{Pid, kill_process_group};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// One end of a socket between two processes of this machine.
pub type Stream = UnixStream;
/// Where such sockets begin.
pub type Listener = UnixListener;

/// The signals that ask a process to stop. They are heard from the moment this is made.
#[derive(Debug)]
pub struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    /// Begins to hear SIGTERM and Ctrl-C.
    ///
    /// # Errors
    /// If signals cannot be heard.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the next one.
    pub async fn to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves at the next SIGTERM.
    pub async fn to_terminate(&mut self) {
        self.terminate.recv().await;
    }
}

/// The signal that says that the terminal is gone, or, to a server, that its configuration is another.
#[derive(Debug)]
pub struct HangUp(Signal);

impl HangUp {
    /// Begins to hear SIGHUP.
    ///
    /// # Errors
    /// If signals cannot be heard.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Resolves at the next one.
    pub async fn heard(&mut self) {
        self.0.recv().await;
    }
}

/// Makes a socket that its owner alone can use.
///
/// # Errors
/// If it cannot be made.
pub fn listen(path: &Path) -> io::Result<Listener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Goes to the process that listens there.
///
/// # Errors
/// If nobody does.
pub async fn connect(path: &Path) -> io::Result<Stream> {
    UnixStream::connect(path).await
}

/// The name of who is at the other end, if it is this process's own user or root.
///
/// # Errors
/// If the system does not say who it is.
pub fn owner_of(stream: &Stream) -> io::Result<Option<String>> {
    let caller = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    Ok((caller == own || caller == 0).then(|| user_name(caller)))
}

/// The name of whoever runs this process.
pub fn own_name() -> String {
    user_name(rustix::process::geteuid().as_raw())
}

fn user_name(uid: u32) -> String {
    let people = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = people.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

/// Whether a file can be made in a folder, or in one that it names.
///
/// # Errors
/// Why not.
pub fn can_write(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether everybody on this machine can look into a folder.
pub fn is_open_folder(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o007 != 0)
}

/// So that whatever a program starts ends with it.
pub fn apart(command: &mut Command) {
    command.process_group(0);
}

/// Ends a program that runs so, and all that it started; also what it left behind when it ended itself.
pub fn end_group(group: Option<u32>) {
    let group = group.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(group) = group {
        // It may have ended at this very moment.
        let _ = kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// How many bytes of memory the kernel counts as one.
pub fn page_size() -> Option<usize> {
    Some(rustix::param::page_size())
}

/// In how many parts the kernel counts a second.
pub fn ticks_per_second() -> Option<u64> {
    Some(rustix::param::clock_ticks_per_second())
}
