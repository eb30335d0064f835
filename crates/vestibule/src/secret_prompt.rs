//! Asking for what nobody is to see.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// Asks on the terminal, without showing what is typed. A signal that ends the program meanwhile leaves a terminal that shows
/// what is typed, whatever shell is behind it.
///
/// # Errors
/// There is no terminal.
pub fn ask(prompt: dialoguer::Password<'_>) -> io::Result<String> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    restore_at_the_end(terminal, before)?;
    prompt.interact().map_err(|dialoguer::Error::IO(error)| error)
}

/// From now on, for the life of the process: whoever listens to a signal once is not ended by it any more.
fn restore_at_the_end(terminal: File, before: Termios) -> io::Result<()> {
    let (ready, is_ready) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            // The thread that asks reads, and may be the only one of its runtime.
            let own = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let outcome = own.and_then(|own| own.block_on(ended(&ready)));
            match outcome {
                Ok(kind) => leave(&terminal, &before, kind),
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

/// Waits for a signal that ends programs.
async fn ended(ready: &mpsc::Sender<io::Result<()>>) -> io::Result<SignalKind> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let _ = ready.send(Ok(()));
    Ok(tokio::select! {
        _ = hangup.recv() => SignalKind::hangup(),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = quit.recv() => SignalKind::quit(),
        _ = terminate.recv() => SignalKind::terminate(),
    })
}

#[expect(clippy::exit, reason = "the signal ends the program, whatever else it does")]
fn leave(terminal: &File, before: &Termios, kind: SignalKind) {
    let _ = tcsetattr(terminal, OptionalActions::Flush, before);
    let _ = writeln!(io::stderr());
    // As shells say it of a program that a signal ended.
    std::process::exit(128 + kind.as_raw_value());
}
