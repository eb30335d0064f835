//! Asking for what nobody is to see.

use std::io;

#[cfg(unix)]
mod restoring;

/// Asks on the terminal, without showing what is typed. A signal that ends the program meanwhile leaves a terminal that shows
/// what is typed, whatever shell is behind it. The console of Windows is asked key by key, and nothing of it is changed.
///
/// # Errors
/// There is no terminal.
pub fn ask(prompt: dialoguer::Password<'_>) -> io::Result<String> {
    #[cfg(unix)]
    restoring::at_the_end()?;
    prompt.interact().map_err(|dialoguer::Error::IO(error)| error)
}
