//! `vestibule exec`: a token for one program, in memory of that program alone.

use std::ffi::OsString;
use std::process::Command;

use clap::Args;
use model::{ExposeSecret as _, World};

use super::{Whose, failure, meant};

#[cfg(any(windows, test))]
mod lookup;
#[cfg_attr(unix, path = "exec/unix.rs")]
#[cfg_attr(windows, path = "exec/windows.rs")]
mod own;

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
        let once = if self.file || self.header {
            Some(own::ReadOnce::new()?)
        } else {
            None
        };
        let around = self.whose.around(world)?;
        let server = meant(&self.server, &around)?;
        let access = client::access(&server, &around, None).await.map_err(failure)?;
        let token = access.token.expose_secret();
        let Some((name, arguments)) = self.command.split_first() else {
            return Ok(());
        };
        let mut command = Command::new(own::found(name));
        if let Some(once) = once {
            let text = if self.header {
                format!("Authorization: Bearer {token}\n")
            } else {
                token.to_owned()
            };
            let path = once.holding(text.as_bytes())?;
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
        let error = own::become_program(command);
        Err(anyhow::Error::new(error).context(name.display().to_string()))
    }
}
