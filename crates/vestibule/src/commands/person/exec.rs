//! `vestibule exec`: a token for one program, in memory of that program alone.

use std::ffi::OsString;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use model::{ExposeSecret as _, World};
use rustix::pipe::pipe;

use super::{Whose, failure, meant};

/// `vestibule exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// A server that you are signed in to: its URL, or the last word of it
    server: String,
    /// The variable that holds the token
    #[arg(long, value_name = "NAME", default_value = "VESTIBULE_TOKEN")]
    env: String,
    /// Give the token as a file that can be read once and lies on no disk, in place of a variable; its name stands for {}
    #[arg(long, conflicts_with = "header")]
    file: bool,
    /// The same with a whole `Authorization` header, as `curl -H @{}` takes it
    #[arg(long)]
    header: bool,
    #[command(flatten)]
    whose: Whose,
    /// The program, with what it is given
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    /// Becomes the program.
    ///
    /// # Errors
    /// There is no token, or no such program.
    pub(super) async fn run(self, world: World) -> anyhow::Result<()> {
        let around = self.whose.around(world)?;
        let server = meant(&self.server, &around)?;
        let access = client::access(&server, &around, None).await.map_err(failure)?;
        let token = access.token.expose_secret();
        let text = match (self.file, self.header) {
            (false, false) => None,
            (true, _) => Some(token.to_owned()),
            (_, true) => Some(format!("Authorization: Bearer {token}\n")),
        };
        let Some((name, arguments)) = self.command.split_first() else {
            return Ok(());
        };
        let mut command = Command::new(name);
        if let Some(text) = text {
            let path = readable_once(text.as_bytes())?;
            // What is no text names nothing of ours.
            let filled = arguments.iter().map(|argument| match argument.to_str() {
                Some(text) => OsString::from(text.replace("{}", &path)),
                None => argument.clone(),
            });
            command.args(filled);
            command.env("VESTIBULE_TOKEN_FILE", &path);
        } else {
            command.args(arguments).env(&self.env, token);
        }
        // Signals, the terminal and the exit code are the program's own from here on.
        let error = command.exec();
        Err(anyhow::Error::new(error).context(name.display().to_string()))
    }
}

/// A pipe with this text in it, as a file that the next program inherits.
fn readable_once(text: &[u8]) -> anyhow::Result<String> {
    // Without CLOEXEC on the end that is read, so that it is still there in the program.
    let (reader, writer) = pipe()?;
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC)?;
    // A pipe holds more than a token is long: nobody has to read for it to be written.
    let mut written = 0;
    while written < text.len() {
        written += rustix::io::write(&writer, &text[written..])?;
    }
    drop(writer);
    let path = format!("/dev/fd/{}", reader.as_raw_fd());
    let _ = reader.into_raw_fd();
    Ok(path)
}
