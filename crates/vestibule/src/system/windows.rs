//! By the events of a console. There is no server here, and so nobody listens.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use keys::private_file;
use tokio::io::DuplexStream;
use tokio::process::Command;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
    ctrl_shutdown,
};

/// One end of a socket between two processes of this machine. None is ever made.
pub type Stream = DuplexStream;

/// Where such sockets begin. There is none.
#[derive(Debug)]
pub struct Listener(Infallible);

impl Listener {
    /// Resolves when somebody comes.
    ///
    /// # Errors
    /// If nobody can.
    #[expect(clippy::unused_async, reason = "other systems wait here")]
    pub async fn accept(&self) -> io::Result<(Stream, Infallible)> {
        match self.0 {}
    }
}

/// The events that ask a process to stop. They are heard from the moment this is made.
#[derive(Debug)]
pub struct Told {
    interrupt: CtrlC,
    pause: CtrlBreak,
    shutdown: CtrlShutdown,
    logoff: CtrlLogoff,
}

impl Told {
    /// Begins to hear Ctrl-C, Ctrl-Break, and that the person or the machine goes.
    ///
    /// # Errors
    /// If events cannot be heard.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            pause: ctrl_break()?,
            shutdown: ctrl_shutdown()?,
            logoff: ctrl_logoff()?,
        })
    }

    /// Resolves at the next one.
    pub async fn to_stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.shutdown.recv() => {}
            _ = self.logoff.recv() => {}
        }
    }

    /// Resolves at the next one that is not Ctrl-C.
    pub async fn to_terminate(&mut self) {
        tokio::select! {
            _ = self.pause.recv() => {}
            _ = self.shutdown.recv() => {}
            _ = self.logoff.recv() => {}
        }
    }
}

/// The event that says that the console is gone.
#[derive(Debug)]
pub struct HangUp(CtrlClose);

impl HangUp {
    /// Begins to hear it.
    ///
    /// # Errors
    /// If events cannot be heard.
    pub fn listen() -> io::Result<Self> {
        ctrl_close().map(Self)
    }

    /// Resolves at the next one.
    pub async fn heard(&mut self) {
        self.0.recv().await;
    }
}

/// No server runs here.
///
/// # Errors
/// Always.
pub fn listen(_path: &Path) -> io::Result<Listener> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No server runs here.
///
/// # Errors
/// Always.
pub async fn connect(_path: &Path) -> io::Result<Stream> {
    Err(io::ErrorKind::NotFound.into())
}

/// Nobody is known.
///
/// # Errors
/// Never.
pub fn owner_of(_stream: &Stream) -> io::Result<Option<String>> {
    Ok(None)
}

/// The name of whoever runs this process, as the folder of their profile has it.
pub fn own_name() -> String {
    let profile = std::env::home_dir();
    let name = profile.as_deref().and_then(Path::file_name);
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether a file can be made in a folder: it is not marked otherwise.
///
/// # Errors
/// Why not.
pub fn can_write(folder: &Path) -> io::Result<()> {
    if std::fs::metadata(folder)?.permissions().readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// Whether others on this machine may be able to look into a folder.
pub fn is_open_folder(folder: &Path) -> bool {
    !private_file::is_private(folder)
}

/// A program ends alone.
pub fn apart(_command: &mut Command) {}

/// It was ended when it was dropped.
pub fn end_group(_group: Option<u32>) {}

/// Nothing is counted so.
pub fn page_size() -> Option<usize> {
    None
}

/// Nothing is counted so.
pub fn ticks_per_second() -> Option<u64> {
    None
}
