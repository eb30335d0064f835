//! A terminal that shows again what is typed, however the program ends.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// From now on, for the life of the process: whoever listens to a signal once is not ended by it any more.
pub(super) fn at_the_end() -> io::Result<()> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
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
