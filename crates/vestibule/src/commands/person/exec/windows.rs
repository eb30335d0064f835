//! Beside this process, which waits for it: no process becomes another here.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Command;

use tokio::signal::windows::{ctrl_break, ctrl_c};

use super::lookup;
use crate::config::environment::Environment;
use crate::operator::Failure;

/// The file that the name means, or the name.
pub(super) fn found(name: &OsStr) -> OsString {
    let environment = Environment::read();
    let folders = environment
        .all()
        .find(|(name, _)| name.eq_ignore_ascii_case("PATH"));
    let folders = std::env::split_paths(folders.map_or("", |(_, folders)| folders));
    lookup::file_of(name, folders, environment.get("PATHEXT")).map_or_else(|| name.to_owned(), OsString::from)
}

/// Ends as it ends. Ctrl-C goes to both, and what it does is the program's to say.
#[expect(
    clippy::exit,
    reason = "the exit code is the program's own, which may be larger than ours"
)]
pub(super) fn become_program(mut command: Command) -> io::Error {
    let _heard = match (ctrl_c(), ctrl_break()) {
        (Ok(interrupt), Ok(pause)) => (interrupt, pause),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// There are no such files.
pub(super) struct ReadOnce(Infallible);

impl ReadOnce {
    pub(super) fn new() -> anyhow::Result<Self> {
        let text = "Windows has no file that can be read once and lies on no disk: give the token as a variable (--env)";
        Err(Failure::Usage(text.to_owned()).into())
    }

    pub(super) fn holding(self, _: &[u8]) -> anyhow::Result<String> {
        match self.0 {}
    }
}
