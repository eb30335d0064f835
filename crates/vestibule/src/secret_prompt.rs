//! Asking for what nobody is to see.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell says of a program that a key ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Asks on the terminal, without showing what is typed. A key that ends the program meanwhile leaves a terminal that shows
/// what is typed, whatever shell is behind it.
///
/// # Errors
/// There is no terminal.
pub fn ask(prompt: dialoguer::Password<'_>) -> io::Result<String> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    restore_on_interrupt(terminal, before)?;
    prompt.interact().map_err(|dialoguer::Error::IO(error)| error)
}

/// From now on, for the life of the process: whoever listens to a signal once is not ended by it any more.
#[expect(clippy::exit, reason = "the signal ends the program, whatever else it does")]
fn restore_on_interrupt(terminal: File, before: Termios) -> io::Result<()> {
    let Ok(runtime) = Handle::try_current() else {
        return Ok(());
    };
    let mut interrupts = signal(SignalKind::interrupt())?;
    // The thread that asks reads, and nothing else runs there.
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if runtime.block_on(interrupts.recv()).is_some() {
                let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
                let _ = writeln!(io::stderr());
                std::process::exit(INTERRUPTED);
            }
        })?;
    Ok(())
}
